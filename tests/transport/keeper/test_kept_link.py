"""A keeper that is gone, or goes away at any step, costs a connection and nothing else; nothing is sent twice."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from agentless.errors import CarrierLost, NoSession
from agentless.transport.keeper import kept_link
from agentless.transport.keeper.client import KeeperClient
from agentless.transport.keeper.place import Place
from tests.hosts import Proxy, patience, until
from tests.transport.conftest import Home, Server, drain
from tests.transport.keeper.conftest import connections, connector_over, run, running, stopped

Make = Callable[..., KeeperClient]


def test_a_keeper_that_is_killed_costs_a_connection_and_nothing_else(
    home: Home, server: Server, keeper: Make, place: Place
) -> None:
    told: list[str] = []
    connector = connector_over(keeper(explain=told.append), home)
    with connector.connect(home.to(server)) as link:
        os.kill(running(place).pid, signal.SIGKILL)
        assert drain(link.exec("echo hi")) == (b"hi\n", b"")
    assert len(told) == 1
    with connector.connect(home.to(server)) as link:
        assert drain(link.exec("echo hi")) == (b"hi\n", b"")
    connector.close()
    assert run(keeper(), home, home.to(server)) == b"hi\n"


def test_where_keeper_and_host_are_gone_nothing_was_sent(
    home: Home, server: Server, keeper: Make, place: Place
) -> None:
    """So that the job of it is not one that the host may have."""
    connector = connector_over(keeper(explain=lambda line: None), home)
    with connector.connect(home.to(server)) as link:
        pid = running(place).pid
        os.kill(pid, signal.SIGKILL)
        until(lambda: not os.path.exists(f"/proc/{pid}"), "it is gone")
        server.end()
        with pytest.raises(NoSession) as caught:
            link.exec("true")
    connector.close()
    assert caught.value.kind == "connect"


def test_a_second_command_on_a_link_whose_host_is_gone_was_not_sent_either(
    home: Home, server: Server, keeper: Make, place: Place
) -> None:
    connector = connector_over(keeper(), home)
    with connector.connect(home.to(server)) as link:
        assert drain(link.exec("echo hi")) == (b"hi\n", b"")
        server.hang_up()
        server.end()
        # A command that goes out before the break is noticed may have arrived.
        until(lambda: not connections(place), "the keeper knows")
        with pytest.raises(NoSession) as caught:
            link.exec("true")
    connector.close()
    assert caught.value.kind == "connect"


def test_a_keeper_that_is_killed_while_it_connects_costs_a_connection_and_nothing_else(
    home: Home, server: Server, keeper: Make, place: Place, start_proxy: Callable[..., Proxy]
) -> None:
    proxy = start_proxy("127.0.0.1", server.port)
    home.knows(server.known_line(f"[127.0.0.1]:{proxy.port}"))
    endpoint = home.to(server, port=proxy.port)
    for hole in ("server", "client"):
        # The host hears nothing, or is not heard: no banner came, or it stops in the middle of the handshake.
        proxy.forget()
        proxy.hole(to=hole)
        with ThreadPoolExecutor(1) as thread:
            output = thread.submit(run, keeper(explain=lambda line: None), home, endpoint)
            until(lambda: proxy.connections == 1, "the keeper connects")
            os.kill(running(place).pid, signal.SIGKILL)
            until(lambda: proxy.connections == 2, "the command connects by itself")
            proxy.heal()
            assert output.result(patience(60)) == b"hi\n"
    assert run(keeper(), home, endpoint) == b"hi\n"


@pytest.mark.parametrize("once", [False, True])
def test_a_keeper_that_is_killed_while_the_host_is_silent_starts_nothing_twice(
    once: bool, home: Home, server: Server, keeper: Make, place: Place, start_proxy: Callable[..., Proxy]
) -> None:
    proxy = start_proxy("127.0.0.1", server.port)
    home.knows(server.known_line(f"[127.0.0.1]:{proxy.port}"))
    connector = connector_over(keeper(explain=lambda line: None), home)
    with connector.connect(home.to(server, port=proxy.port)) as link, ThreadPoolExecutor(1) as thread:
        proxy.hole()
        channel = thread.submit(link.exec, "echo hi", once=once)
        until(lambda: [one.sessions for one in connections(place)] == [1], "it was asked for")
        os.kill(running(place).pid, signal.SIGKILL)
        if once:
            with pytest.raises(CarrierLost):
                channel.result(patience(60))
        else:
            proxy.heal()
            assert drain(channel.result(patience(60))) == (b"hi\n", b"")
    connector.close()


def test_a_keeper_that_hangs_under_a_command_is_noticed(
    home: Home, server: Server, keeper: Make, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_link, "_ASK_AFTER", 0.2)
    told: list[str] = []
    connector = connector_over(keeper(warn=told.append), home)
    with connector.connect(home.to(server)) as link:
        channels = [link.exec("echo begun; sleep 600") for _ in range(2)]
        assert [channel.recv(patience(20)) for channel in channels] == [(1, b"begun\n")] * 2
        # One that only has nothing to say is not given up.
        assert channels[0].recv(1.0) is None
        pid = stopped(place)
        for channel in channels:
            with pytest.raises(CarrierLost):
                drain(channel)
        assert len(told) == 1
        assert drain(link.exec("echo on")) == (b"on\n", b"")
        os.kill(pid, signal.SIGCONT)
    connector.close()
