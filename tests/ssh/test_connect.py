"""Connections to a real sshd."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agentless.errors import Unreachable
from agentless.runner.channel import Channel
from agentless.runner.ssh import Connector
from tests.ssh.conftest import USER, Home, Server


def drain(channel: Channel) -> tuple[bytes, bytes]:
    """All of stdout and stderr."""
    out = {1: b"", 2: b""}
    while True:
        piece = channel.recv(20)
        assert piece is not None
        if piece[0] == 0:
            return out[1], out[2]
        out[piece[0]] += piece[1]


def test_a_command_runs_and_its_streams_and_status_come_back(
    home: Home, connector: Connector, start_sshd: Callable[..., Server]
) -> None:
    server = start_sshd(authorized=home.key)
    home.knows(server.known_line())
    link = connector.connect(home.to(server))
    assert link.user == USER
    channel = link.exec("cat; echo err >&2; exit 7")
    channel.send(b"hello" * 100000, 10)
    channel.close_stdin()
    assert drain(channel) == (b"hello" * 100000, b"err\n")
    assert channel.exit_status() == 7
    link.close()


def test_an_unknown_host_is_refused_with_its_fingerprint_and_what_to_type(
    home: Home, connector: Connector, start_sshd: Callable[..., Server]
) -> None:
    server = start_sshd(authorized=home.key)
    with pytest.raises(Unreachable) as caught:
        connector.connect(home.to(server))
    assert caught.value.kind == "host-key"
    assert "SHA256:" in caught.value.message
    assert server.known_line() in caught.value.hint
