"""One host's part of a run, at its edges: what a connection's end takes from it, and what it is come back for."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agentless.cache import JobCache
from agentless.errors import NoSession, Unreachable
from agentless.model.endpoint import Endpoint
from agentless.model.job import Report
from agentless.model.requests import Caller, JobSpec
from agentless.model.states import Dispatched, HostResult, State
from agentless.runner.contact import Contact
from agentless.runner.rollout import Rollout
from agentless.runner.run import Run
from tests.runner.lying import CUT, END, LyingHosts, Piece


@pytest.fixture
def cache(tmp_path: Path) -> JobCache:
    return JobCache(tmp_path / "jobs", keep_jobs=24, max_bytes=1 << 30)


def contact(cache: JobCache, hosts: LyingHosts) -> Contact:
    caller = Caller("ada@laptop", 168.0, 1 << 30)
    return Contact(hosts, cache, 10, caller, 1 << 20, lambda job: True, lambda waiting, total: _nothing())


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def job(cache: JobCache, **results: HostResult) -> Report:
    """A job in the cache, with its hosts as they stand."""
    made = cache.create(function="cmd.run", arguments=["true"], target="all", hosts=results, user="ada")
    pending = {host: result for host, result in results.items() if result.state is not State.PENDING}
    cache.record_many(made.jid, pending)
    return Report(made, results)


def run(
    cache: JobCache, report: Report, hosts: LyingHosts, rollout: Rollout | None = None, wait: float | None = None
) -> Report:
    endpoints = {name: Endpoint(name, name) for name in report.results}
    with Run(report, endpoints, contact(cache, hosts), rollout=rollout, wait=wait) as going:
        for _ in going:
            pass
        return going.report()


def told(report: Report, *frames: dict[str, Any]) -> list[Piece]:
    return [({"jid": report.job.jid, **meta}, b"") for meta in frames]


MAYBE = HostResult(State.UNREACHABLE, Dispatched.MAYBE, nonce="ab")
PENDING = HostResult(State.PENDING)
RUNNING = HostResult(State.RUNNING, Dispatched.YES, nonce="ab")
ACCEPTED = {"t": "accepted", "pid": 7}
RETURN = {"t": "return", "retcode": 0, "ended_by": "exit"}


def test_a_connection_that_ends_behind_the_return_takes_nothing_from_it(
    cache: JobCache, capfd: pytest.CaptureFixture[str]
) -> None:
    report = job(cache, web1=PENDING)
    done = run(cache, report, LyingHosts(web1=[[*told(report, ACCEPTED, RETURN), CUT]]), Rollout(JobSpec("true")))
    assert (done.results["web1"].state, done.exit_code) == (State.RETURNED, 0)
    known = cache.load(report.job.jid)
    assert known is not None
    assert known.results["web1"].state is State.RETURNED
    assert capfd.readouterr().err == ""


def test_an_error_behind_the_return_takes_nothing_from_it(cache: JobCache) -> None:
    report = job(cache, web1=PENDING)
    frames = told(report, ACCEPTED, RETURN, {"t": "error", "kind": "disk-full", "message": "no room"})
    done = run(cache, report, LyingHosts(web1=[frames]), Rollout(JobSpec("true")))
    assert done.results["web1"].state is State.RETURNED


def test_a_detached_job_that_was_accepted_is_running_however_the_connection_ended(cache: JobCache) -> None:
    report = job(cache, web1=PENDING)
    hosts = LyingHosts(web1=[[*told(report, ACCEPTED), CUT]])
    done = run(cache, report, hosts, Rollout(JobSpec("true"), detach=True))
    assert (done.results["web1"].state, done.exit_code, hosts.calls) == (State.RUNNING, 0, {"web1": 1})


def test_where_the_request_may_have_arrived_the_end_is_waited_for_whatever_the_first_answer_was(
    cache: JobCache,
) -> None:
    report = job(cache, web1=MAYBE)
    fetched = [*told(report, {"t": "state", "state": "running", "pid": 7}), END]
    followed = [*told(report, ACCEPTED, RETURN), END]
    done = run(cache, report, LyingHosts(web1=[fetched, followed]))
    assert done.results["web1"].state is State.RETURNED


@pytest.mark.parametrize("kind", ["auth", "host-key", "no-answer", "protocol"])
def test_what_waiting_cannot_mend_is_tried_once(cache: JobCache, kind: str) -> None:
    report = job(cache, web1=RUNNING)
    hosts = LyingHosts(web1=[Unreachable(kind, "no")])
    done = run(cache, report, hosts)
    assert (done.results["web1"].state, hosts.calls) == (State.UNREACHABLE, {"web1": 1})


def test_what_waiting_can_mend_is_tried_again(cache: JobCache) -> None:
    report = job(cache, web1=RUNNING)
    hosts = LyingHosts(web1=[Unreachable("connect", "refused"), [*told(report, RETURN), END]])
    assert run(cache, report, hosts).results["web1"].state is State.RETURNED


def test_a_host_that_gave_no_session_has_not_got_the_request(cache: JobCache) -> None:
    report = job(cache, web1=PENDING)
    hosts = LyingHosts(web1=[NoSession("connect", "it refuses")])
    done = run(cache, report, hosts, Rollout(JobSpec("true")))
    assert (done.results["web1"].state, done.results["web1"].dispatched) == (State.UNREACHABLE, Dispatched.NO)


def test_a_host_that_talks_for_ever_is_one_host(cache: JobCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentless.runner.bounds.FRAMES_MAX", 1000)
    report = job(cache, web1=RUNNING, web2=RUNNING)
    endless: Iterable[Piece] = itertools.repeat(({"t": "pong"}, b""))
    hosts = LyingHosts(web1=[endless], web2=[[*told(report, RETURN), END]])
    done = run(cache, report, hosts)
    problem = done.results["web1"].problem
    assert problem is not None
    assert (problem.kind, done.results["web2"].state) == ("protocol", State.RETURNED)
