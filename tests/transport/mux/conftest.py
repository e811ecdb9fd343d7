"""A link over a real master to a real sshd."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from agentless.transport.mux.client import MuxLink
from agentless.transport.mux.control import Control
from tests.hosts import Master, patience
from tests.transport.conftest import USER, Home, Server, Start, agent, connector, home, known_server, master, start_sshd

__all__ = ["agent", "connector", "home", "start_sshd"]


def ride(held: Master) -> MuxLink:
    control = Control(held.path, time.monotonic() + patience(10))
    return MuxLink(held.path, "web1", USER, patience(20), control)


@pytest.fixture
def server(home: Home, start_sshd: Start) -> Server:
    return known_server(home, start_sshd)


@pytest.fixture
def held(home: Home, server: Server) -> Iterator[Master]:
    with master(home, server) as held:
        yield held
