"""Any report, list or endpoint has a table, a line a row."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agentless.model.endpoint import Become, Endpoint
from agentless.model.job import Job, JobRow, Report
from agentless.model.results import Listed
from agentless.report import tables
from tests.report.harmless import harmless
from tests.report.values import JID, START, quick, report, reports, returned, texts


@quick
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=5))
def test_tables_are_harmless_and_have_a_line_a_row(rows: list[tuple[str, str]]) -> None:
    for text in (tables.table(("ONE", "TWO"), rows), tables.tabbed(rows)):
        assert harmless(text)
        text.encode("utf-8")
    assert tables.table(("ONE", "TWO"), rows).count("\n") == len(rows) + 1
    assert tables.tabbed(rows).count("\n") == len(rows)


@quick
@given(st.lists(st.tuples(*[st.text("ab 0123456789.e-", max_size=6)] * 3), min_size=1, max_size=5))
def test_long_tables_look_like_short_ones(rows: list[tuple[str, str, str]]) -> None:
    many = rows * (tables.TABULATE_ROWS // len(rows) + 1)
    short = tables.table(("A", "B", "C"), many[: tables.TABULATE_ROWS]).split("\n")
    long = tables.table(("A", "B", "C"), many).split("\n")
    if len(rows) <= tables.TABULATE_ROWS:
        assert long[: len(rows)] == short[: len(rows)]


@quick
@given(reports())
def test_any_report_has_a_table(some: Report) -> None:
    assert (
        tables.table(tables.REPORT, tables.report(some)).count("\n") == len(some.results) + len(some.unknown_hosts) + 1
    )
    assert harmless(tables.head(some.job))


def test_job_lists_say_who_failed() -> None:
    job = Job(JID, "cmd.run", ("uptime",), "web*", ("web1",), "ada", START)
    summary = {**report(a=returned(), b=returned(retcode=1)).summary}
    assert list(tables.jobs(Listed([JobRow(job, summary, START)]))) == [
        (JID, "2026-11-22 09:50:39Z", "web*", "ada", "1 returned, 1 failed", "uptime")
    ]


def test_endpoints_show_no_password() -> None:
    endpoint = Endpoint("web1", "10.0.0.1", port=22, user="ada", become=Become("sudo", "root"))
    assert list(tables.endpoints({"web1": endpoint})) == [("web1", "10.0.0.1", "22", "ada", "sudo:root")]
