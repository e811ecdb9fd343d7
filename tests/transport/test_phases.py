"""Servers that stop answering at each step, that have no room, and that are not there."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import paramiko
import pytest
from paramiko.common import AUTH_SUCCESSFUL, OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

from agentless.errors import Unreachable
from agentless.transport.connector import HostConnector
from tests.transport.conftest import Home, Server, drain, free_port

Serve = Callable[[socket.socket, int], None]
Listen = Callable[[Serve], int]


@pytest.fixture
def listen() -> Iterator[Listen]:
    """A listener on loopback that gives each connection, and its number, to a function in a thread."""
    with contextlib.ExitStack() as ends:

        def start(serve: Serve) -> int:
            listener = socket.create_server(("127.0.0.1", 0))
            ends.callback(listener.close)
            ends.callback(listener.shutdown, socket.SHUT_RDWR)

            def accept() -> None:
                for number in range(1000):
                    try:
                        connection, _ = listener.accept()
                    except OSError:
                        return
                    ends.callback(connection.close)
                    threading.Thread(target=serve, args=(connection, number), daemon=True).start()

            threading.Thread(target=accept, daemon=True).start()
            return int(listener.getsockname()[1])

        yield start


class Stops(paramiko.ServerInterface):
    """A server that answers no login, or no session."""

    def __init__(self, *, login: bool) -> None:
        self._login = login
        self.over = threading.Event()

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        if not self._login:
            self.over.wait(30)
        return AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        self.over.wait(30)
        return OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED


def fails(connector: HostConnector, home: Home, port: int, timeout: float = 0.7) -> Unreachable:
    endpoint = replace(home.endpoint, port=port, connect_timeout=timeout, host_key_checking="accept-new")
    with pytest.raises(Unreachable) as caught:
        drain(connector.connect(endpoint).exec("true"))
    return caught.value


def test_a_server_that_says_nothing(home: Home, connector: HostConnector, listen: Listen) -> None:
    error = fails(connector, home, listen(lambda connection, number: None))
    assert (error.kind, "no SSH banner" in error.message) == ("connect-timeout", True)


def test_a_server_that_stops_after_its_banner(home: Home, connector: HostConnector, listen: Listen) -> None:
    error = fails(connector, home, listen(lambda connection, number: connection.sendall(b"SSH-2.0-Stuck\r\n")))
    assert (error.kind, "key exchange" in error.message) == ("connect-timeout", True)


@pytest.mark.parametrize(("login", "says"), [(False, "logged in"), (True, "did not open a session")])
def test_a_server_that_stops_after_the_key_exchange_or_after_the_login(
    home: Home, connector: HostConnector, listen: Listen, login: bool, says: str
) -> None:
    server = Stops(login=login)

    def serve(connection: socket.socket, number: int) -> None:
        transport = paramiko.Transport(connection)
        transport.add_server_key(paramiko.ECDSAKey.generate())
        transport.start_server(event=threading.Event(), server=server)

    error = fails(connector, home, listen(serve), timeout=4)
    server.over.set()
    assert (error.kind, says in error.message) == ("connect-timeout", True)


def test_a_server_that_is_no_ssh_server(home: Home, connector: HostConnector, listen: Listen) -> None:
    def serve(connection: socket.socket, number: int) -> None:
        connection.sendall(b"HTTP/1.1 400 Bad \x1b[31mRequest\r\n\r\n")
        connection.close()

    error = fails(connector, home, listen(serve))
    assert (error.kind, "not an SSH server" in error.message) == ("connect", True)
    assert "\x1b" not in error.message


def test_a_server_without_end_of_line_is_not_read_for_ever(
    home: Home, connector: HostConnector, listen: Listen
) -> None:
    def serve(connection: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection.sendall(b"x" * 65536)

    assert fails(connector, home, listen(serve), timeout=5).kind in ("connect", "throttled", "connect-timeout")


def test_a_packet_of_an_absurd_size_is_an_error(home: Home, connector: HostConnector, listen: Listen) -> None:
    port = listen(lambda connection, number: connection.sendall(b"SSH-2.0-Evil\r\n" + b"\x7f\xff\xff\xfc" + b"\0" * 64))
    error = fails(connector, home, port, timeout=5)
    assert (error.kind, "a packet of" in error.message) == ("connect", True)


@pytest.mark.parametrize("said", [b"", b"Exceeded MaxStartups\r\n"])
def test_a_server_without_room_is_tried_again_and_then_throttled(
    home: Home, connector: HostConnector, listen: Listen, said: bytes
) -> None:
    tries: list[int] = []

    def serve(connection: socket.socket, number: int) -> None:
        tries.append(number)
        connection.sendall(said)
        connection.close()

    error = fails(connector, home, listen(serve), timeout=3)
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
            back.join(10)

    port = listen(serve)
    endpoint = home.to(sshd, port=port, host_key_checking="accept-new")
    assert drain(connector.connect(endpoint).exec("echo in"))[0] == b"in\n"


def test_nobody_listening_is_told_apart_from_throttled(home: Home, connector: HostConnector) -> None:
    error = fails(connector, home, free_port())
    assert (error.kind, "refused" in error.message) == ("connect", True)


@pytest.mark.parametrize("name", ["no-such-host.invalid", "web..example.com", ".example.com", "w" * 64 + ".com"])
def test_a_name_that_does_not_resolve(home: Home, connector: HostConnector, name: str) -> None:
    with pytest.raises(Unreachable) as caught:
        connector.connect(replace(home.endpoint, address=name, connect_timeout=20))
    assert caught.value.kind == "resolve"


def test_an_address_to_connect_from_is_a_name_too_and_has_to_exist(
    home: Home, connector: HostConnector, start_sshd: Callable[..., Server]
) -> None:
    server = start_sshd(authorized=home.key)
    home.knows(server.known_line())
    connector.connect(home.to(server, options=(("bindaddress", "localhost"), ("addressfamily", "inet")))).close()
    for bind in ("web..example.com", "no-such-host.invalid", "::1"):
        with pytest.raises(Unreachable) as caught:
            connector.connect(home.to(server, options=(("bindaddress", bind),)))
        assert caught.value.kind == "connect"
        assert f"BindAddress {bind}" in caught.value.message


def test_no_more_than_eight_handshakes_at_once(home: Home, connector: HostConnector, listen: Listen) -> None:
    open_now: set[int] = set()
    most: list[int] = []
    lock = threading.Lock()

    def serve(connection: socket.socket, number: int) -> None:
        with lock:
            open_now.add(number)
            most.append(len(open_now))
        with contextlib.suppress(OSError):
            while connection.recv(4096):
                pass
        with lock:
            open_now.discard(number)

    port = listen(serve)
    threads = [threading.Thread(target=fails, args=(connector, home, port)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # One may be seen to end after its successor has come.
    assert 4 <= max(most) <= 9


@pytest.fixture
def two_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name `both` has ::1 and 127.0.0.1: such a name needs a resolver, whose answer is put in here."""
    real = socket.getaddrinfo

    def resolver(host: str, port: int, *rest: int) -> list[Any]:
        if host != "both":
            return real(host, port, *rest)
        return [*real("::1", port, *rest), *real("127.0.0.1", port, *rest)]

    monkeypatch.setattr(socket, "getaddrinfo", resolver)


