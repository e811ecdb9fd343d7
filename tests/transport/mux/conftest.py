"""A link over a real master to a real sshd."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from agentless.transport.channel import Link, slow
from agentless.transport.mux.control import Control
from agentless.transport.mux.opening import MuxLink
from agentless.transport.mux.session_channel import MuxChannel
from tests.hosts import Master, patience
from tests.transport.conftest import USER, Home, Server, Start, agent, connector, home, known_server, master, start_sshd

__all__ = ["agent", "connector", "home", "start_sshd"]


class Ride(MuxLink, Link):
    """A link over a master, and nothing beside it."""

    def __init__(self, held: Master) -> None:
        super().__init__(held.path, "web1", Control(held.path, time.monotonic() + patience(10)))
        self.user = USER
        self.timeout = patience(20)

    def exec(self, line: str, *, pty: bool = False, once: bool = False) -> MuxChannel:
        until = time.monotonic() + self.timeout
        opening = self.ask(line, until, pty=pty)
        channel = self.opened(opening, until)
        if channel is None:
            opening.close()
            raise slow("web1", "did not open a session")
        return channel


@pytest.fixture
def server(home: Home, start_sshd: Start) -> Server:
    return known_server(home, start_sshd)


@pytest.fixture
def held(home: Home, server: Server) -> Iterator[Master]:
    with master(home, server) as held:
        yield held
