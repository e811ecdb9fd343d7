"""Keepers of tests, as processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agentless.model.endpoint import Endpoint
from agentless.transport.connector import HostConnector
from agentless.transport.keeper import signs
from agentless.transport.keeper.client import KeeperClient
from agentless.transport.keeper.greeting import held
from agentless.transport.keeper.place import Place
from agentless.transport.keeper.words import Held
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


def logins(server: Server) -> int:
    return server.log.count("Accepted publickey")


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
    yield lambda: keepers(f"HOME={tmp_path}\0")
    for pid in keepers(f"HOME={tmp_path}\0"):
        os.kill(pid, signal.SIGKILL)


def connections(place: Place) -> tuple[Held, ...]:
    """What the keeper there holds."""
    running = held(place)
    assert running is not None
    return running.connections


@pytest.fixture
def stubborn(monkeypatch: pytest.MonkeyPatch) -> None:
    """No silence is long enough: only that the keeper was stopped tells that it says nothing any more."""
    monkeypatch.setattr(signs, "_PATIENCE", 1e9)
    monkeypatch.setattr(signs, "SILENCE", 1e9)


def stopped(place: Place) -> int:
    """The PID of the keeper, which hangs from now on."""
    running = held(place)
    assert running is not None
    os.kill(running.pid, signal.SIGSTOP)
    return running.pid
