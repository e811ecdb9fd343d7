"""A connection that is kept: a session that stands ready, how long it may be silent, and what rides it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator

import paramiko
import pytest

from agentless.errors import NoSession, Unreachable
from agentless.transport.host_connector import HostConnector
from agentless.transport.ssh import kept as kept_module
from agentless.transport.ssh.kept import Attempt, Kept
from agentless.transport.ssh.link import SshLink
from agentless.transport.ssh.relay import Relay
from tests.hosts import patience, until
from tests.transport.conftest import Home, Server, known_server


@pytest.fixture
def keep(home: Home, connector: HostConnector) -> Iterator[Callable[[Server], Kept]]:
    """Makes a connection to a server one that is kept."""
    made: list[Kept] = []

    def connect(server: Server) -> Kept:
        link = connector.connect(home.to(server))
        assert isinstance(link, SshLink)
        made.append(Kept(link, 60.0))
        return made[-1]

    yield connect
    for one in made:
        one.close()


def attempt(kept: Kept, line: str = "echo hi", *, prove: bool = False) -> Attempt:
    return Attempt(kept, line, lambda: None, pty=False, prove=prove)


def ran(one: Attempt) -> Relay:
    """The command of an attempt, once the host runs it."""
    relay = until(one.step, "it runs")
    assert relay is not None
    return relay


def prepared(kept: Kept) -> Kept:
    """The same, once it was looked whether a session is to stand ready."""
    kept.prepare()
    return kept


def end(kept: Kept, relay: Relay) -> None:
    relay.close()
    kept.done()


def test_a_session_stands_ready_for_the_next_command_and_a_new_one_for_that_behind_it(
    server: Server, keep: Callable[[Server], Kept]
) -> None:
    kept = keep(server)
    assert (kept.ready, kept.in_use, kept.sessions) == (False, False, 0)
    kept.prepare()
    until(lambda: kept.ready, "a session stands ready")
    assert not kept.in_use, "nobody rides it"
    one = attempt(kept)
    assert (kept.ready, kept.in_use, kept.sessions) == (False, True, 1)
    relay = ran(one)
    kept.prepare()
    until(lambda: kept.ready, "the next one")
    end(kept, relay)
    until(lambda: not kept.in_use, "nobody rides it again")


def test_where_the_host_gives_no_second_session_none_is_asked_for_until_one_ends(
    home: Home, start_sshd: Callable[..., Server], keep: Callable[[Server], Kept]
) -> None:
    server = known_server(home, start_sshd, "MaxSessions 1")
    kept = keep(server)
    relay = ran(attempt(kept, "read line"))
    kept.prepare()
    until(lambda: prepared(kept)._spare is None, "it was refused")
    kept.prepare()
    assert kept._spare is None
    relay.channel.shutdown_write()
    until(lambda: "Close session" in server.log, "the host has its place again")
    end(kept, relay)
    until(lambda: prepared(kept).ready, "a session stands ready")


def test_what_has_to_be_proved_is_asked_anew_and_takes_the_ready_session_where_there_is_no_room_for_another(
    home: Home, start_sshd: Callable[..., Server], keep: Callable[[Server], Kept]
) -> None:
    kept = keep(known_server(home, start_sshd, "MaxSessions 1"))
    kept.prepare()
    until(lambda: kept.ready, "a session stands ready")
    one = attempt(kept, prove=True)
    assert kept.ready, "it is left for when the host has answered"
    end(kept, ran(one))
    assert kept.sessions == 0


def test_a_host_that_says_nothing_is_silent_after_a_while_and_the_error_says_whether_it_may_have_the_command(
    server: Server, keep: Callable[[Server], Kept], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_module, "_SILENCE", 1e9)
    kept = keep(server)
    kept.prepare()
    until(lambda: kept.ready, "a session stands ready")
    frozen = server.connections
    server.hang_up(signal.SIGSTOP)
    try:
        rides, waits = attempt(kept), attempt(kept)
        assert not rides.silent
        assert rides.patience > 0
        assert rides.step() is None
        assert waits.step() is None
        assert (rides.sent, waits.sent) == (True, False)
        monkeypatch.setattr(kept_module, "_SILENCE", 0.3)
        until(lambda: rides.silent and waits.silent, "it was silent for long enough")
        assert rides.patience == 0
        assert not isinstance(rides.overdue(), NoSession)
        assert isinstance(waits.overdue(), NoSession)
        for one in (rides, waits):
            one.give_up()
            one.give_up()
        assert kept.sessions == 0
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)


def test_a_host_whose_answer_has_come_and_is_not_read_yet_is_not_silent(
    server: Server, keep: Callable[[Server], Kept], monkeypatch: pytest.MonkeyPatch
) -> None:
    """This machine is busy, or this process was stopped for a while."""
    kept = keep(server)
    monkeypatch.setattr(kept_module, "_SILENCE", 0.1)
    wire = kept.link.transport.wire
    stopped, goes_on, recv = threading.Event(), threading.Event(), wire.recv

    def late(size: int) -> bytes:
        stopped.set()
        goes_on.wait(patience(60))
        return recv(size)

    monkeypatch.setattr(wire, "recv", late)
    assert stopped.wait(patience(20))
    one = attempt(kept)
    until(lambda: not one.patience, "its time is over")
    until(wire.readable, "the answer is there")
    assert not one.silent
    goes_on.set()
    ran(one)


def test_what_a_slow_host_may_be_silent_for_grows_with_its_round_trip(
    server: Server, keep: Callable[[Server], Kept]
) -> None:
    kept = keep(server)
    assert kept.grace == 1.0
    kept.round_trip = 0.8
    assert kept.grace == pytest.approx(2.4)


def test_a_connection_that_broke_is_not_alive_and_one_that_is_stale_is_not_either(
    server: Server, keep: Callable[[Server], Kept]
) -> None:
    kept, other = keep(server), keep(server)
    other.stale = True
    assert (kept.alive, other.alive) == (True, False)
    one = attempt(kept)
    server.hang_up()
    with pytest.raises(Unreachable):
        until(one.step, "it runs")
    assert not kept.alive


def test_of_a_connection_that_breaks_between_the_session_and_the_command_is_said_at_once_that_nothing_was_sent(
    server: Server, keep: Callable[[Server], Kept]
) -> None:
    kept = keep(server)
    one = attempt(kept)
    until(one._opening.answered.is_set, "the session is there")
    server.hang_up()
    until(lambda: one._opening.channel.closed, "the end was seen")
    with pytest.raises(NoSession) as caught:
        one.step()
    assert caught.value.kind == "connection-lost"
    assert not one.sent


def test_of_a_session_that_is_closed_when_its_command_is_about_to_be_sent_is_said_that_nothing_was(
    server: Server, keep: Callable[[Server], Kept], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = keep(server)
    one = attempt(kept)

    def relay(link: SshLink, channel: paramiko.Channel) -> Relay:
        channel.close()
        return Relay(link, channel)

    monkeypatch.setattr(kept_module, "Relay", relay)
    with pytest.raises(NoSession):
        until(one.step, "it runs")
    assert not one.sent
    one.give_up()
    assert kept.sessions == 0


def test_a_command_that_is_let_go_of_while_the_host_takes_nothing_is_closed_once_it_does(
    server: Server, keep: Callable[[Server], Kept], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = keep(server)
    relay = ran(attempt(kept, "cat"))
    with monkeypatch.context() as full:
        full.setattr(kept.link.transport.wire, "writable", lambda: False)
        end(kept, relay)
    until(lambda: not kept.in_use, "its session is closed")


def test_a_command_that_is_given_up_before_the_host_has_answered_leaves_a_place_for_the_next(
    server: Server, keep: Callable[[Server], Kept]
) -> None:
    kept = keep(server)
    one = attempt(kept)
    one.give_up()
    assert kept.sessions == 0
    until(lambda: not kept.in_use, "its session is closed")
    relay = ran(attempt(kept))
    end(kept, relay)
