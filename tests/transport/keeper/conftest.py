"""Keepers of tests, as processes."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agentless.errors import AgentlessError
from agentless.model.endpoint import Endpoint
from agentless.transport.host_connector import HostConnector
from agentless.transport.keeper import messages, signs
from agentless.transport.keeper.client import KeeperClient
from agentless.transport.keeper.greeting import held
from agentless.transport.keeper.messages import Held, HeldAll
from agentless.transport.keeper.place import Place
from agentless.transport.mux.protocol import Alive, Hello
from tests.hosts import patience, until
from tests.hosts.links import keepers
from tests.transport.conftest import Home, Server, Start, drain, known_server


def connector_over(client: KeeperClient | None, home: Home) -> HostConnector:
    """A connector of a command of this home, over what the keeper holds; without one where there is none."""
    return HostConnector(keeper=client, home=home.path, system_config=home.path / "none")


def run(client: KeeperClient, home: Home, endpoint: Endpoint, line: str = "echo hi", *, once: bool = False) -> bytes:
    """What a command prints, over a connection of a new command."""
    connector = connector_over(client, home)
    try:
        with connector.connect(endpoint) as link:
            return drain(link.exec(line, once=once))[0]
    finally:
        connector.close()


@pytest.fixture
def server(home: Home, start_sshd: Start) -> Server:
    return known_server(home, start_sshd)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "keeper")


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[int]]]:
    """The PIDs of all keepers that this test has started; they end with it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert not keepers(f"HOME={tmp_path}\0")
    yield lambda: keepers(f"HOME={tmp_path}\0")
    for pid in keepers(f"HOME={tmp_path}\0"):
        # One that nobody needs ends by itself.
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def running(place: Place) -> HeldAll:
    """The keeper there, and what it holds; one that is busy, or still being loaded, is asked again."""

    def ask() -> HeldAll | None:
        with contextlib.suppress(AgentlessError):
            return held(place)
        return None

    return until(ask, "the keeper answers")  # type: ignore[return-value]


def connections(place: Place) -> tuple[Held, ...]:
    """What the keeper there holds."""
    return running(place).connections


def started(place: Place) -> int:
    """The PID of a keeper there; one that nobody had needed for a while may just have ended."""

    def start() -> HeldAll | None:
        place.connect().close()
        with contextlib.suppress(AgentlessError):
            return held(place)
        return None

    return until(start, "a keeper answers").pid  # type: ignore[union-attr]


@contextlib.contextmanager
def needed(place: Place) -> Iterator[int]:
    """The PID of a keeper there that a command needs for as long as this goes on."""
    with contextlib.closing(messages.line(place.connect())) as line:
        line.send(Hello(), messages.message(messages.LEASE, 0, messages.Lease("00", 600.0)))
        assert line.receive(time.monotonic() + patience(10)) == Hello()
        assert isinstance(line.receive(time.monotonic() + patience(10)), Alive)
        yield started(place)


def warm(home: Home, server: Server, keeper: Callable[..., KeeperClient], place: Place) -> None:
    """One connection is kept, and nobody rides it."""
    run(keeper(), home, home.to(server))
    until(lambda: not any(one.in_use for one in connections(place)), "nobody rides it")


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A keeper that gets on, on a busy machine, is none that hangs."""
    monkeypatch.setattr(signs, "_PATIENCE", patience(20))


@pytest.fixture
def stubborn(monkeypatch: pytest.MonkeyPatch) -> None:
    """No silence is long enough: only that the keeper was stopped tells that it says nothing any more."""
    monkeypatch.setattr(signs, "_PATIENCE", 1e9)
    monkeypatch.setattr(signs, "SILENCE", 1e9)


def stopped(place: Place) -> int:
    """The PID of the keeper, which hangs from now on."""
    pid = running(place).pid
    os.kill(pid, signal.SIGSTOP)
    return pid
