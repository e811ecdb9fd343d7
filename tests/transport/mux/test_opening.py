"""Sessions over a real master: as many as the host gives, and nothing of them stays."""

from __future__ import annotations

import concurrent.futures
import os
import signal
from collections.abc import Callable

import pytest

from agentless.errors import NoSession, Unreachable
from tests.hosts import Master, patience, until
from tests.transport.conftest import Home, Server, drain, master, open_descriptors
from tests.transport.mux.conftest import Ride


def test_nothing_of_a_link_stays_open(held: Master) -> None:
    before = open_descriptors()
    with Ride(held) as link:
        for pty in (False, True):
            channel = link.exec("echo out; echo err >&2", pty=pty)
            drain(channel)
            channel.exit_status()
        link.exec("sleep 1000").recv(0.01)
    until(lambda: open_descriptors() <= before, "nothing stays open")


def test_a_master_that_hangs_is_waited_for_as_long_as_is_said(held: Master) -> None:
    link = Ride(held)
    with link:
        link.timeout = 0.3
        os.kill(held.pid, signal.SIGSTOP)
        try:
            before = open_descriptors()
            with pytest.raises(Unreachable) as caught:
                link.exec("true")
            assert caught.value.kind == "connect-timeout"
            # Its own first connection was for this session.
            assert open_descriptors() < before
        finally:
            os.kill(held.pid, signal.SIGCONT)


def test_a_host_that_gives_no_more_sessions_says_so(home: Home, start_sshd: Callable[..., Server]) -> None:
    server = start_sshd("MaxSessions 2", authorized=home.key)
    home.knows(server.known_line())
    with master(home, server) as held, Ride(held) as link:
        running = [link.exec("read line") for _ in range(2)]
        before = open_descriptors()
        with pytest.raises(NoSession, match="no session: Session open refused by peer"):
            link.exec("true")
        assert open_descriptors() <= before
        running[0].close()
        until(lambda: not _refuses(link.exec), "a session is free again")


def _refuses(execute: Callable[[str], object]) -> bool:
    try:
        execute("true")
    except NoSession:
        return True
    return False


def test_a_hundred_sessions_share_one_master(home: Home, start_sshd: Callable[..., Server]) -> None:
    server = start_sshd("MaxSessions 200", authorized=home.key)
    home.knows(server.known_line())

    def one(number: int) -> bytes:
        channel = link.exec(f"read line; echo {number} $line")
        channel.send(b"times\n", patience(60))
        return drain(channel)[0]

    with (
        master(home, server) as held,
        Ride(held) as link,
        concurrent.futures.ThreadPoolExecutor(100) as threads,
    ):
        assert list(threads.map(one, range(100))) == [b"%d times\n" % number for number in range(100)]


def test_a_host_without_terminals_runs_the_command_without(home: Home, start_sshd: Callable[..., Server]) -> None:
    server = start_sshd("PermitTTY no", authorized=home.key)
    home.knows(server.known_line())
    with master(home, server) as held, Ride(held) as link:
        channel = link.exec("test -t 0 || echo none", pty=True)
        assert drain(channel)[0] == b"none\n"
        assert channel.exit_status() == 0
