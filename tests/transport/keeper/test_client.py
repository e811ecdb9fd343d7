"""Connections by way of the keeper, to a real sshd: they are ridden again, and never by the wrong command."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace

import pytest

from agentless.errors import Unreachable
from agentless.model.secret import Secret
from agentless.transport.connector import HostConnector
from agentless.transport.keeper.client import KeeperClient, held, let_go
from agentless.transport.keeper.place import Place
from agentless.transport.keeper.words import HeldAll
from tests.hosts import until
from tests.transport.conftest import Home, Server, drain, keygen
from tests.transport.keeper.conftest import logins, run

Make = Callable[..., KeeperClient]


def test_the_next_command_rides_what_the_last_one_has_left(home: Home, server: Server, keeper: Make) -> None:
    assert run(keeper(), home, home.to(server)) == b"hi\n"
    assert run(keeper(), home, home.to(server), "echo again") == b"again\n"
    assert logins(server) == 1


def test_who_resolves_to_something_else_has_a_connection_of_its_own(home: Home, server: Server, keeper: Make) -> None:
    endpoint = home.to(server)
    run(keeper(), home, endpoint)
    run(keeper(), home, replace(endpoint, password=Secret("x")))
    run(keeper(), home, replace(endpoint, password=Secret("y")))
    run(keeper(), home, replace(endpoint, password=Secret("y"), connect_timeout=17.0))
    assert logins(server) == 3


def test_a_key_that_was_replaced_opens_no_kept_connection(home: Home, server: Server, keeper: Make) -> None:
    endpoint = home.to(server)
    run(keeper(), home, endpoint)
    for file in (home.key, home.key.with_suffix(".pub")):
        file.unlink()
    keygen(home.key)
    with pytest.raises(Unreachable, match="permission denied"):
        run(keeper(), home, endpoint)


def test_a_passphrase_is_asked_for_by_the_command_and_kept_by_nobody(
    home: Home, start_sshd: Callable[..., Server], keeper: Make, place: Place
) -> None:
    locked = keygen(home.path / "locked", passphrase="open sesame")
    server = start_sshd(authorized=locked)
    home.knows(server.known_line())
    endpoint = home.to(server, key_files=(str(locked),))
    prompts: list[str] = []

    def ask(prompt: str) -> Secret:
        prompts.append(prompt)
        return Secret("open sesame")

    assert run(keeper(ask=ask), home, endpoint) == b"hi\n"
    assert prompts == [f"Enter passphrase for key '{locked}': "]
    let_go(None, place)
    assert run(keeper(ask=ask), home, endpoint) == b"hi\n"
    assert len(prompts) == 2
    let_go(None, place)
    with pytest.raises(Unreachable, match="locked"):
        run(keeper(), home, endpoint)


def test_an_error_is_word_for_word_that_of_a_connection_without_a_keeper(
    home: Home, start_sshd: Callable[..., Server], keeper: Make
) -> None:
    stranger = start_sshd(authorized=home.key)
    closed = start_sshd(authorized=home.key)
    closed.process.terminate()
    closed.process.wait()
    refusing = start_sshd()
    home.knows(refusing.known_line())
    for endpoint in (home.to(stranger), home.to(closed), home.to(refusing), home.to(stranger, address="no.invalid")):
        errors = []
        for client in (None, keeper()):
            connector = HostConnector(keeper=client, home=home.path, system_config=home.path / "none")
            with pytest.raises(Unreachable) as caught:
                connector.connect(endpoint)
            errors.append((type(caught.value), caught.value.kind, caught.value.message, caught.value.hint))
            connector.close()
        assert errors[0] == errors[1]


def test_a_keeper_that_is_killed_costs_a_connection_and_nothing_else(
    home: Home, server: Server, keeper: Make, place: Place
) -> None:
    told: list[str] = []
    connector = HostConnector(keeper=keeper(explain=told.append), home=home.path, system_config=home.path / "none")
    with connector.connect(home.to(server)) as link:
        running = held(place)
        assert running is not None
        os.kill(running.pid, signal.SIGKILL)
        assert drain(link.exec("echo hi")) == (b"hi\n", b"")
    assert len(told) == 1
    with connector.connect(home.to(server)) as link:
        assert drain(link.exec("echo hi")) == (b"hi\n", b"")
    connector.close()
    assert run(keeper(), home, home.to(server)) == b"hi\n"


def test_what_is_let_go_of_is_told_and_closed(home: Home, server: Server, keeper: Make, place: Place) -> None:
    run(keeper(), home, home.to(server))

    def idle() -> HeldAll | None:
        running = held(place)
        return running if running and not any(one.in_use for one in running.connections) else None

    running = until(idle, "nobody rides it")
    assert running is not None
    (one,) = running.connections
    assert (one.names, one.host, one.port, one.sessions, one.in_use) == (("web1",), "127.0.0.1", server.port, 0, False)
    assert let_go([("nobody", "127.0.0.1", server.port)], place) == HeldAll(running.pid, ())
    closed = let_go([(one.user, one.host, one.port)], place)
    assert closed is not None
    assert [held.host for held in closed.connections] == ["127.0.0.1"]
    until(lambda: "Disconnected from user" in server.log or "disconnected by user" in server.log, "it is closed")
    left = held(place)
    assert left is not None
    assert left.connections == ()
