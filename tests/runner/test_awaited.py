from __future__ import annotations

import threading

from agentless.cache import JobCache
from agentless.model.jid import JID
from agentless.model.states import Dispatched, HostResult, State
from agentless.runner.awaited import Awaited
from tests.cache.conftest import Bench, bench
from tests.cache.results import returned
from tests.hosts import until

__all__ = ["bench"]
PENDING, RUNNING = HostResult(State.PENDING), HostResult(State.RUNNING, Dispatched.YES, "n")


def wait(cache: JobCache, jid: JID, *hosts: str) -> tuple[dict[str, HostResult | None], threading.Event]:
    """What each of these hosts is waited for to become, and what ends the waiting."""
    awaited, left = Awaited(cache, jid), threading.Event()
    seen: dict[str, HostResult | None] = {}

    def note(host: str) -> None:
        seen[host] = awaited.dispatched(host, left)

    for host in hosts:
        threading.Thread(target=note, args=(host,)).start()
    return seen, left


def test_a_host_is_waited_for_until_it_has_the_job_or_its_end(bench: Bench) -> None:
    job = bench.job("web1", "web2", "web3", release=False)
    seen, left = wait(bench.another(), job.jid, "web1", "web2", "web3")
    bench.cache.record(job.jid, "web1", RUNNING)
    until(lambda: seen == {"web1": RUNNING}, "it runs")
    bench.cache.record(job.jid, "web2", returned(b"x" * 5000))
    until(lambda: "web2" in seen, "it has ended")
    assert seen["web2"] == returned(b"x" * 5000)
    left.set()
    until(lambda: "web3" in seen, "nobody waits any more")
    assert seen["web3"] is None


def test_where_the_run_is_gone_the_host_never_gets_the_job(bench: Bench) -> None:
    job = bench.job("web1", release=False)
    seen, _ = wait(bench.another(), job.jid, "web1")
    bench.cache.release(job.jid)
    until(lambda: "web1" in seen, "it is known")
    result = seen["web1"]
    assert result is not None
    assert result.state is State.NOT_STARTED
    assert result.problem is not None
    assert result.problem.kind == "controller-gone"
