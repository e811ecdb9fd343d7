"""A job on its way over the hosts: batches, failures that stop it, and leaving it."""

from __future__ import annotations

import pytest

from agentless.errors import Unreachable
from agentless.model.endpoint import Endpoint
from agentless.model.job import Report
from agentless.model.job_spec import JobSpec
from agentless.model.states import Dispatched, HostResult, State
from agentless.runner.rollout import Rollout, threshold
from agentless.runner.run import Changed, Run
from tests.runner.conftest import Bench
from tests.runner.lying import END, LyingHosts, Piece, told

PENDING = HostResult(State.PENDING)
RUNNING = HostResult(State.RUNNING, Dispatched.YES, nonce="ab")
ACCEPTED = {"t": "accepted", "pid": 7}
RETURN = {"t": "return", "retcode": 0, "ended_by": "exit"}
FAILED = {**RETURN, "retcode": 1}


def start(
    bench: Bench, report: Report, hosts: LyingHosts, rollout: Rollout | None, *, wait: float | None = None
) -> Run:
    endpoints = {name: Endpoint(name, name) for name in report.results}
    return Run(report, endpoints, bench.contact(hosts), rollout=rollout, wait=wait)


def states(report: Report) -> list[State]:
    return [result.state for result in report.results.values()]


def reply(report: Report, end: dict[str, object]) -> list[Piece]:
    return [*told(report.job.jid, ACCEPTED, end), END]


def test_each_host_is_done_once_and_then_the_run_is_over(bench: Bench) -> None:
    report = bench.job(web1=PENDING, web2=PENDING)
    hosts = LyingHosts(web1=[reply(report, RETURN)], web2=[reply(report, FAILED)])
    with start(bench, report, hosts, Rollout(JobSpec("true"))) as run:
        ended = [event.host for event in run if isinstance(event, Changed) and event.result.settled]
        assert (sorted(ended), run.waiting_for(), list(run)) == (["web1", "web2"], (), [])
        assert run.report().exit_code == 1


def test_after_too_many_failures_nobody_else_gets_the_job(bench: Bench) -> None:
    report = bench.job(web1=PENDING, web2=PENDING)
    hosts = LyingHosts(web1=[reply(report, FAILED)], web2=[reply(report, RETURN)])
    rollout = Rollout(JobSpec("true"), batch=1, max_fail=threshold("0"))
    with start(bench, report, hosts, rollout) as run:
        for _ in run:
            pass
        done = run.report()
    assert states(done) == [State.RETURNED, State.NOT_STARTED]
    assert done.results["web2"].problem is not None
    assert (done.results["web2"].problem.kind, hosts.calls) == ("max-fail", {"web1": 1, "web2": 0})


@pytest.mark.parametrize("kind", ["interrupted", "wait-over"])
def test_who_stops_dispatching_leaves_later_batches_not_started_and_says_why(bench: Bench, kind: str) -> None:
    report = bench.job(web1=PENDING, web2=PENDING)
    hosts = LyingHosts(web1=[reply(report, RETURN)], web2=[reply(report, RETURN)])
    with start(bench, report, hosts, Rollout(JobSpec("true"), batch=1)) as run:
        run.stop_dispatching(kind)
        for _ in run:
            pass
        late = run.report().results["web2"]
    if hosts.calls["web2"] == 0:
        assert late.problem is not None
        assert (late.state, late.problem.kind) == (State.NOT_STARTED, kind)


def test_a_wait_that_is_over_leaves_the_job_running(bench: Bench) -> None:
    report = bench.job(web1=RUNNING)
    hosts = LyingHosts(web1=[Unreachable("connect", "refused")])
    with start(bench, report, hosts, None, wait=0.0) as run:
        assert all(isinstance(event, Changed) for event in run)
    assert not bench.report(report.job.jid).results["web1"].settled


def test_what_is_let_go_of_is_let_go_of_once(bench: Bench) -> None:
    released: list[int] = []
    report = bench.job(web1=RUNNING)
    hosts = LyingHosts(web1=[reply(report, RETURN)])
    endpoints = {"web1": Endpoint("web1", "web1")}
    run = Run(report, endpoints, bench.contact(hosts), release=lambda: released.append(1))
    for _ in run:
        pass
    run.close()
    run.close()
    assert released == [1]
