"""What `top` makes of a job in the cache and of what was seen of its hosts since."""

from __future__ import annotations

import pytest

from agentless.cli.snapshot import LINE, HostPart, foreign_parts, job_part, last_line, last_line_of
from agentless.model.job import Report
from agentless.model.problem import Problem
from agentless.model.states import HostResult, State
from tests.report.values import JID, START, report, returned

RUNNING = HostResult(State.RUNNING, pid=4, started=START)
NOT_ASKED = HostResult(State.RUNNING, started=START, problem=Problem("not-asked", "nobody was asked"))


def of_one(result: HostResult, *, silent: bool = False, seen: bool = False, line: str = "") -> HostPart:
    """The part of the one host of a job."""
    (part,) = job_part(report(a=result), ["a"] * silent, ["a"] * seen, {"a": line}).hosts
    return part


@pytest.mark.parametrize(
    ("silent", "seen", "word", "colour"),
    [
        (False, False, "running?", "yellow"),
        (False, True, "running", "yellow"),
        (True, False, "unreachable", "red"),
        (True, True, "unreachable", "red"),
    ],
)
def test_only_what_was_seen_to_run_is_called_running(silent: bool, seen: bool, word: str, colour: str) -> None:
    part = of_one(RUNNING, silent=silent, seen=seen)
    assert (part.word, part.colour, part.running, part.since) == (word, colour, True, START)


@pytest.mark.parametrize(
    ("silent", "seen", "line", "shown"),
    [
        (False, False, "", "not-asked: nobody was asked"),
        (False, False, "step 3", "step 3"),
        (False, True, "", ""),
        (True, True, "step 3", "not-asked: nobody was asked"),
    ],
)
def test_a_problem_is_the_last_line_unless_the_host_was_seen_since(
    silent: bool, seen: bool, line: str, shown: str
) -> None:
    assert of_one(NOT_ASKED, silent=silent, seen=seen, line=line).last_line == shown


def test_a_last_line_is_one_line_that_is_harmless_and_not_longer_than_is_shown() -> None:
    assert of_one(RUNNING, line="a\nb\x1b[2J").last_line == "a b^[[2J"
    assert len(of_one(RUNNING, line="x" * 9999).last_line) == LINE


def test_every_host_counts_once_and_what_goes_on_or_went_wrong_comes_first() -> None:
    results = {
        "ok": returned(),
        "failed": returned(retcode=3),
        "lost": HostResult(State.LOST),
        "pending": HostResult(State.PENDING),
        "silent": RUNNING,
        "runs": RUNNING,
    }
    part = job_part(report(**results), {"silent"}, {"runs"}, dict.fromkeys(results, ""))
    assert (part.ok, part.failed, part.running, part.pending, part.unreachable) == (1, 2, 1, 1, 1)
    assert [one.host for one in part.hosts] == ["runs", "silent", "pending", "failed", "lost", "ok"]


def test_a_job_that_the_cache_does_not_have_is_on_the_hosts_that_run_it() -> None:
    job = report().job
    (part,) = foreign_parts({"web1": {JID: job}, "web2": {JID: job}, "web3": {}}, [])
    assert (part.job, part.running, [one.host for one in part.hosts]) == (job, 2, ["web1", "web2"])
    assert foreign_parts({"web1": {JID: job}}, [JID]) == []


@pytest.mark.parametrize(
    ("data", "line"), [(b"", ""), (b"one\ntwo\n \n", "two"), (b"a\xff\x1b[31m", "a\\xff^[[31m"), (b"\n\n", "")]
)
def test_the_last_line_is_the_last_that_says_something(data: bytes, line: str) -> None:
    assert last_line(data) == line


@pytest.mark.parametrize(
    ("result", "line"),
    [
        (returned(b"out\n", b"err\n"), "out"),
        (returned(b"out\n", b"err\n", 1), "err"),
        (returned(b"out\n", b"", 1), "out"),
        (RUNNING, ""),
    ],
)
def test_of_a_host_that_failed_it_is_that_of_stderr(result: HostResult, line: str) -> None:
    assert last_line_of(result) == line


def test_a_job_without_hosts_is_one_too() -> None:
    part = job_part(Report(report().job, {}), (), (), {})
    assert (part.hosts, part.running, part.unreachable) == ((), 0, 0)
