"""Any report is a page that shows what hosts said and does nothing of it."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given

from agentless.model.job import Job, JobRow, Report
from agentless.model.output import InMemory
from agentless.model.problem import Problem
from agentless.model.results import Listed
from agentless.model.returns import Return
from agentless.model.states import HostResult, State
from agentless.report.html import fires_html, jobs_html, report_html
from agentless.schedule.coming import Fire, Upcoming
from agentless.schedule.schedule_file import parse
from tests.report.harmless import harmless
from tests.report.values import JID, START, quick, report, reports, returned

NOW = START + 60
HOSTILE = (
    b"</pre></script><script>alert(1)</script><img src=x onerror=alert(2)><!-- ' \" & {{ 7 * 7 }} {% raw %}\n"
    + "\u202egpj.exe \x1b[31mred\x1b[0m \x1b]0;title\x07 \x00\x9b".encode()
    + b"\xff\xfe\r\nover\rwritten"
)
SHOWN = (
    "</pre></script><script>alert(1)</script><img src=x onerror=alert(2)><!-- ' \" & {{ 7 * 7 }} {% raw %}\n"
    "\\u202egpj.exe red ^[]0;title^G ^@\\x9b\\xff\\xfe\nover\nwritten"
)


class Page(HTMLParser):
    """What a browser makes of it: the elements with their attributes, and the text of some of them."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.pre: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "input"):
            self._open.append(tag)
        if tag == "pre":
            self.pre.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, (tag, self._open)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if "pre" in self._open:
            # A newline right behind <pre> is not part of it (HTML, 13.1.2.5).
            self.pre[-1] += data.removeprefix("\n") if not self.pre[-1] else data
        elif not {"style", "script"} & set(self._open):
            self.text += data

    def close(self) -> None:
        super().close()
        assert not self._open

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.elements)

    def having(self, attribute: str) -> list[str]:
        return [attrs[attribute] or "" for _, attrs in self.elements if attribute in attrs]


def check(text: str) -> Page:
    """What holds for every page: nothing hidden, nothing that runs or loads but its own script and style."""
    assert text.startswith("<!doctype html>")
    assert harmless(text)
    assert "\x1b" not in text
    page = Page(text)
    assert (page.count("script"), page.count("style")) == (1, 1)
    assert not {"img", "link", "iframe", "object", "embed", "base", "video"} & {tag for tag, _ in page.elements}
    attributes = {name for _, attrs in page.elements for name in attrs}
    assert not {name for name in attributes if name.startswith("on") or name in ("src", "style", "srcset", "action")}
    assert all(link.startswith("#g") for link in page.having("href"))
    [policy] = [attrs["content"] or "" for _, attrs in page.elements if attrs.get("http-equiv")]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    for tag, rule in (("style", "style-src"), ("script", "script-src")):
        [inner] = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"
    return page


def of(some: Report) -> Page:
    return check("".join(report_html(some, NOW)))


@quick
@given(reports())
def test_any_report_is_a_page_that_runs_and_loads_nothing(some: Report) -> None:
    page = of(some)
    hosts = {**some.results, **some.unknown_hosts}
    assert len(page.having("data-text")) == len(hosts)
    # Each row leads to the group that has what its host wrote.
    groups = [attrs["id"] for tag, attrs in page.elements if tag == "details"]
    assert set(page.having("data-group")) == set(groups)


def test_what_a_hostile_host_writes_is_shown_and_does_nothing() -> None:
    page = of(report(web1=returned(HOSTILE, HOSTILE, 1)))
    assert page.pre[:2] == [SHOWN, SHOWN]
    assert page.count("script") == 1


@pytest.mark.parametrize("text", ["</title><script>alert(1)</script>", 'x" onmouseover="alert(1)', "\u202e<b>\n&amp;"])
def test_hostile_names_problems_and_metadata_are_text_too(text: str) -> None:
    lost = HostResult(State.LOST, problem=Problem(text, text, text))
    job = Job(JID, "cmd.run", (text,), text, (text, "web1"), text, START, {text: text}, schedule=text)
    page = of(Report(job, {text: lost, "web1": returned(b"ok")}, {f"db{text}": Problem(text, text, text)}))
    # Of two problems and three counts; none of them is the text's.
    assert page.count("b") == 5
    row = JobRow(job, {**dict.fromkeys((state.value for state in State), 0), "failed": 0}, START)
    check("".join(jobs_html(Listed([row]), NOW)))


