"""A master that gives no session, goes away or says nothing costs a connection of our own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agentless.errors import NoSession, Unreachable
from agentless.transport.host_connector import HostConnector
from agentless.transport.mux import ridden_link
from agentless.transport.mux.ridden_link import RiddenLink
from agentless.transport.mux.session_channel import MuxChannel
from tests.hosts import Master, Proxy, patience, until
from tests.transport.conftest import Home, Server, drain, logins, master, open_descriptors
from tests.transport.mux.conftest import run


def test_a_master_that_gives_no_more_sessions_costs_a_connection_of_our_own(
    home: Home, start_sshd: Callable[..., Server], connector: HostConnector
) -> None:
    server = start_sshd("MaxSessions 1", authorized=home.key)
    home.knows(server.known_line())
    with master(home, server) as held:
        endpoint = home.to(server, options=[("controlpath", str(held.path))])
        with connector.connect(endpoint) as first, connector.connect(endpoint) as second:
            channel = first.exec("read line; echo $line")
            assert drain(second.exec("echo over its own")) == (b"over its own\n", b"")
            assert isinstance(second, RiddenLink)
            assert second._own is not None
            channel.send(b"ridden\n", patience(5))
            assert drain(channel) == (b"ridden\n", b"")
        assert logins(server) == 2


def test_where_neither_the_master_nor_we_get_in_both_reasons_are_told_and_nothing_was_sent(
    home: Home, start_sshd: Callable[..., Server], connector: HostConnector
) -> None:
    server = start_sshd("MaxSessions 1", authorized=home.key)
    home.knows(server.known_line())
    with master(home, server) as held:
        home.key.unlink()
        endpoint = home.to(server, options=[("controlpath", str(held.path))])
        with connector.connect(endpoint) as first, connector.connect(endpoint) as second:
            first.exec("sleep 1000")
            with pytest.raises(NoSession, match="Session open refused by peer") as caught:
                second.exec("echo hi")
            assert caught.value.kind == "auth"


def test_a_master_that_goes_away_before_it_knew_what_to_run_costs_a_connection_of_our_own(
    home: Home, server: Server, connector: HostConnector, held: Master
) -> None:
    endpoint = home.to(server, options=[("controlpath", str(held.path))])
    with connector.connect(endpoint) as link:
        assert drain(link.exec("echo ridden"))[0] == b"ridden\n"
        held.kill()
        assert drain(link.exec("echo own"))[0] == b"own\n"


@pytest.mark.parametrize("once", [False, True])
def test_a_master_whose_host_refuses_a_session_late_costs_a_connection_of_our_own_too(
    once: bool,
    home: Home,
    start_sshd: Callable[..., Server],
    connector: HostConnector,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = start_sshd("MaxSessions 1", authorized=home.key)
    home.knows(server.known_line())
    late = RiddenLink._late
    with Proxy("127.0.0.1", server.port) as proxy:
        home.knows(server.known_line(f"[127.0.0.1]:{proxy.port}"))

        def answered_now(link: RiddenLink, *given: Any, **named: Any) -> MuxChannel | None:
            proxy.heal()
            return late(link, *given, **named)

        monkeypatch.setattr(ridden_link, "_SILENCE", 0.1)
        monkeypatch.setattr(RiddenLink, "_late", answered_now)
        with master(home, replace(server, port=proxy.port)) as held:
            endpoint = home.to(server, options=[("controlpath", str(held.path))])
            with connector.connect(endpoint) as first, connector.connect(endpoint) as second:
                first.exec("sleep 1000")
                proxy.hole()
                assert drain(second.exec("echo hi", once=once)) == (b"hi\n", b"")


@pytest.fixture
def slow_line(home: Home, server: Server) -> Iterator[tuple[Proxy, Master]]:
    """A master whose connection goes through a proxy, while others reach the server."""
    with Proxy("127.0.0.1", server.port) as proxy:
        home.knows(server.known_line(f"[127.0.0.1]:{proxy.port}"))
        with master(home, replace(server, port=proxy.port)) as held:
            yield proxy, held


def test_a_master_whose_connection_has_died_unnoticed_is_raced_by_our_own(
    home: Home, server: Server, connector: HostConnector, slow_line: tuple[Proxy, Master]
) -> None:
    proxy, held = slow_line
    endpoint = home.to(server, options=[("controlpath", str(held.path))])
    assert run(connector, endpoint)[1]
    before = open_descriptors()
    proxy.hole()
    assert run(connector, endpoint) == (b"hi\n", False)
    # From now on it is passed over at once.
    with connector.connect(endpoint) as link:
        assert not isinstance(link, RiddenLink)
    until(lambda: open_descriptors() <= before, "nothing stays open")


def test_what_must_not_run_twice_waits_for_the_master(
    home: Home, server: Server, connector: HostConnector, slow_line: tuple[Proxy, Master], tmp_path: Path
) -> None:
    proxy, held = slow_line
    endpoint = home.to(server, options=[("controlpath", str(held.path))], connect_timeout=patience(2.5))
    line = f"echo x >> {tmp_path}/count"
    proxy.hole()
    with pytest.raises(Unreachable) as caught:
        run(connector, endpoint, line, once=True)
    assert caught.value.kind == "connect-timeout"
    assert not isinstance(caught.value, NoSession)
    assert "ssh -O exit" in caught.value.hint
    proxy.heal()
    # It may run now, and does so once.
    count = tmp_path / "count"
    assert until(lambda: count.exists() and count.read_text(), "the master has gone on") == "x\n"


def test_a_master_that_answers_late_wins_over_a_login_that_fails(
    home: Home, server: Server, connector: HostConnector, slow_line: tuple[Proxy, Master]
) -> None:
    proxy, held = slow_line
    endpoint = home.to(server, options=[("controlpath", str(held.path))])
    home.key.unlink()
    proxy.hole()

    def heal() -> None:
        until(lambda: "authenticating user" in server.log, "our own login has failed")
        proxy.heal()

    with ThreadPoolExecutor(1) as thread:
        healed = thread.submit(heal)
        assert run(connector, endpoint) == (b"hi\n", True)
        healed.result(patience(30))
