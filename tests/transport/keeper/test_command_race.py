"""A kept connection that is dead, frozen or full: the command starts all the same, and once where it must."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agentless.errors import NoSession, Unreachable
from agentless.transport.channel import Link
from agentless.transport.keeper.client import KeeperClient
from agentless.transport.keeper.place import Place
from tests.hosts import patience, until
from tests.transport.conftest import Home, Server, drain, logins
from tests.transport.keeper.conftest import connections, connector_over, run, warm

Make = Callable[..., KeeperClient]


@pytest.mark.parametrize("once", [False, True])
def test_where_the_host_hung_up_there_is_a_new_connection(
    once: bool, home: Home, server: Server, keeper: Make, place: Place
) -> None:
    warm(home, server, keeper, place)
    server.hang_up()
    assert run(keeper(), home, home.to(server), once=once) == b"hi\n"
    assert logins(server) == 2


def test_a_new_connection_is_raced_against_one_that_is_silent(
    home: Home, server: Server, keeper: Make, place: Place
) -> None:
    warm(home, server, keeper, place)
    server.hang_up(signal.SIGSTOP)
    frozen = connections(place)
    assert run(keeper(), home, home.to(server)) == b"hi\n"
    # Nobody waits for the silent one again.
    until(lambda: not {one.since for one in frozen} & {one.since for one in connections(place)}, "it is let go of")
    assert run(keeper(), home, home.to(server), "echo again") == b"again\n"
    server.hang_up(signal.SIGCONT)


def test_what_must_not_be_sent_twice_is_not(
    home: Home, server: Server, keeper: Make, place: Place, tmp_path: Path
) -> None:
    warm(home, server, keeper, place)
    server.hang_up(signal.SIGSTOP)
    count = tmp_path / "count"
    assert run(keeper(), home, home.to(server), f"echo one >>{count}; echo done", once=True) == b"done\n"
    server.hang_up(signal.SIGCONT)
    until(lambda: server.log.count("Disconnected from user") + server.log.count("Closing connection") >= 1, "it woke")
    assert count.read_text() == "one\n"


def test_what_must_not_be_sent_twice_rides_a_connection_that_lives(
    home: Home, server: Server, keeper: Make, place: Place
) -> None:
    warm(home, server, keeper, place)
    assert run(keeper(), home, home.to(server), once=True) == b"hi\n"
    assert logins(server) == 1


@pytest.fixture
def narrow(home: Home, start_sshd: Callable[..., Server]) -> Server:
    """A host that gives each connection one session at a time."""
    server = start_sshd("MaxSessions 1", authorized=home.key)
    home.knows(server.known_line())
    return server


@contextlib.contextmanager
def taken(link: Link) -> Iterator[None]:
    """A session of the link, which within takes the place of others and goes on undisturbed."""
    channel = link.exec("read line; echo got $line")
    yield
    channel.send(b"it\n", patience(5))
    assert drain(channel) == (b"got it\n", b"")


@pytest.mark.parametrize("once", [False, True])
def test_where_the_host_has_no_room_for_one_more_session_there_is_a_second_connection(
    once: bool, home: Home, narrow: Server, keeper: Make, place: Place
) -> None:
    with (
        contextlib.closing(connector_over(keeper(), home)) as connector,
        connector.connect(home.to(narrow)) as link,
        taken(link),
    ):
        assert run(keeper(), home, home.to(narrow), once=once) == b"hi\n"
        assert logins(narrow) == 2
    until(lambda: not any(one.in_use for one in connections(place)), "nobody rides them")
    assert run(keeper(), home, home.to(narrow), once=once) == b"hi\n"


@pytest.mark.parametrize("once", [False, True])
def test_who_made_a_connection_and_was_slower_than_those_who_share_it_makes_another(
    once: bool, home: Home, narrow: Server, keeper: Make
) -> None:
    with (
        contextlib.closing(connector_over(keeper(), home)) as maker,
        contextlib.closing(connector_over(keeper(), home)) as other,
        maker.connect(home.to(narrow)) as made,
        other.connect(home.to(narrow)) as shared,
        taken(shared),
    ):
        assert logins(narrow) == 1
        assert drain(made.exec("echo hi", once=once)) == (b"hi\n", b"")
        assert logins(narrow) == 2


def test_where_a_full_connection_cannot_have_a_second_beside_it_nothing_was_sent(
    home: Home, narrow: Server, keeper: Make
) -> None:
    with (
        contextlib.closing(connector_over(keeper(), home)) as connector,
        connector.connect(home.to(narrow)) as link,
        taken(link),
    ):
        narrow.end()
        with pytest.raises(NoSession, match="Connection refused") as caught:
            run(keeper(), home, home.to(narrow))
    assert caught.value.kind == "connect"


def test_what_went_out_over_a_silent_connection_may_have_arrived_though_no_other_can_be_made(
    home: Home, server: Server, keeper: Make, place: Place
) -> None:
    warm(home, server, keeper, place)
    until(lambda: all(one.ready for one in connections(place)), "a session stands ready")
    frozen = server.connections
    server.hang_up(signal.SIGSTOP)
    server.end()
    try:
        with pytest.raises(Unreachable, match="Connection refused") as caught:
            run(keeper(), home, home.to(server))
    finally:
        for pid in frozen:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    assert not isinstance(caught.value, NoSession)


def test_a_host_that_gives_no_session_at_all_says_so_as_ever(
    home: Home, start_sshd: Callable[..., Server], keeper: Make
) -> None:
    server = start_sshd("MaxSessions 0", authorized=home.key)
    home.knows(server.known_line())
    for _ in range(2):
        with pytest.raises(NoSession, match="no session: "):
            run(keeper(), home, home.to(server))
