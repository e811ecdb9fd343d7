"""Algorithms that the two sides do not share: the reason, and the option that mends it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from agentless.errors import Unreachable
from agentless.transport.connector import HostConnector
from tests.transport.conftest import Home, Server

Start = Callable[..., Server]


def attempt(home: Home, server: Server) -> None:
    with contextlib.closing(HostConnector(home=home.path, system_config=Path("/none"))) as connector:
        connector.connect(home.to(server)).close()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("Ciphers", "chacha20-poly1305@openssh.com"),
        ("KexAlgorithms", "sntrup761x25519-sha512@openssh.com"),
        ("MACs", "umac-64-etm@openssh.com,umac-128@openssh.com"),
    ],
)
def test_a_list_of_nothing_that_is_spoken_here_is_called_so(
    home: Home, start_sshd: Start, option: str, value: str
) -> None:
    server = start_sshd(authorized=home.key)
    home.knows(server.known_line())
    home.config(f"{option} {value}\n")
    with pytest.raises(Unreachable) as caught:
        attempt(home, server)
    assert caught.value.kind == "connect"
    assert f"{option} says {value}, none of which is spoken here" in caught.value.message
    assert "weak" not in caught.value.hint
    known = caught.value.hint.split("know ")[1].split(":")[0].split(", ")
    for name in known:
        home.config(f"{option} {value},{name}\n")
        attempt(home, server)


def test_a_list_that_leaves_out_what_both_know_is_called_so(home: Home, start_sshd: Start) -> None:
    server = start_sshd("Ciphers aes256-ctr", authorized=home.key)
    home.knows(server.known_line())
    home.config("Ciphers aes128-ctr\n")
    with pytest.raises(Unreachable, match="Ciphers says aes128-ctr, of which it speaks none") as caught:
        attempt(home, server)
    assert caught.value.hint.startswith("Both sides know aes256-ctr:")


def test_what_is_weak_is_called_weak(home: Home, start_sshd: Start) -> None:
    server = start_sshd("Ciphers aes128-cbc", authorized=home.key)
    home.knows(server.known_line())
    home.config("Ciphers aes128-ctr\n")
    with pytest.raises(Unreachable, match="it offers only aes128-cbc") as caught:
        attempt(home, server)
    assert "weak as it is: `Ciphers +aes128-cbc`" in caught.value.hint
