"""Bytes beneath a transport: a peer that falls silent, and packets of an absurd size."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest

from agentless.errors import Unreachable
from agentless.transport.channel import Link
from agentless.transport.host_connector import HostConnector
from agentless.transport.ssh import packets
from tests.hosts import Proxy, patience, until
from tests.transport.conftest import Home, Listen, Server, fails


@pytest.fixture
def impatient(
    home: Home, connector: HostConnector, start_sshd: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Link, Proxy]]:
    """A connection through a proxy, which soon asks a silent peer whether it is there."""
    for name in ("_ASK_AFTER", "_ASK_AGAIN"):
        monkeypatch.setattr(f"agentless.transport.ssh.packets.{name}", 0.2)
    monkeypatch.setattr("agentless.transport.ssh.transport.Transport._active_check_timeout", 0.05)
    server = start_sshd(authorized=home.key)
    with Proxy(server.address, server.port) as proxy:
        home.knows(server.known_line(f"[127.0.0.1]:{proxy.port}"))
        link = connector.connect(home.to(server, port=proxy.port))
        yield link, proxy
        link.close()


def test_a_silent_peer_is_given_up(impatient: tuple[Link, Proxy], monkeypatch: pytest.MonkeyPatch) -> None:
    link, proxy = impatient
    channel = link.exec("sleep 600")

    def given_up(seconds: float) -> str:
        """Why, where nothing comes for twice as long as is allowed."""
        monkeypatch.setattr(packets, "GONE_AFTER", seconds)
        try:
            assert channel.recv(2 * seconds) is None
        except Unreachable as problem:
            return problem.message
        return ""

    # The other side answers what it is asked, so silence alone ends nothing.
    assert given_up(patience(1)) == ""
    proxy.hole()
    # The thread that looks for signs may come to it only when that time is over.
    assert "no sign of life" in until(lambda: given_up(0.5), "it is given up")


def test_a_stuck_send_buffer_does_not_hide_a_silent_peer(
    impatient: tuple[Link, Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    link, proxy = impatient
    channel = link.exec("cat > /dev/null")
    proxy.hole()
    monkeypatch.setattr(packets, "GONE_AFTER", 0.5)
    with pytest.raises(Unreachable) as caught:
        channel.send(b"x" * 256 * 1024 * 1024, patience(30))
    assert "it took no input" not in caught.value.message


def test_a_packet_of_an_absurd_size_is_an_error(home: Home, connector: HostConnector, listen: Listen) -> None:
    port = listen(lambda connection, number: connection.sendall(b"SSH-2.0-Evil\r\n" + b"\x7f\xff\xff\xfc" + b"\0" * 64))
    error = fails(connector, home, port, timeout=patience(5))
    assert (error.kind, "a packet of" in error.message) == ("connect", True)


class SlowWire(packets.Wire):
    """Says nothing for some looks, then a line."""

    def __init__(self, sock: socket.socket, looks: int) -> None:
        super().__init__(sock)
        self.looks = looks

    def recv(self, size: int) -> bytes:
        self.looks -= 1
        if self.looks >= 0:
            raise TimeoutError
        return b"SSH-2.0-Slow\r\n"


def test_a_banner_is_waited_for_as_long_as_whoever_connects_waits() -> None:
    """paramiko gives it 15 s, whatever the deadline is, and lines before it 2 s each."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert packets.Packets(SlowWire(ours, 3)).readline(0) == "SSH-2.0-Slow"
