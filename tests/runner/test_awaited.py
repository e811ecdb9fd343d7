from __future__ import annotations

from agentless.model.states import Dispatched, HostResult, State
from agentless.runner.awaited import Awaited
from tests.cache.conftest import Bench, bench
from tests.cache.results import returned
from tests.hosts import until

__all__ = ["bench"]
PENDING, RUNNING = HostResult(State.PENDING), HostResult(State.RUNNING, Dispatched.YES, "n")


def test_a_host_is_pending_until_it_has_the_job_or_its_end(bench: Bench) -> None:
    job = bench.job("web1", "web2", "web3", release=False)
    awaited = Awaited(bench.another(), job.jid)
    bench.cache.record(job.jid, "web1", RUNNING)
    until(lambda: awaited.look("web1") == RUNNING, "it runs")
    bench.cache.record(job.jid, "web2", returned(b"x" * 5000))
    until(lambda: awaited.look("web2") == returned(b"x" * 5000), "it has ended")
    assert (awaited.look("web3"), awaited.look("strange")) == (PENDING, None)


def test_where_the_run_is_gone_the_host_never_gets_the_job(bench: Bench) -> None:
    job = bench.job("web1", release=False)
    awaited = Awaited(bench.another(), job.jid)
    bench.cache.release(job.jid)
    until(lambda: awaited.look("web1") != PENDING, "it is known")
    result = awaited.look("web1")
    assert result is not None
    assert result.state is State.NOT_STARTED
    assert result.problem is not None
    assert result.problem.kind == "controller-gone"
