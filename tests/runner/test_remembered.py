"""What the cache remembers of a running job says since when."""

from __future__ import annotations

from agentless.model.states import Dispatched, HostResult, State, remembered
from tests.runner.conftest import Bench

RUNNING = HostResult(State.RUNNING, Dispatched.YES, nonce="ab", pid=7)


def test_a_job_that_is_shown_without_asking_runs_as_of_then(bench: Bench) -> None:
    report = bench.report(bench.job(web1=RUNNING).job.jid)
    shown = remembered(report.results["web1"])
    assert shown.state is State.RUNNING
    assert shown.problem is not None
    assert (shown.problem.kind, "as of 20" in shown.problem.message) == ("not-asked", True)


def test_what_was_just_seen_and_what_has_ended_says_nothing_of_the_kind(bench: Bench) -> None:
    assert remembered(RUNNING) == RUNNING
    ended = HostResult(State.NOT_STARTED)
    assert remembered(bench.report(bench.job(web1=ended).job.jid).results["web1"]).problem is None
