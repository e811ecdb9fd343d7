"""A link over a real master to a real sshd."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from agentless.model.endpoint import Endpoint
from agentless.openssh.resolver import Resolver
from agentless.transport.channel import Link, slow
from agentless.transport.host_connector import HostConnector
from agentless.transport.mux.control import Control
from agentless.transport.mux.ridden_link import RiddenLink
from agentless.transport.mux.session_channel import MuxChannel
from tests.hosts import Master, patience
from tests.transport.conftest import (
    USER,
    Home,
    Server,
    Start,
    agent,
    connector,
    drain,
    home,
    known_server,
    master,
    start_sshd,
)

__all__ = ["agent", "connector", "home", "start_sshd"]


def _nothing_else(spent: float) -> Link:
    raise AssertionError("the master is to be ridden")


class Ride(RiddenLink):
    """A link over a master, and no connection of our own beside it."""

    def __init__(self, held: Master) -> None:
        resolver = Resolver(home=held.path.parent, system_config=held.path.parent / "none")
        control = Control(held.path, time.monotonic() + patience(10))
        settings = resolver.settings(Endpoint("web1", "127.0.0.1", user=USER))
        super().__init__(held.path, control, settings, _nothing_else, lambda: None, lambda: None, lambda: None)
        self.timeout = patience(20)

    def exec(self, line: str, *, pty: bool = False, once: bool = False) -> MuxChannel:
        until = time.monotonic() + self.timeout
        opening = self._ask(line, until, pty=pty)
        channel = self._opened(opening, until)
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


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A master that is only slow, as on a busy machine, is none that hangs."""
    monkeypatch.setattr("agentless.transport.mux.masters._HELLO_WITHIN", patience(1.0))
    monkeypatch.setattr("agentless.transport.mux.ridden_link._SILENCE", patience(1.0))


def run(connector: HostConnector, endpoint: Endpoint, line: str = "echo hi", **how: bool) -> tuple[bytes, bool]:
    """What the command prints, and whether it rode a master."""
    with connector.connect(endpoint) as link:
        out = drain(link.exec(line, **how))[0]
        return out, isinstance(link, RiddenLink) and link._own is None
