"""Sockets to a host: which address is taken, and why none is."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from agentless.errors import Unreachable
from agentless.transport.host_connector import HostConnector
from agentless.transport.ssh.dial import Proxy, dial, tune
from tests.hosts import patience
from tests.transport.conftest import Home, Server, drain


def soon() -> float:
    return time.monotonic() + patience(20)


def test_the_address_that_answers_is_taken_whichever_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def several(host: str, port: int, *args: Any) -> Any:
        addresses = ("127.0.0.3", "127.0.0.1") if host == "web.example" else (host,)
        return [info for address in addresses for info in real(address, port, *args)]

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        monkeypatch.setattr("socket.getaddrinfo", several)
        with dial("web.example", listener.getsockname()[1], soon()) as sock:
            tune(sock, 40)
            assert sock.getpeername()[0] == "127.0.0.1"
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_port_where_nobody_listens_is_refused() -> None:
    with socket.socket() as silent:
        # Nobody else can listen there either.
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        with pytest.raises(Unreachable, match=f"127.0.0.1 port {port}: Connection refused") as caught:
            dial("127.0.0.1", port, soon())
    assert caught.value.kind == "connect"


@pytest.mark.parametrize("name", ["no-such-host.invalid", "a..b", "x" * 70])
def test_a_name_that_does_not_resolve_is_told_as_that(name: str) -> None:
    with pytest.raises(Unreachable) as caught:
        dial(name, 22, soon())
    assert caught.value.kind == "resolve"


def test_a_backlog_that_is_full_ends_at_the_deadline() -> None:
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        for sock in (first, second):
            # The second is never taken; it only makes sure that there is no more room.
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
        with pytest.raises(Unreachable) as caught:
            dial("127.0.0.1", port, time.monotonic() + 0.5)
        assert caught.value.kind == "connect-timeout"


def test_a_command_carries_the_bytes_and_its_end_is_told_by_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentless.transport.ssh.dial._ENDS_WITHIN", patience(10))
    proxy = Proxy("cat")
    proxy.sock.settimeout(patience(20))
    proxy.sock.sendall(b"x")
    assert proxy.sock.recv(1) == b"x"
    proxy.close()
    failing = Proxy("sh -c 'echo why >&2; exit 3'")
    failing.sock.settimeout(patience(20))
    assert failing.sock.recv(1) == b""
    assert failing.complaint == "ended with exit code 3 before the host said anything: why"
    failing.close()


@pytest.mark.parametrize("name", ["no-such-host.invalid", "web..example.com", ".example.com", "w" * 64 + ".com"])
def test_a_name_that_does_not_resolve(home: Home, connector: HostConnector, name: str) -> None:
    with pytest.raises(Unreachable) as caught:
        connector.connect(replace(home.endpoint, address=name, connect_timeout=patience(20)))
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
