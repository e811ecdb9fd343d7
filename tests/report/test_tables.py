"""Any report, list or endpoint has a table, a line a row."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agentless.model import jid as model
from agentless.model.endpoint import Become, Endpoint
from agentless.model.job import Job, JobRow, Report
from agentless.model.problem import Problem
from agentless.model.process import Process, Signal
from agentless.model.results import Active, ActiveJob, Found, Listed, Running, Signalled
from agentless.model.states import HostResult, State
from agentless.model.times import local
from agentless.report import tables
from tests.report.harmless import harmless
from tests.report.values import JID, START, quick, report, reports, returned, texts


@quick
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=5))
def test_tables_are_harmless_and_have_a_line_a_row(rows: list[tuple[str, str]]) -> None:
    for text in (tables.table(("ONE", "TWO"), rows), tables.tabbed(("ONE", "TWO"), rows)):
        assert harmless(text)
        text.encode("utf-8")
    assert tables.table(("ONE", "TWO"), rows).count("\n") == len(rows) + 1
    assert tables.tabbed(("ONE", "TWO"), rows).count("\n") == len(rows)


def test_columns_stand_below_each_other_also_behind_wide_names() -> None:
    rows = [("机器1", "ok"), ("web1", "failed (3)"), ("u\u0308", "机器")]
    for some in (rows, rows * tables.TABULATE_ROWS):
        assert tables.table(("HOST", "STATE"), some).split("\n")[1:4] == [
            "机器1   ok",
            "web1    failed (3)",
            "u\u0308       机器",
        ]


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
    assert tables.table(*tables.report(some)).count("\n") == len(some.results) + len(some.unknown_hosts) + 1
    assert harmless(tables.head(some.job))


def test_job_lists_say_who_failed() -> None:
    job = Job(JID, "cmd.run", ("uptime",), "web*", ("web1",), "ada", START)
    summary = {**report(a=returned(), b=returned(retcode=1)).summary}
    assert list(tables.jobs(Listed([JobRow(job, summary, START)]), START + 200).rows) == [
        (JID, local(START), "3m20s", "web*", "ada", "1 ok, 1 failed", "uptime")
    ]


def test_endpoints_show_no_password() -> None:
    endpoint = Endpoint("web1", "10.0.0.1", port=22, user="ada", become=Become("sudo", "root"))
    assert list(tables.endpoints({"web1": endpoint}).rows) == [("web1", "10.0.0.1", "22", "ada", "sudo:root")]


def process(pid: int, started: float, *, schedule: str | None = None, jid: str = JID) -> Process:
    return Process(model.JID(jid), "cmd.run", ("sleep 9",), "web*", "compound", "ada", pid, started, schedule)


def test_on_a_terminal_a_job_is_a_line_with_its_hosts_folded_and_its_oldest_start() -> None:
    later = process(9, START, jid=f"{int(JID) + 1}", schedule="nightly")
    hosts = {f"web{n}": [process(n, START + n)] for n in range(1, 41)} | {"db1": [later]}
    headers, rows = tables.running_jobs(Running(hosts, {}), START + 61)
    rows = list(rows)
    assert rows == [
        (JID, local(START + 1), "1m00s", "ada", "web[1-40]", "sleep 9"),
        (later.jid, local(START), "1m01s", "ada", "db1", "[nightly] sleep 9"),
    ]
    assert {len(row) for row in rows} == {len(headers)}


def test_active_jobs_have_folded_hosts_and_pids_where_they_are_wanted() -> None:
    job = Job(JID, "cmd.run", ("sleep 9",), "web*", ("web1",), "ada", START, schedule="nightly")
    result = Active({JID: ActiveJob(job, {"web1": 11, "web2": 12}, returned=("web3",))}, {})
    rows = list(tables.active(result, START + 5).rows)
    assert rows[0] == (JID, local(START), "5s", "web*", "running", "web[1-2]", "[nightly] sleep 9")
    assert rows[1] == ("", "", "", "", "returned", "web3", "")
    assert next(iter(tables.active(result, START, pids=True).rows))[5] == "web1 (pid 11), web2 (pid 12)"


def test_what_is_only_remembered_says_as_of_when() -> None:
    job = Job(JID, "cmd.run", ("uptime",), "web*", ("web1",), "ada", START)
    for state in (State.RUNNING, State.UNREACHABLE):
        listed = Listed([JobRow(job, report(web1=HostResult(state)).summary, START + 60)])
        assert next(iter(tables.jobs(listed, START + 90).rows))[5] == f"1 {state.value} (as of {local(START + 60)})"
        assert next(iter(tables.jobs(listed, START + 90, ages=True).rows))[5] == f"1 {state.value} (30s ago)"


def test_text_for_cut_has_no_column_that_is_different_at_each_look() -> None:
    assert tables.tabbed(("JID", "AGE", "STATE"), [("1", "3s", "ok")]) == "1\tok\n"


def test_rows_that_say_the_same_of_their_hosts_are_one() -> None:
    rows = [("web1", "running", "3s"), ("web2", "running", "3s"), ("db1", "not running", "")]
    assert tables.alike(("HOST", "STATE", "ELAPSED"), rows) == (
        ("HOSTS", "STATE", "ELAPSED"),
        [("web[1-2]", "running", "3s"), ("db1", "not running", "")],
    )


def test_hosts_that_could_not_be_asked_are_rows_or_folded_by_why_whatever_address_is_told() -> None:
    problems = {f"web{n}": Problem("connect", f"no answer from 192.0.2.{n} port 22 at all") for n in range(1, 31)}
    problems["db1"] = Problem("inventory", "no such variable")
    rows = list(tables.not_reached(problems, 4, folded=False))
    assert rows[0] == ("web1", "", "", "unreachable: connect: no answer from 192.0.2.1 port 22 at all")
    assert rows[-1] == ("db1", "", "", "not-started: inventory: no such variable")
    folded = list(tables.not_reached(problems, 4, folded=True))
    assert [row[3].split(" | ")[:2] for row in folded] == [["db1", "not-started"], ["web[1-30] (30)", "unreachable"]]
    assert all(isinstance(row[-1], tables.Reason) for row in [*rows, *folded])


def test_where_a_job_runs_can_be_folded() -> None:
    found = Found(JID, {"web1": process(1, START), "web2": process(2, START + 1), "web3": None}, {})
    assert tables.alike(*tables.found_alike(found, START + 61)).rows == [
        ("web[1-2]", "running", "1m01s", "sleep 9"),
        ("web3", "not running", "", ""),
    ]
    sent = {f"web{n}": Signal((n,), (), f"Signal 9 sent to job {JID} at pid {n}") for n in (1, 2)}
    assert tables.alike(*tables.signalled(Signalled(JID, 9, sent, {}), pids=False)).rows == [
        ("web[1-2]", "1", f"Signal 9 sent to job {JID}")
    ]
