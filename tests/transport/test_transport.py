"""The handshake with whatever answers at a port, keys that are renewed, and a connection that breaks."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable

import pytest

from agentless.errors import Unreachable
from agentless.transport.host_connector import HostConnector
from tests.hosts import Proxy, in_time, patience
from tests.hosts.needs import need
from tests.transport.conftest import Home, Listen, Server, drain, fails


def test_a_server_that_dies_is_a_lost_connection_not_an_end(
    home: Home, connector: HostConnector, start_sshd: Callable[..., Server]
) -> None:
    server = start_sshd(authorized=home.key)
    home.knows(server.known_line())
    with Proxy(server.address, server.port) as proxy:
        home.knows(server.known_line(f"[127.0.0.1]:{proxy.port}"))
        link = connector.connect(home.to(server, port=proxy.port))
        channel = link.exec("echo first; sleep 60")
        assert channel.recv(patience(20)) == (1, b"first\n")
        proxy.cut()
        with pytest.raises(Unreachable) as caught:
            channel.recv(patience(20))
        assert caught.value.kind == "connection-lost"
        with pytest.raises(Unreachable):
            channel.send(b"x", patience(5))
        with pytest.raises(Unreachable):
            link.exec("true")
        assert channel.exit_status() is None
        link.close()


@pytest.mark.parametrize("ciphers", ["", "aes128-ctr"])
def test_keys_are_renewed_in_the_middle_of_both_directions(
    home: Home, connector: HostConnector, start_sshd: Callable[..., Server], ciphers: str
) -> None:
    server = start_sshd("RekeyLimit 1M", authorized=home.key)
    home.knows(server.known_line())
    options = (("ciphers", ciphers),) if ciphers else ()
    data = os.urandom(5 * 1024 * 1024)
    with connector.connect(home.to(server, options=options)) as link:
        channel = link.exec(f"head -c {len(data)}")

        def feed() -> None:
            channel.send(data, patience(20))

        feeder = threading.Thread(target=feed)
        feeder.start()
        assert drain(channel) == (data, b"")
        feeder.join(patience(30))


def test_a_server_that_says_nothing(home: Home, connector: HostConnector, listen: Listen) -> None:
    port = listen(lambda connection, number: None)
    error = in_time(
        lambda seconds: fails(connector, home, port, seconds), lambda error: "banner" in error.message, seconds=0.5
    )
    assert (error.kind, "no SSH banner" in error.message) == ("connect-timeout", True)


def test_a_server_that_stops_after_its_banner(home: Home, connector: HostConnector, listen: Listen) -> None:
    port = listen(lambda connection, number: connection.sendall(b"SSH-2.0-Stuck\r\n"))
    error = in_time(
        lambda seconds: fails(connector, home, port, seconds), lambda error: "exchange" in error.message, seconds=0.5
    )
    assert (error.kind, "key exchange" in error.message) == ("connect-timeout", True)


def test_a_server_that_is_no_ssh_server(home: Home, connector: HostConnector, listen: Listen) -> None:
    def serve(connection: socket.socket, number: int) -> None:
        connection.sendall(b"HTTP/1.1 400 Bad \x1b[31mRequest\r\n\r\n")
        connection.close()

    error = fails(connector, home, listen(serve), timeout=patience(20))
    assert (error.kind, "not an SSH server" in error.message) == ("connect", True)
    assert "\x1b" not in error.message


def test_a_server_without_end_of_line_is_not_read_for_ever(
    home: Home, connector: HostConnector, listen: Listen
) -> None:
    need("many seconds")

    def serve(connection: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection.sendall(b"x" * 65536)

    assert fails(connector, home, listen(serve), timeout=5).kind in ("connect", "throttled", "connect-timeout")