def test_hosts_that_are_alike_stand_under_one_heading_and_what_went_wrong_comes_first() -> None:
    hosts = {f"web{number}": returned(b"fine\n") for number in range(1, 10)}
    page = of(report(**hosts, db1=returned(b"no\n", b"broken\n", 3)))
    assert page.pre[:3] == ["no\n", "broken\n", "fine\n"]
    assert "web[1-9]" in page.text
    assert "9 hosts alike" in page.text
    assert len(page.having("data-text")) == 10
    assert "Of 10 hosts: 9 ok, 1 failed" in page.text


def test_a_colourless_reader_tells_outcomes_by_word_sign_and_pattern() -> None:
    running = HostResult(State.RUNNING, pid=4, started=START)
    page = of(report(a=returned(b""), b=returned(b"", retcode=1), c=running, d=HostResult(State.LOST)))
    for word in ("✓ ok", "✗ failed (1)", "▶ running", "? lost"):
        assert word in page.text
    bars = [attrs["class"] for tag, attrs in page.elements if tag == "rect" and attrs.get("rx")]
    assert bars == ["good", "bad", "open"]


def lane(result: HostResult, now: float = NOW) -> tuple[float, float]:
    page = check("".join(report_html(report(a=result), now)))
    [bar] = [attrs for tag, attrs in page.elements if tag == "rect" and attrs.get("rx")]
    return float((bar["x"] or "").rstrip("%")), float((bar["width"] or "").rstrip("%"))


def ran(started: float, duration: float) -> HostResult:
    return HostResult(State.RETURNED, ret=Return(0, None, "exit", started=started, finished=0.0, duration=duration))


def test_a_bar_lies_where_its_job_ran() -> None:
    assert lane(ran(START + 1, 2.0)) == (25, 50)


def test_a_long_output_is_whole_and_closed() -> None:
    page = of(report(web1=returned(b"x" * 1_000_000, retcode=1)))
    assert page.pre[0] == "x" * 1_000_000
    assert "open" not in next(attrs for tag, attrs in page.elements if tag == "details")


def test_jobs_of_a_list_count_by_the_worst_of_their_hosts() -> None:
    def row(jid: str, **summary: int) -> JobRow:
        job = replace(report().job, jid=JID, arguments=(jid,))
        return JobRow(job, {**dict.fromkeys((state.value for state in State), 0), "failed": 0, **summary}, START)

    rows = [row("fine", returned=3), row("bad", returned=3, failed=1, running=1), row("on", running=2)]
    page = check("".join(jobs_html(Listed(rows), NOW)))
    assert page.having("data-state") == ["ok", "failed", "running"]
    assert "3 jobs: 1 went wrong" in page.text
    assert "none went wrong" in check("".join(jobs_html(Listed([]), NOW))).text


def test_fires_to_come_stand_on_a_line_of_time_and_by_time() -> None:
    text = "schedule:\n  nightly: {function: cmd.run, args: [x], target: web, cron: '0 3 * * *'}\n"
    text += "  sweep: {function: cmd.run, args: [x], target: web, minutes: 5}\n"
    entries = parse(text, "s.yaml", now=START).entries
    fires = (Fire(int(NOW) + 100, int(NOW) + 100, "", 3600), Fire(int(NOW) + 200, int(NOW) + 200, "", 3600, "range"))
    coming = {
        "nightly": Upcoming(entries["nightly"], "web1", fires),
        "sweep": Upcoming(entries["sweep"], "web1", None),
    }
    page = check("".join(fires_html(coming, NOW)))
    assert [attrs["class"] for tag, attrs in page.elements if tag == "circle"] == ["good", "none"]
    assert "2 fires to come, 1 of them to be skipped" in page.text
    assert "known to the hosts" in page.text
    assert "skipped: range" in page.text
    check("".join(fires_html({}, NOW)))


def test_an_output_is_written_in_pieces() -> None:
    """No two of them, and no whole page, are in memory at once."""
    megabyte = 1 << 20
    returns = {
        name: Return(0, None, "exit", out=InMemory(name[-1].encode() * megabyte))
        for name in ("web1", "web2", "web3", "web4")
    }
    hosts = {name: HostResult(State.RETURNED, ret=ret) for name, ret in returns.items()}
    pieces = list(map(len, report_html(report(**hosts), NOW)))
    assert sum(pieces) > 4 * megabyte
    assert max(pieces) < megabyte
