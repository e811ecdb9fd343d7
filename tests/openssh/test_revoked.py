"""RevokedHostKeys, and lines without a port: the machine's ssh says the same of each."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentless.errors import Unreachable
from agentless.transport.host_connector import HostConnector
from tests.transport.conftest import Home, Server, by_ssh, keygen

Start = Callable[..., Server]


def fresh(home: Home) -> HostConnector:
    return HostConnector(home=home.path, system_config=Path("/none"))


def refused(home: Home, server: Server, **changes: Any) -> Unreachable:
    with pytest.raises(Unreachable) as caught:
        fresh(home).connect(home.to(server, **changes))
    assert caught.value.kind == "host-key"
    assert "Accepted" not in server.log, "it logged in before the key was judged"
    return caught.value


def krl(home: Home, *of: Path, signed_by: Path | None = None) -> Path:
    """A KRL of public keys, or of what a specification says about an authority's certificates."""
    file = home.path / "krl"
    authority = ["-s", str(signed_by)] if signed_by else []
    subprocess.run(["ssh-keygen", "-q", "-k", *authority, "-f", str(file), *map(str, of)], check=True)
    return file


@pytest.fixture
def server(home: Home, start_sshd: Start) -> Server:
    """A server that is known."""
    made = start_sshd(authorized=home.key)
    home.knows(made.known_line())
    return made


@pytest.fixture
def certified(home: Home, start_sshd: Start, tmp_path: Path) -> Server:
    """A server with a certificate of the authority `ca`, which is known."""
    ca, key = keygen(home.path / "ca"), keygen(tmp_path / "signed")
    subprocess.run(
        ["ssh-keygen", "-q", "-s", ca, "-I", "web1", "-z", "7", "-h", "-n", "127.0.0.1", f"{key}.pub"], check=True
    )
    home.knows(f"@cert-authority * {(home.path / 'ca.pub').read_text()}")
    return start_sshd(f"HostKey {key}", f"HostCertificate {key}-cert.pub", authorized=home.key)


@pytest.mark.parametrize("as_krl", [False, True])
@pytest.mark.parametrize("checking", ["strict", "accept-new"])
def test_a_listed_key_is_refused_though_it_is_known(home: Home, server: Server, as_krl: bool, checking: str) -> None:
    public = server.directory / "host_ed25519.pub"
    file = home.path / "revoked"
    file.write_text(f"# stolen\n\n  {public.read_text()}")
    file = krl(home, public) if as_krl else file
    assert "revoked by file" in by_ssh(home, server, f"RevokedHostKeys={file}").stderr
    home.config(f"RevokedHostKeys {file}\n")
    error = refused(home, server, host_key_checking=checking)
    assert f"is revoked by {file}" in error.message
    assert as_krl or f"{file}:3" in error.message


@pytest.mark.parametrize("as_krl", [False, True])
def test_a_file_that_lists_others_lets_the_host_in(home: Home, server: Server, as_krl: bool) -> None:
    other = Path(f"{keygen(home.path / 'other')}.pub")
    file = krl(home, other) if as_krl else other
    assert by_ssh(home, server, f"RevokedHostKeys={file}").returncode == 0
    fresh(home).connect(home.to(server, options=(("revokedhostkeys", str(file)),))).close()


@pytest.mark.parametrize("how", ["authority", "plain key", "certificate", "krl of authority", "krl of serial"])
def test_a_certificate_is_refused_by_its_key_its_authority_or_its_serial(
    home: Home, certified: Server, tmp_path: Path, how: str
) -> None:
    fresh(home).connect(home.to(certified)).close()
    (certified.directory / "log").write_text("")
    spec = home.path / "spec"
    spec.write_text("serial: 7\n")
    ca = home.path / "ca.pub"
    file = {
        "authority": lambda: ca,
        "plain key": lambda: tmp_path / "signed.pub",
        "certificate": lambda: tmp_path / "signed-cert.pub",
        "krl of authority": lambda: krl(home, ca),
        "krl of serial": lambda: krl(home, spec, signed_by=ca),
    }[how]()
    assert "revoked by file" in by_ssh(home, certified, f"RevokedHostKeys={file}").stderr
    home.config(f"RevokedHostKeys {file}\n")
    assert "is revoked by" in refused(home, certified).message


