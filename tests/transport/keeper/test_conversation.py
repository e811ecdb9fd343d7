"""Commands that ride a kept connection, one after another and side by side; what they leave in the keeper."""

from __future__ import annotations

import gc
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from agentless.errors import Unreachable
from agentless.model.secret import Secret
from agentless.openssh.resolver import Resolver
from agentless.transport.keeper import messages
from agentless.transport.keeper.client import KeeperClient
from agentless.transport.keeper.conversation import Conversations
from agentless.transport.keeper.place import Place
from agentless.transport.mux.line import Line
from agentless.transport.mux.protocol import Alive
from tests.hosts import Proxy, patience, until
from tests.transport.conftest import Home, Server, drain, logins
from tests.transport.keeper.conftest import connections, connector_over, run, running, warm

Make = Callable[..., KeeperClient]


def test_a_connection_that_breaks_under_a_command_says_so_as_ever(
    home: Home, server: Server, keeper: Make, place: Place
) -> None:
    warm(home, server, keeper, place)
    errors = []
    for client in (None, keeper()):
        connector = connector_over(client, home)
        with connector.connect(home.to(server)) as link:
            channel = link.exec("echo begun; sleep 60")
            assert channel.recv(patience(20)) == (1, b"begun\n")
            server.hang_up()
            with pytest.raises(Unreachable) as caught:
                drain(channel)
        connector.close()
        errors.append((type(caught.value), caught.value.kind, caught.value.message, caught.value.hint))
    assert errors[0] == errors[1]


def test_many_commands_ride_one_connection_at_once(home: Home, server: Server, keeper: Make, place: Place) -> None:
    outputs: list[bytes] = []

    def command(number: int) -> None:
        outputs.append(run(keeper(), home, home.to(server), f"echo {number}"))

    threads = [threading.Thread(target=command, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(patience(60))
    assert sorted(outputs) == [b"%d\n" % number for number in range(8)]
    assert logins(server) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: to count the descriptors of a process that hides them")
def test_a_command_that_is_killed_leaves_no_session(home: Home, server: Server, keeper: Make, place: Place) -> None:
    warm(home, server, keeper, place)
    pid = running(place).pid
    until(lambda: len(os.listdir(f"/proc/{pid}/task")) == 2, "it has settled")
    descriptors = len(os.listdir(f"/proc/{pid}/fd"))
    connector = connector_over(keeper(), home)
    link = connector.connect(home.to(server))
    channel = link.exec("echo $$; cat")
    piece = channel.recv(patience(20))
    assert piece is not None
    link.close()
    connector.close()
    until(lambda: not Path(f"/proc/{int(piece[1])}").exists(), "the host's process ends")
    until(lambda: [one.sessions for one in connections(place)] == [0], "it is free again")
    # The one that listens, and the transport's.
    until(lambda: len(os.listdir(f"/proc/{pid}/task")) == 2, "no thread is left")
    until(lambda: len(os.listdir(f"/proc/{pid}/fd")) == descriptors, "no descriptor is left")


def test_a_command_that_rides_costs_one_round_trip(
    home: Home, server: Server, keeper: Make, place: Place, start_proxy: Callable[..., Proxy]
) -> None:
    proxy = start_proxy("127.0.0.1", server.port, delay=0.2)
    home.knows(server.known_line(f"[127.0.0.1]:{proxy.port}"))
    endpoint = home.to(server, port=proxy.port)
    run(keeper(), home, endpoint)

    def cost(*, once: bool) -> float:
        """Until its output is there; of a few tries, for a busy machine can only add to it."""
        until(lambda: [(one.in_use, one.ready) for one in connections(place)] == [(False, True)], "it stands ready")
        connector = connector_over(keeper(), home)
        proxy.forget()
        with connector.connect(endpoint) as link:
            channel = link.exec("echo hi", once=once)
            assert channel.recv(patience(20)) == (1, b"hi\n")
            spent = proxy.round_trips
        connector.close()
        return spent

    assert any(cost(once=False) <= 1.0 for _ in range(8))
    assert any(cost(once=True) <= 2.0 for _ in range(8))
    assert proxy.connections == 0


def test_nothing_in_a_keeper_has_a_password_whose_command_has_ended(home: Home, server: Server) -> None:
    everything = Conversations()
    password = f"p {os.urandom(8).hex()}"
    resolver = Resolver(home=home.path, system_config=home.path / "none")
    settings = replace(resolver.settings(replace(home.to(server), password=Secret(password))), agent="")

    def begin() -> tuple[Line, threading.Thread]:
        ours, theirs = map(messages.line, socket.socketpair())

        def serve() -> None:
            everything.serve(theirs)
            theirs.close()

        thread = threading.Thread(target=serve)
        thread.start()
        return ours, thread

    def has_it() -> bool:
        gc.collect()
        held = (one for one in gc.get_objects() if isinstance(one, Secret) and one is not settings.password)
        return any(one.reveal() == password for one in held)

    (lease, leased), (line, connected) = begin(), begin()
    lease.send(messages.message(messages.LEASE, 0, messages.Lease("command", 60.0)))
    assert isinstance(lease.receive(time.monotonic() + patience(30)), Alive)
    line.send(messages.message(messages.CONNECT, 1, messages.Connect("command", "web1", settings, 0.0, None)))
    answer = line.receive(time.monotonic() + patience(60))
    assert answer is not None
    assert messages.value(answer, messages.Connected).kept is False
    del answer
    assert has_it(), "a race would log in with it once more"
    for one, thread in ((line, connected), (lease, leased)):
        one.close()
        thread.join(patience(30))
    assert len(everything.pool.held()) == 1, "the connection stays"
    assert not has_it()
    everything.pool.drop(lambda kept: True)
