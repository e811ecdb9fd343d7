"""Salt's proc system over many hosts: one host's answer is one host's, and a signal says whom it reached."""

from __future__ import annotations

from typing import Any

import pytest

from agentless.errors import TargetError, UnknownJob, Unreachable, UsageError
from agentless.model.answers import Helper
from agentless.model.endpoint import Endpoint
from agentless.model.jid import JID
from agentless.model.states import Dispatched, HostResult, State
from agentless.runner import procs
from tests.runner.conftest import Bench
from tests.runner.lying import END, LyingHosts, Piece

OTHER = JID("20261122095039579207")
RUNNING = HostResult(State.RUNNING, Dispatched.YES, nonce="ab")
ENDED = HostResult(State.LOST, Dispatched.YES, nonce="ab")


def one(meta: dict[str, Any]) -> list[Piece]:
    return [(meta, b""), END]


def found(jid: str | None) -> list[Piece]:
    return one({"t": "found", "proc": {} if jid is None else {"jid": jid, "pid": 7}})


def signalled(delivered: list[int], *, known: bool = True) -> list[Piece]:
    return one({"t": "signalled", "delivered": delivered, "survivors": [], "message": "done", "known": known})


@pytest.mark.parametrize(("word", "number"), [("TERM", 15), ("sigkill", 9), ("1", 1), (15, 15), (" HUP ", 1)])
def test_a_signal_is_a_name_or_a_number(word: str | int, number: int) -> None:
    assert procs.signal_number(word) == number


@pytest.mark.parametrize(
    "word",
    ["", "0", "99", "-9", "NOPE", "9" * 5000, "٩", "SIG", True, 9.0, None, b"9", 10**5000],
    ids=lambda word: type(word).__name__,
)
def test_what_is_no_signal_is_refused(word: Any) -> None:
    with pytest.raises(UsageError):
        procs.signal_number(word)


def test_a_job_of_two_users_is_listed_once(bench: Bench) -> None:
    job = {"jid": OTHER, "pid": 7, "arg": ["true", 5, None]}
    hosts = LyingHosts(
        web1=[one({"t": "running", "jobs": [job, job, {"jid": "../x"}, 7]})], web2=[one({"t": "running"})]
    )
    running = procs.running(bench.contact(hosts), bench.selection.endpoints(None))
    assert [[process.jid for process in processes] for processes in running.hosts.values()] == [[OTHER], []]


def test_a_host_where_it_ended_is_not_asked_where_it_runs(bench: Bench) -> None:
    jid = JID(bench.job(web1=ENDED, web2=RUNNING).job.jid)
    hosts = LyingHosts(web1=[Unreachable("connect", "not to be asked")], web2=[found(jid)])
    answer = procs.find_job(bench.contact(hosts), bench.selection, jid, None)
    assert (answer.hosts["web1"], answer.exit_code, hosts.calls["web1"]) == (None, 0, 0)


def test_somebody_who_could_not_be_asked_is_no_denial(bench: Bench) -> None:
    hosts = LyingHosts(web1=[found(None)], web2=[Unreachable("connect", "no route")])
    assert procs.find_job(bench.contact(hosts), bench.selection, OTHER, None).exit_code == 3


def test_a_signal_to_a_job_that_all_deny_is_an_error(bench: Bench) -> None:
    hosts = LyingHosts(web1=[signalled([], known=False)], web2=[signalled([], known=False)])
    with pytest.raises(UnknownJob):
        procs.signal_job(bench.contact(hosts), bench.selection, OTHER, 9, None)


def test_a_signal_reaches_only_hosts_of_the_job(bench: Bench) -> None:
    jid = JID(bench.job(web1=RUNNING).job.jid)
    hosts = LyingHosts(web1=[signalled([7])], web2=[Unreachable("connect", "not to be asked")])
    done = procs.signal_job(bench.contact(hosts), bench.selection, jid, 9, "all")
    assert (done.hosts["web1"].delivered, "was not sent" in done.hosts["web2"].message) == ((7,), True)
    with pytest.raises(TargetError):
        procs.signal_job(bench.contact(hosts), bench.selection, jid, 9, "web2")


@pytest.mark.parametrize(("signal", "state"), [(15, State.NOT_STARTED), (10, State.PENDING)])
def test_what_is_pending_never_gets_a_job_that_was_ended(bench: Bench, signal: int, state: State) -> None:
    """A USR1 ends nothing."""
    jid = JID(bench.job(web1=HostResult(State.PENDING), web2=RUNNING).job.jid)
    hosts = LyingHosts(web1=[Unreachable("connect", "not to be asked")], web2=[signalled([7])])
    done = procs.signal_job(bench.contact(hosts), bench.selection, jid, signal, None)
    assert "pending" in done.hosts["web1"].message
    assert (bench.report(jid).results["web1"].state, hosts.calls["web1"]) == (state, 0)


def test_a_ping_takes_only_text_for_text(bench: Bench) -> None:
    meta = {"t": "pong", "python": ["3"], "user": "ada", "time": "now"}
    endpoints = bench.selection.endpoints("web1")
    pong = procs.ping(bench.contact(LyingHosts(web1=[one(meta)])), endpoints).hosts["web1"]
    assert (pong.helper.python, pong.helper.user, pong.helper.time) == ("", "ada", None)


def test_a_ping_counts_from_when_the_host_is_asked_and_not_from_a_question_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)

    class AfterAQuestion:
        def gather(self, endpoints: Any, request: Any, answered: Any) -> Any:
            nonlocal now
            now += 60
            for name in endpoints:
                request(name)
            now += 0.5
            helper = Helper("3.11.2", "/usr/bin/python3", "root", "node1", "/var/lib/agentless", "linux", None)
            return {name: answered(name, [helper]) for name in endpoints}, {}

    answer = procs.ping(AfterAQuestion(), {"web1": Endpoint("web1", "web1")})  # type: ignore[arg-type]
    assert answer.hosts["web1"].seconds == 0.5