@pytest.mark.parametrize("content", [None, b"ssh-ed25519 \xff\n", b"web1 ssh-ed25519 AAAA\n", b"SSHKRL\n\0rubbish"])
def test_a_file_that_cannot_be_read_may_list_any_key(home: Home, server: Server, content: bytes | None) -> None:
    file = home.path / "revoked"
    if content is not None:
        file.write_bytes(content)
    assert by_ssh(home, server, f"RevokedHostKeys={file}").returncode == 255
    home.config(f"RevokedHostKeys {file}\n")
    error = refused(home, server)
    assert f"{file} cannot be read" in error.message
    assert "RevokedHostKeys" in error.hint


def test_without_ssh_keygen_a_krl_refuses_every_host(
    home: Home, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Path(f"{keygen(home.path / 'other')}.pub")
    home.config(f"RevokedHostKeys {krl(home, other)}\n")
    monkeypatch.setenv("PATH", str(home.path))
    assert "there is no ssh-keygen here" in refused(home, server).message


def test_a_bastion_is_refused_by_it_too(home: Home, server: Server, start_sshd: Start) -> None:
    bastion = start_sshd(authorized=home.key)
    home.knows(bastion.known_line())
    home.config(
        f"Host bastion\n HostName 127.0.0.1\n Port {bastion.port}\n"
        f" RevokedHostKeys {bastion.directory}/host_ed25519.pub\n"
    )
    error = refused(home, server, options=(("proxyjump", "bastion"),))
    assert error.message.startswith("bastion ")
    assert "is revoked by" in error.message


# --- lines without a port --------------------------------------------------------------------------------------------
def test_another_key_at_port_22_makes_no_key_changed(home: Home, start_sshd: Start) -> None:
    """A second sshd behind one address: containers, forwarded ports."""
    server, other = start_sshd(authorized=home.key), start_sshd()
    home.knows(f"127.0.0.1 ssh-ed25519 {other.host_keys['ssh-ed25519']}")
    before = home.known_hosts.read_text()
    assert "No ED25519 host key is known" in by_ssh(home, server, "StrictHostKeyChecking=yes").stderr
    assert "is not known" in refused(home, server).message
    assert by_ssh(home, server, "StrictHostKeyChecking=accept-new").returncode == 0
    home.known_hosts.write_text(before)
    fresh(home).connect(home.to(server, host_key_checking="accept-new")).close()
    assert home.known_hosts.read_text() == before + server.known_line() + "\n"
    fresh(home).connect(home.to(server)).close()


def test_a_line_that_names_the_port_is_the_one_that_counts(home: Home, start_sshd: Start) -> None:
    server, other = start_sshd(authorized=home.key), start_sshd()
    name = f"[127.0.0.1]:{server.port}"
    home.knows(
        server.known_line("127.0.0.1"),
        f"{name} ssh-ed25519 {other.host_keys['ssh-ed25519']}",
    )
    assert by_ssh(home, server, "StrictHostKeyChecking=accept-new").returncode == 255
    assert "has changed" in refused(home, server, host_key_checking="accept-new").message


def test_a_revoked_key_of_another_keeps_no_new_host_out(home: Home, start_sshd: Start) -> None:
    server, other = start_sshd(authorized=home.key), start_sshd()
    home.knows(f"@revoked * ssh-ed25519 {other.host_keys['ssh-ed25519']}")
    before = home.known_hosts.read_text()
    assert by_ssh(home, server, "StrictHostKeyChecking=accept-new").returncode == 0
    home.known_hosts.write_text(before)
    fresh(home).connect(home.to(server, host_key_checking="accept-new")).close()
    assert server.known_line() in home.known_hosts.read_text()
