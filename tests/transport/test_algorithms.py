"""Which algorithms are offered, and where the two sides share none: the reason, and the option that mends it."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from agentless.errors import Unreachable
from agentless.model.endpoint import Endpoint
from agentless.openssh.known_hosts import KnownHosts
from agentless.openssh.resolver import Resolver
from agentless.openssh.revoked import RevokedKeys
from agentless.transport.host_connector import HostConnector
from agentless.transport.ssh.algorithms import signatures
from agentless.transport.ssh.host_keys import HostKeys
from agentless.transport.ssh.packets import Wire
from agentless.transport.ssh.transport import Transport
from tests.transport.conftest import Home, Server, Start


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


def offered(home: Home) -> dict[str, Sequence[str]]:
    """By ssh's names for the lists, what a connection with these files offers."""
    settings = Resolver(home=home.path, system_config=Path("/none")).settings(Endpoint("web", "web"))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        host_keys = HostKeys(settings, KnownHosts(), RevokedKeys(), lambda *parts: False)
        transport = Transport(Wire(ours), settings, host_keys)
        options = transport.get_security_options()
        return {
            "kexalgorithms": options.kex,
            "ciphers": options.ciphers,
            "macs": options.digests,
            "hostkeyalgorithms": transport.preferred_keys,
        }


def test_nothing_is_offered_that_ssh_does_not_offer(home: Home) -> None:
    done = subprocess.run(["ssh", "-F", "none", "-G", "web"], capture_output=True, text=True, check=True)
    by_ssh = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    for what, names in offered(home).items():
        # Newer than some ssh's.
        beyond = {*names} - {*by_ssh[what].split(",")} - {"mlkem768x25519-sha256"}
        assert (what, beyond) == (what, set())
        assert names


@pytest.mark.parametrize(
    ("option", "names"),
    [
        ("Ciphers", "3des-cbc"),
        ("Ciphers", "aes128-cbc,aes192-cbc,aes256-cbc"),
        ("MACs", "hmac-md5,hmac-md5-96,hmac-sha1-96"),
        ("KexAlgorithms", "diffie-hellman-group14-sha1"),
    ],
)
def test_what_ssh_has_dropped_is_refused_until_an_option_adds_it(
    home: Home, start_sshd: Start, option: str, names: str
) -> None:
    # A cipher that brings its own MAC would leave nothing to agree on.
    server = start_sshd(f"{option} {names}", "Ciphers aes128-ctr", authorized=home.key)
    home.knows(server.known_line())
    with pytest.raises(Unreachable, match="algorithm in common"):
        attempt(home, server)
    home.config(f"{option} +{names}\n")
    attempt(home, server)


def test_a_key_of_a_kind_that_ssh_has_dropped_is_offered_only_where_an_option_adds_it() -> None:
    assert signatures("ssh-dss", "") == ()
    assert signatures("ssh-dss", "+ssh-dss") == ("ssh-dss",)
