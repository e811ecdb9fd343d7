"""Sockets to a host: which address is taken, and why none is."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest

from agentless.errors import Unreachable
from agentless.transport.ssh.dial import Proxy, dial, tune
from tests.transport.conftest import free_port


def soon() -> float:
    return time.monotonic() + 20


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
    port = free_port()
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


def test_a_command_carries_the_bytes_and_its_end_is_told_by_its_code() -> None:
    proxy = Proxy("cat")
    proxy.sock.sendall(b"x")
    assert proxy.sock.recv(1) == b"x"
    proxy.close()
    failing = Proxy("sh -c 'echo why >&2; exit 3'")
    assert failing.sock.recv(1) == b""
    assert failing.complaint == "ended with exit code 3 before the host said anything: why"
    failing.close()