@pytest.mark.usefixtures("two_addresses")
@pytest.mark.parametrize("silent", [False, True])
def test_the_second_address_is_taken_where_the_first_refuses_or_is_silent(
    home: Home, connector: HostConnector, start_sshd: Callable[..., Server], silent: bool
) -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    server = start_sshd(authorized=home.key)
    home.knows(server.known_line(f"[both]:{server.port}"))
    with contextlib.ExitStack() as ends:
        if silent:
            # Linux answers no further connection while the queue of those to be accepted is full.
            full = ends.enter_context(socket.create_server(("::1", server.port), family=socket.AF_INET6, backlog=0))
            for _ in range(3):
                waiting = ends.enter_context(socket.socket(socket.AF_INET6))
                waiting.setblocking(False)
                waiting.connect_ex(full.getsockname())
        with connector.connect(home.to(server, address="both")) as link:
            assert drain(link.exec("echo $SSH_CLIENT"))[0].startswith(b"127.0.0.1")


def test_the_deadline_is_one_for_all_phases(home: Home, connector: HostConnector, listen: Listen) -> None:
    started = time.monotonic()
    fails(connector, home, listen(lambda connection, number: connection.sendall(b"SSH-2.0-Stuck\r\n")), timeout=1.0)
    assert time.monotonic() - started >= 1.0
