"""What the job cache says of a job without asking a host, and which job a word means."""

from __future__ import annotations

import sys

import pytest

from agentless.cache import JobFilter
from agentless.errors import UnknownJob, UsageError
from agentless.model.states import Dispatched, HostResult, State
from agentless.runner import recorded
from tests.runner.conftest import Bench

RUNNING = HostResult(State.RUNNING, Dispatched.YES, nonce="ab", pid=7)


def test_last_is_the_newest_job_and_no_job_is_an_error_with_a_hint(bench: Bench) -> None:
    with pytest.raises(UnknownJob, match="no job that was sent from here") as caught:
        recorded.jid_of(bench.cache, "last")
    assert "agentless run" in caught.value.hint
    bench.job(web1=RUNNING)
    newest = bench.job(web1=RUNNING).job.jid
    assert recorded.jid_of(bench.cache, "last") == newest


def test_what_is_no_jid_is_the_callers_error(bench: Bench) -> None:
    with pytest.raises(UsageError, match="is not a JID"):
        recorded.jid_of(bench.cache, "newest")


def test_what_ran_when_it_was_last_heard_of_is_shown_as_of_then_on_the_hosts_of_the_target(bench: Bench) -> None:
    jid = bench.job(web1=RUNNING, web2=RUNNING).job.jid
    results = recorded.shown(bench.cache, bench.selection, jid, "web2").results
    assert list(results) == ["web2"]
    assert results["web2"].problem is not None
    with pytest.raises(UnknownJob, match="is not in the job cache"):
        recorded.recorded(bench.cache, "20200101000000000000")


def test_a_list_of_less_than_one_job_is_refused(bench: Bench) -> None:
    jid = bench.job(web1=RUNNING).job.jid
    assert [row.job.jid for row in recorded.listed(bench.cache.rows(), JobFilter(), 1, bench.cache.load).rows] == [jid]
    with pytest.raises(UsageError, match="a limit of 0 jobs"):
        recorded.listed(bench.cache.rows(), JobFilter(), 0, bench.cache.load)


def test_a_limit_may_be_of_any_size(bench: Bench) -> None:
    bench.job(web1=RUNNING)
    for limit in (sys.maxsize, sys.maxsize + 1, 10**30):
        assert len(recorded.listed(bench.cache.rows(), JobFilter(), limit, bench.cache.load).rows) == 1
