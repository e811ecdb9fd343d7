"""One host's part of a run, at its edges: what a connection's end takes from it, and what it is come back for."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest

from agentless.errors import NoSession, Unreachable
from agentless.model.endpoint import Endpoint
from agentless.model.job import Report
from agentless.model.job_spec import JobSpec
from agentless.model.states import Dispatched, HostResult, State
from agentless.runner.rollout import Rollout
from agentless.runner.run import Run
from tests.hosts.needs import need
from tests.runner.conftest import Bench
from tests.runner.lying import CUT, END, LyingHosts, Piece, told


def run(bench: Bench, report: Report, hosts: LyingHosts, rollout: Rollout | None = None) -> Report:
    endpoints = {name: Endpoint(name, name) for name in report.results}
    with Run(report, endpoints, bench.contact(hosts), rollout=rollout) as going:
        for _ in going:
            pass
        return going.report()


MAYBE = HostResult(State.UNREACHABLE, Dispatched.MAYBE, nonce="ab")
PENDING = HostResult(State.PENDING)
RUNNING = HostResult(State.RUNNING, Dispatched.YES, nonce="ab")
ACCEPTED = {"t": "accepted", "pid": 7}
RETURN = {"t": "return", "retcode": 0, "ended_by": "exit"}


def test_a_connection_that_ends_behind_the_return_takes_nothing_from_it(
    bench: Bench, capfd: pytest.CaptureFixture[str]
) -> None:
    report = bench.job(web1=PENDING)
    done = run(
        bench, report, LyingHosts(web1=[[*told(report.job.jid, ACCEPTED, RETURN), CUT]]), Rollout(JobSpec("true"))
    )
    assert (done.results["web1"].state, done.exit_code) == (State.RETURNED, 0)
    assert bench.report(report.job.jid).results["web1"].state is State.RETURNED
    assert capfd.readouterr().err == ""


def test_an_error_behind_the_return_takes_nothing_from_it(bench: Bench) -> None:
    report = bench.job(web1=PENDING)
    frames = told(report.job.jid, ACCEPTED, RETURN, {"t": "error", "kind": "disk-full", "message": "no room"})
    done = run(bench, report, LyingHosts(web1=[frames]), Rollout(JobSpec("true")))
    assert done.results["web1"].state is State.RETURNED


def test_a_detached_job_that_was_accepted_is_running_however_the_connection_ended(bench: Bench) -> None:
    report = bench.job(web1=PENDING)
    hosts = LyingHosts(web1=[[*told(report.job.jid, ACCEPTED), CUT]])
    done = run(bench, report, hosts, Rollout(JobSpec("true"), detach=True))
    assert (done.results["web1"].state, done.exit_code, hosts.calls) == (State.RUNNING, 0, {"web1": 1})


@pytest.mark.parametrize("detach", [True, False])
@pytest.mark.parametrize("kind", ["error", "refused"])
def test_what_fails_behind_the_acceptance_does_not_make_the_job_not_started(
    bench: Bench, kind: str, detach: bool
) -> None:
    """It runs: whoever calls it not started makes somebody start a second one."""
    report = bench.job(web1=PENDING)
    failure = {"t": kind, "kind": "os-error", "message": "Input/output error"}
    hosts = LyingHosts(web1=[[*told(report.job.jid, ACCEPTED, failure), END]])
    done = run(bench, report, hosts, Rollout(JobSpec("true"), detach=detach))
    result = done.results["web1"]
    assert (result.state, result.dispatched) == (State.RUNNING if detach else State.UNREACHABLE, Dispatched.YES)
    assert bench.report(report.job.jid).results["web1"].state is result.state


def test_where_the_request_may_have_arrived_the_end_is_waited_for_whatever_the_first_answer_was(
    bench: Bench,
) -> None:
    report = bench.job(web1=MAYBE)
    fetched = [*told(report.job.jid, {"t": "state", "state": "running", "pid": 7}), END]
    followed = [*told(report.job.jid, ACCEPTED, RETURN), END]
    done = run(bench, report, LyingHosts(web1=[fetched, followed]))
    assert done.results["web1"].state is State.RETURNED


@pytest.mark.parametrize("kind", ["auth", "host-key", "no-answer", "protocol"])
def test_what_waiting_cannot_mend_is_tried_once(bench: Bench, kind: str) -> None:
    report = bench.job(web1=RUNNING)
    hosts = LyingHosts(web1=[Unreachable(kind, "no")])
    done = run(bench, report, hosts)
    assert (done.results["web1"].state, hosts.calls) == (State.UNREACHABLE, {"web1": 1})


def test_what_waiting_can_mend_is_tried_again(bench: Bench) -> None:
    need("many seconds")
    report = bench.job(web1=RUNNING)
    hosts = LyingHosts(web1=[Unreachable("connect", "refused"), [*told(report.job.jid, RETURN), END]])
    assert run(bench, report, hosts).results["web1"].state is State.RETURNED


def test_a_host_that_gave_no_session_has_not_got_the_request(bench: Bench) -> None:
    report = bench.job(web1=PENDING)
    hosts = LyingHosts(web1=[NoSession("connect", "it refuses")])
    done = run(bench, report, hosts, Rollout(JobSpec("true")))
    assert (done.results["web1"].state, done.results["web1"].dispatched) == (State.UNREACHABLE, Dispatched.NO)


def test_a_host_that_talks_for_ever_is_one_host(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentless.runner.bounds.FRAMES_MAX", 1000)
    report = bench.job(web1=RUNNING, web2=RUNNING)
    endless: Iterable[Piece] = itertools.repeat(({"t": "pong"}, b""))
    hosts = LyingHosts(web1=[endless], web2=[[*told(report.job.jid, RETURN), END]])
    done = run(bench, report, hosts)
    problem = done.results["web1"].problem
    assert problem is not None
    assert (problem.kind, done.results["web2"].state) == ("protocol", State.RETURNED)
