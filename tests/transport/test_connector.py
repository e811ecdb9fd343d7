"""From an endpoint to a connection: sshds without room, one deadline, no round trip too many."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable

import pytest

from agentless.transport.host_connector import HostConnector
from tests.hosts import Proxy, in_time, patience
from tests.hosts.needs import need
from tests.transport.conftest import Home, Listen, Server, drain, fails


def test_connect_and_exec_take_no_more_round_trips_than_bare_paramiko(
    home: Home, connector: HostConnector, start_sshd: Callable[..., Server]
) -> None:
    server = start_sshd(authorized=home.key)
    with Proxy(server.address, server.port, delay=0.05) as proxy:
        home.knows(server.known_line(f"[127.0.0.1]:{proxy.port}"))

        def connect_and_exec() -> None:
            with connector.connect(home.to(server, port=proxy.port)) as link:
                drain(link.exec("id -un"))

        assert proxy.fewest_round_trips(connect_and_exec, enough=6) <= 6


@pytest.mark.parametrize("said", [b"", b"Exceeded MaxStartups\r\n"])
def test_a_server_without_room_is_tried_again_and_then_throttled(
    home: Home, connector: HostConnector, listen: Listen, said: bytes
) -> None:
    need("many seconds")
    tries: list[int] = []

    def serve(connection: socket.socket, number: int) -> None:
        tries.append(number)
        connection.sendall(said)
        connection.close()

    error = fails(connector, home, listen(serve), timeout=patience(1))
    assert error.kind == "throttled"
    assert "MaxStartups" in error.hint
    assert len(tries) > 1


def test_room_that_becomes_free_in_time_is_taken(
    home: Home, connector: HostConnector, listen: Listen, start_sshd: Callable[..., Server]
) -> None:
    sshd = start_sshd(authorized=home.key)

    def serve(connection: socket.socket, number: int) -> None:
        if number < 2:
            connection.close()
            return
        behind = socket.create_connection((sshd.address, sshd.port))

        def pump(source: socket.socket, sink: socket.socket) -> None:
            with contextlib.suppress(OSError):
                while data := source.recv(65536):
                    sink.sendall(data)
                sink.shutdown(socket.SHUT_WR)

        with behind:
            back = threading.Thread(target=pump, args=(behind, connection), daemon=True)
            back.start()
            pump(connection, behind)
            back.join(patience(10))

    port = listen(serve)
    endpoint = home.to(sshd, port=port, host_key_checking="accept-new")
    assert drain(connector.connect(endpoint).exec("echo in"))[0] == b"in\n"


def test_nobody_listening_is_told_apart_from_throttled(home: Home, connector: HostConnector) -> None:
    with socket.socket() as silent:
        # Nobody else can listen there either.
        silent.bind(("127.0.0.1", 0))
        error = fails(connector, home, silent.getsockname()[1], timeout=patience(20))
    assert (error.kind, "refused" in error.message) == ("connect", True)


def test_no_more_than_eight_handshakes_at_once(home: Home, connector: HostConnector, listen: Listen) -> None:
    need("many seconds")

    def most(seconds: float) -> int:
        """At once, of twenty that have so many seconds each."""
        every: list[socket.socket] = []
        counts: list[int] = []

        def serve(connection: socket.socket, number: int) -> None:
            every.append(connection)
            counts.append(sum(map(is_established, list(every))))
            with contextlib.suppress(OSError):
                while connection.recv(4096):
                    pass

        port = listen(serve)
        threads = [threading.Thread(target=fails, args=(connector, home, port, seconds)) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(patience(60))
        assert max(counts) <= 8
        return max(counts)

    assert in_time(most, lambda count: count >= 4, seconds=0.75) >= 4


def is_established(connection: socket.socket) -> bool:
    """Whether the other end has it open, by the kernel's word (tcp(7)): who reads it may be late."""
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == 1


def test_the_deadline_is_one_for_all_phases(home: Home, connector: HostConnector, listen: Listen) -> None:
    started = time.monotonic()
    fails(connector, home, listen(lambda connection, number: connection.sendall(b"SSH-2.0-Stuck\r\n")), timeout=1.0)
    assert time.monotonic() - started >= 1.0
