"""Coming back to a job: whose end is known is not asked, and a job that nobody here knows is asked of all."""

from __future__ import annotations

import pytest

from agentless.errors import TargetError, UnknownJob, UsageError
from agentless.model.jid import JID
from agentless.model.job import Report
from agentless.model.states import Dispatched, HostResult, State
from agentless.runner.attach import attach
from tests.runner.conftest import Bench
from tests.runner.lying import END, LyingHosts, told

RUNNING = HostResult(State.RUNNING, Dispatched.YES, nonce="ab")
ENDED = HostResult(State.NOT_STARTED)
RETURN = {"t": "return", "retcode": 0, "ended_by": "exit"}
UNKNOWN = {"t": "state", "state": "unknown"}


def come_back(bench: Bench, hosts: LyingHosts, jid: str, target: str | None = None) -> Report:
    with attach(bench.contact(hosts), bench.selection, JID(jid), target) as run:
        for _ in run:
            pass
        return run.report()


def test_only_hosts_whose_end_is_not_known_are_asked(bench: Bench) -> None:
    report = bench.job(web1=RUNNING, web2=ENDED)
    hosts = LyingHosts(web1=[[*told(report.job.jid, RETURN), END]], web2=[[END]])
    back = come_back(bench, hosts, report.job.jid)
    assert [result.state for result in back.results.values()] == [State.RETURNED, State.NOT_STARTED]
    assert hosts.calls == {"web1": 1, "web2": 0}
    assert bench.report(report.job.jid).results["web1"].state is State.RETURNED


def test_a_target_narrows_whom_it_waits_for(bench: Bench) -> None:
    report = bench.job(web1=RUNNING, web2=RUNNING)
    hosts = LyingHosts(web1=[[END]], web2=[[*told(report.job.jid, RETURN), END]])
    assert list(come_back(bench, hosts, report.job.jid, "web2").results) == ["web2"]
    assert hosts.calls == {"web1": 0, "web2": 1}
    with pytest.raises(TargetError):
        come_back(bench, hosts, report.job.jid, "db")


def test_a_job_that_all_deny_is_unknown(bench: Bench) -> None:
    jid = "20201122095039579207"
    denied = [*told(jid, UNKNOWN), END]
    with pytest.raises(UnknownJob):
        come_back(bench, LyingHosts(web1=[denied], web2=[denied]), jid)


@pytest.mark.parametrize("wait", [-1.0, float("nan"), float("inf")])
def test_a_time_that_never_comes_is_refused_before_anybody_is_asked(bench: Bench, wait: float) -> None:
    hosts = LyingHosts(web1=[[END]], web2=[[END]])
    with pytest.raises(UsageError):
        attach(bench.contact(hosts), bench.selection, JID("20201122095039579207"), None, wait=wait)
    assert hosts.calls == {"web1": 0, "web2": 0}
