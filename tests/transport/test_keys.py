"""Which keys are offered: PubkeyAcceptedAlgorithms, agents that are stuck, files that hold no key."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agentless.errors import Unreachable
from agentless.transport.connector import HostConnector
from agentless.transport.ssh import agent as agents
from agentless.transport.ssh.algorithms import signatures
from tests.transport.conftest import Home, Server, by_ssh, keygen

Start = Callable[..., Server]
Add = Callable[..., None]
Stuck = Callable[[float | None], None]


@pytest.fixture
def server(home: Home, start_sshd: Start) -> Server:
    """Takes the key at `home.key`, and has little patience with others."""
    made = start_sshd("MaxAuthTries 3", authorized=home.key)
    home.knows(made.known_line())
    return made


def log_in(home: Home, server: Server, **changes: Any) -> None:
    with contextlib.closing(HostConnector(home=home.path, system_config=Path("/none"))) as connector:
        connector.connect(home.to(server, **changes)).close()


def denied(home: Home, server: Server, **changes: Any) -> Unreachable:
    with pytest.raises(Unreachable) as caught:
        log_in(home, server, **changes)
    assert caught.value.kind == "auth"
    return caught.value


# --- PubkeyAcceptedAlgorithms ----------------------------------------------------------------------------------------
def test_keys_that_the_configuration_bars_cost_no_attempt(home: Home, server: Server, agent: Add) -> None:
    agent(*(keygen(home.path / "keys" / f"other{number}", type_="ecdsa") for number in range(5)), home.key)
    home.key.unlink()
    option = "PubkeyAcceptedAlgorithms ssh-ed25519"
    assert by_ssh(home, server, option).returncode == 0
    assert "Too many authentication failures" in denied(home, server).message
    home.config(f"Host *\n {option}\n")
    log_in(home, server)


@pytest.mark.parametrize("value", ["rsa-sha2-512", "-ssh-ed25519", "ecdsa-*,rsa-*"])
def test_a_barred_key_is_not_offered_and_the_error_says_so(home: Home, server: Server, value: str) -> None:
    assert by_ssh(home, server, f"PubkeyAcceptedAlgorithms={value}").returncode == 255
    home.config(f"PubkeyAcceptedAlgorithms {value}\n")
    error = denied(home, server)
    assert f"PubkeyAcceptedAlgorithms {value} bars {home.key}" in error.message
    assert "Failed publickey" not in server.log


@pytest.mark.parametrize("type_", ["ed25519", "rsa", "ecdsa"])
@pytest.mark.parametrize(
    "value", ["", "ssh-ed25519", "*2*-cert-v01@openssh.com", "-*-cert-v01@openssh.com", "rsa-sha2-256,ecdsa-*"]
)
def test_a_certificate_goes_by_its_own_name_as_with_ssh(home: Home, start_sshd: Start, type_: str, value: str) -> None:
    ca, key = keygen(home.path / "ca"), keygen(home.path / "certified", type_=type_)
    subprocess.run(["ssh-keygen", "-q", "-s", ca, "-I", "me", "-n", "ada", f"{key}.pub"], check=True)
    (home.path / "principals").write_text("ada\n")
    server = start_sshd(f"TrustedUserCAKeys {ca}.pub", f"AuthorizedPrincipalsFile {home.path}/principals")
    home.knows(server.known_line())
    home.key.unlink()
    given = [f"IdentityFile={key}", "IdentitiesOnly=yes", *([f"PubkeyAcceptedAlgorithms={value}"] if value else [])]
    allowed = by_ssh(home, server, *given).returncode == 0
    home.config(f"IdentityFile {key}\n" + (f"PubkeyAcceptedAlgorithms {value}\n" if value else ""))
    if allowed:
        log_in(home, server)
    else:
        denied(home, server)


def test_a_type_that_is_new_is_offered_until_it_is_barred() -> None:
    new = "ssh-mldsa44@openssh.com"
    assert signatures(new, "") == signatures(new, "+ssh-rsa") == (new,)
    assert signatures(new, "ssh-ed25519") == signatures(new, "-ssh-mldsa*") == ()
    assert signatures("sk-ssh-ed25519@openssh.com", "") == ("sk-ssh-ed25519@openssh.com",)
    assert signatures("ssh-rsa", "") == ("rsa-sha2-512", "rsa-sha2-256")
    assert signatures("ssh-rsa", "+ssh-rsa")[-1] == "ssh-rsa"


# --- agents that are stuck -------------------------------------------------------------------------------------------
@pytest.fixture
def stuck(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stuck]:
    """Stands before the agent and lets nothing through, or all but signatures, which it holds back for some seconds."""
    with contextlib.ExitStack() as ends:

        def start(seconds: float | None) -> None:
            real = os.environ.get("SSH_AUTH_SOCK", "")
            path = str(home.path / "stuck")
            listener = ends.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(path)
            listener.listen()
            monkeypatch.setenv("SSH_AUTH_SOCK", path)

            def read(sock: socket.socket) -> bytes:
                head = sock.recv(4, socket.MSG_WAITALL)
                return head + sock.recv(struct.unpack(">I", head)[0], socket.MSG_WAITALL) if len(head) == 4 else b""

            def serve() -> None:
                client, _ = listener.accept()
                ends.callback(client.close)
                if seconds is None:
                    return
                with socket.socket(socket.AF_UNIX) as behind, contextlib.suppress(OSError):
                    behind.connect(real)
                    while request := read(client):
                        if request[4] == 13:
                            time.sleep(seconds)
                        behind.sendall(request)
                        client.sendall(read(behind))

            threading.Thread(target=serve, daemon=True).start()

        yield start


def test_an_agent_that_is_silent_is_named_and_other_keys_are_tried(
    connector: HostConnector, home: Home, server: Server, stuck: Stuck
) -> None:
    """One that was forwarded from a session that froze: its socket takes requests, and nobody answers."""
    stuck(None)
    began = time.monotonic()
    for _ in range(3):
        connector.connect(home.to(server, connect_timeout=20, key_files=(str(home.key),))).close()
    assert time.monotonic() - began < 9
    home.key.unlink()
    error = denied(home, server, connect_timeout=4)
    assert f"the agent at {home.path}/stuck does not answer" in error.message


def test_the_time_that_its_owner_takes_to_touch_a_key_is_not_the_hosts(
    home: Home, server: Server, agent: Add, stuck: Stuck
) -> None:
    agent(home.key)
    home.key.unlink()
    stuck(3.0)
    log_in(home, server, connect_timeout=2)


def test_a_signature_that_never_comes_ends_and_the_next_key_is_tried(
    home: Home, connector: HostConnector, server: Server, agent: Add, stuck: Stuck, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agents, "_SIGNS_WITHIN", 1.0)
    other = keygen(home.path / "keys" / "other")
    agent(other)
    stuck(2.0)
    connector.connect(home.to(server, key_files=(f"{other}.pub", str(home.key)))).close()
    home.key.unlink()
    with pytest.raises(Unreachable, match=r"other\.pub: the agent at .* does not answer"):
        connector.connect(home.to(server, key_files=(f"{other}.pub",)))


def test_an_agent_that_is_gone_is_named_where_no_key_is_left(
    home: Home, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.key.unlink()
    monkeypatch.setenv("SSH_AUTH_SOCK", "/no/such/agent")
    assert "no agent at /no/such/agent: No such file" in denied(home, server).message


# --- files that hold no key ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("PuTTY-User-Key-File-2: ssh-rsa\nEncryption: none\n", "puttygen"),
        ("PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n", "puttygen"),
        ("junk", "is no key that OpenSSH reads"),
        ("", "is no key that OpenSSH reads"),
        ("two words\n", "is no key that OpenSSH reads"),
    ],
)
def test_a_file_that_is_no_key_is_called_so(home: Home, server: Server, content: str, says: str) -> None:
    file = home.path / "key"
    file.write_text(content)
    home.key.unlink()
    error = denied(home, server, key_files=(str(file),))
    assert f"{file} is no key" in error.message
    assert says in error.message
    assert "locked" not in error.message


# --- files that others can read --------------------------------------------------------------------------------------
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o611])
@pytest.mark.parametrize("named", [False, True])
def test_a_private_key_that_others_can_read_is_refused_as_by_ssh(
    home: Home, server: Server, mode: int, named: bool
) -> None:
    home.key.chmod(mode)
    refused = by_ssh(home, server)
    assert (refused.returncode, f"Permissions {mode:04o} for '{home.key}' are too open" in refused.stderr) == (
        255,
        True,
    )
    error = denied(home, server, key_files=(str(home.key),) if named else ())
    assert f"Permissions {mode:04o} for '{home.key}' are too open" in error.message
    assert f"chmod 600 {home.key}" in error.message
    home.key.chmod(0o600)
    log_in(home, server)


def test_a_key_that_is_passed_over_for_its_permissions_is_told_once_though_another_fits(
    home: Home, server: Server
) -> None:
    lines: list[str] = []
    open_key = keygen(home.path / "open")
    open_key.chmod(0o644)
    with contextlib.closing(HostConnector(home=home.path, system_config=Path("/none"), warn=lines.append)) as connector:
        for _ in range(2):
            connector.connect(home.to(server, key_files=(str(open_key), str(home.key)))).close()
    (line,) = lines
    assert f"for '{open_key}' are too open" in line


def test_certificates_public_keys_and_what_the_agent_holds_may_be_open(home: Home, server: Server, agent: Add) -> None:
    agent(home.key)
    Path(f"{home.key}.pub").chmod(0o666)
    log_in(home, server, key_files=(f"{home.key}.pub",))
    home.key.chmod(0o644)
    log_in(home, server, key_files=(str(home.key),))
