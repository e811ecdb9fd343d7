"""Which keys are offered: PubkeyAcceptedAlgorithms, agents that are stuck, files that hold no key."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

import pytest

from agentless.transport.host_connector import HostConnector
from agentless.transport.ssh.algorithms import signatures
from tests.transport.conftest import Add, Home, Server, Start, by_ssh, denied, keygen, log_in


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
