"""An ssh-agent that is silent, slow, or gone."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest

from agentless.errors import Unreachable
from agentless.transport.host_connector import HostConnector
from agentless.transport.ssh import agent as agents
from tests.hosts import patience
from tests.transport.conftest import Add, Home, Server, denied, keygen, log_in

# Gives a list that grows with each client of it.
Stuck = Callable[[float | None], list[socket.socket]]


@pytest.fixture
def stuck(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stuck]:
    """Stands before the agent and lets nothing through, or all but signatures, which it holds back for some seconds."""
    over = threading.Event()
    with contextlib.ExitStack() as ends:

        def start(seconds: float | None) -> list[socket.socket]:
            real = os.environ.get("SSH_AUTH_SOCK", "")
            path = str(home.path / "stuck")
            clients: list[socket.socket] = []
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            listener = ends.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(path)
            listener.listen()
            monkeypatch.setenv("SSH_AUTH_SOCK", path)

            def read(sock: socket.socket) -> bytes:
                head = sock.recv(4, socket.MSG_WAITALL)
                return head + sock.recv(struct.unpack(">I", head)[0], socket.MSG_WAITALL) if len(head) == 4 else b""

            def serve() -> None:
                # The end of the test ends the sockets under it.
                with contextlib.suppress(OSError):
                    while True:
                        client, _ = listener.accept()
                        clients.append(client)
                        if seconds is not None:
                            pass_on(client, seconds)
                            return

            def pass_on(client: socket.socket, seconds: float) -> None:
                with socket.socket(socket.AF_UNIX) as behind:
                    behind.connect(real)
                    while request := read(client):
                        if request[4] == 13:
                            over.wait(seconds)
                        behind.sendall(request)
                        client.sendall(read(behind))

            thread = threading.Thread(target=serve, daemon=True)

            def end() -> None:
                over.set()
                for sock in (listener, *clients):
                    with contextlib.suppress(OSError):
                        sock.shutdown(socket.SHUT_RDWR)
                thread.join(patience(10))
                for client in clients:
                    client.close()

            ends.callback(end)
            thread.start()
            return clients

        yield start


def test_an_agent_that_is_silent_is_named_and_other_keys_are_tried(
    connector: HostConnector, home: Home, server: Server, stuck: Stuck
) -> None:
    """One that was forwarded from a session that froze: its socket takes requests, and nobody answers."""
    asked = stuck(None)
    for _ in range(3):
        connector.connect(home.to(server, key_files=(str(home.key),))).close()
    assert len(asked) == 1, "one silence is enough"
    home.key.unlink()
    error = denied(home, server, connect_timeout=patience(4))
    assert f"the agent at {home.path}/stuck does not answer" in error.message


def test_the_time_that_its_owner_takes_to_touch_a_key_is_not_the_hosts(
    home: Home, server: Server, agent: Add, stuck: Stuck, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent(home.key)
    home.key.unlink()
    real = os.environ["SSH_AUTH_SOCK"]
    for seconds in (2, 4, 8, 16):
        monkeypatch.setenv("SSH_AUTH_SOCK", real)
        stuck(1.5 * seconds)
        try:
            log_in(home, server, connect_timeout=seconds)
        except Unreachable:
            # A busy machine takes that long for all else.
            continue
        return
    raise AssertionError("it is cut off, however long the host has")


def test_a_signature_that_never_comes_ends_and_the_next_key_is_tried(
    home: Home,
    connector: HostConnector,
    server: Server,
    agent: Add,
    stuck: Stuck,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(agents, "_SIGNS_WITHIN", 1.0)
    other = keygen(home.path / "keys" / "other")
    agent(other)
    stuck(patience(60))
    connector.connect(home.to(server, key_files=(f"{other}.pub", str(home.key)))).close()
    home.key.unlink()
    with pytest.raises(Unreachable, match=r"other\.pub: the agent at .* does not answer"):
        connector.connect(home.to(server, key_files=(f"{other}.pub",)))


def test_an_agent_that_is_gone_is_named_where_no_key_is_left(
    home: Home, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.key.unlink()
    monkeypatch.setenv("SSH_AUTH_SOCK", "/no/such/agent")
    assert "no agent at /no/such/agent: No such file" in denied(home, server).message
