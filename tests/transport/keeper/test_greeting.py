"""What the keeper keeps is told, and let go of; one that hangs is not said to keep nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agentless.errors import AgentlessError
from agentless.transport.keeper.client import KeeperClient
from agentless.transport.keeper.greeting import held, let_go
from agentless.transport.keeper.messages import HeldAll
from agentless.transport.keeper.place import Place
from tests.hosts import until
from tests.transport.conftest import Home, Server
from tests.transport.keeper.conftest import run, running, stopped

Make = Callable[..., KeeperClient]


def test_where_no_keeper_runs_nothing_is_held(place: Place) -> None:
    assert (held(place), let_go(None, place)) == (None, None)


def test_what_is_let_go_of_is_told_and_closed(home: Home, server: Server, keeper: Make, place: Place) -> None:
    run(keeper(), home, home.to(server))

    def idle() -> HeldAll | None:
        keeps = running(place)
        return keeps if not any(one.in_use for one in keeps.connections) else None

    keeps = until(idle, "nobody rides it")
    assert keeps is not None
    (one,) = keeps.connections
    assert (one.names, one.host, one.port, one.sessions, one.in_use) == (("web1",), "127.0.0.1", server.port, 0, False)
    assert let_go([("nobody", "127.0.0.1", server.port)], place) == HeldAll(keeps.pid, ())
    closed = let_go([(one.user, one.host, one.port)], place)
    assert closed is not None
    assert [held.host for held in closed.connections] == ["127.0.0.1"]
    until(lambda: "Disconnected from user" in server.log or "disconnected by user" in server.log, "it is closed")
    left = held(place)
    # One that keeps nothing ends some time later.
    assert left is None or left.connections == ()


@pytest.mark.usefixtures("stubborn")
def test_what_a_keeper_that_hangs_keeps_is_not_said_to_be_nothing(
    home: Home, server: Server, keeper: Make, place: Place, alone: Callable[[], list[int]]
) -> None:
    run(keeper(), home, home.to(server))
    pid = stopped(place)
    with pytest.raises(AgentlessError) as caught:
        let_go(None, place)
    assert f"(PID {pid})" in caught.value.message
    assert f"kill -9 {pid}" in caught.value.hint
    assert held(place) is None, "nobody asks it again"
