"""~/.ssh/config on the way to a real sshd, and where `ssh -G` tells too little to be the oracle."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agentless.errors import Refused, Unreachable
from agentless.openssh.config_file import SshConfig
from agentless.openssh.syntax import seconds
from agentless.transport.host_connector import HostConnector
from tests.hosts import patience
from tests.transport.conftest import USER, Home, Server, keygen

Start = Callable[..., Server]


@pytest.fixture
def server(home: Home, start_sshd: Start) -> Server:
    made = start_sshd(authorized=home.key)
    home.knows(made.known_line())
    return made


def lookup(home: Home, text: str, name: str = "web", **names: str) -> dict[str, tuple[str, ...]]:
    """What a file says, where `names` (with `_` for a dot) resolve and lead to others."""
    home.config(text)
    known = {key.replace("_", ".") + ".": value for key, value in names.items()}
    config = SshConfig([home.path / ".ssh" / "config"], home.path, USER, lambda line: None)
    return config.lookup(name, look_up=lambda full, family: known.get(full))


def test_variables_and_tokens_lead_to_keys_and_known_hosts(
    home: Home, connector: HostConnector, start_sshd: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_sshd(authorized=keygen(home.path / "my keys" / f"{USER} of {os.getuid()}"))
    monkeypatch.setenv("KEYS", "my keys")
    (home.path / f"known {server.port}").write_text(server.known_line() + "\n")
    home.config(
        'IdentityFile "${HOME}/${KEYS}/%r of %i"\n'
        f'UserKnownHostsFile {home.path}/none ~/known\\ %p "{home.path}/no such"\n'
    )
    connector.connect(home.to(server)).close()


def test_a_variable_that_is_not_set_is_named(home: Home, connector: HostConnector, server: Server) -> None:
    home.config("IdentityFile ${NO_SUCH_VARIABLE}/key\n")
    with pytest.raises(Refused, match=r"\$\{NO_SUCH_VARIABLE\}.* not set"):
        connector.connect(home.to(server))


def test_every_certificate_file_counts(home: Home, connector: HostConnector, start_sshd: Start) -> None:
    authority = keygen(home.path / "ca")
    server = start_sshd(f"TrustedUserCAKeys {authority}.pub")
    home.knows(server.known_line())
    user = keygen(home.path / "u")
    for name, principal in (("wrong", "nobody-at-all"), ("right", USER)):
        shutil.copy(f"{user}.pub", home.path / f"{name}.pub")
        certify(authority, home.path / f"{name}.pub", principal)
    files = [home.path / f"{name}-cert.pub" for name in ("wrong", "right")]
    home.config(f"IdentityFile {user}\nCertificateFile {files[0]}\nCertificateFile ~/{files[1].name}\n")
    connector.connect(home.to(server)).close()
    home.config("")
    said = tuple(("certificatefile", str(file)) for file in files)
    connector.connect(home.to(server, key_files=(str(user),), options=said)).close()


def certify(authority: Path, key: Path, principal: str) -> None:
    command = ["ssh-keygen", "-q", "-s", str(authority), "-I", "id", "-n", principal, str(key)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def test_canonicalization_keeps_the_hostname_of_the_block(home: Home, connector: HostConnector, server: Server) -> None:
    home.config("CanonicalizeHostname yes\nCanonicalDomains example.invalid\nHost web\n HostName 127.0.0.1\n")
    connector.connect(home.to(server, address="web")).close()


@pytest.mark.parametrize(
    ("text", "names", "host"),
    [
        ("CanonicalDomains a.corp b.corp", {"web_b_corp": "web.b.corp"}, "web.b.corp"),
        ("CanonicalDomains a.corp b.corp", {"web_a_corp": "x", "web_b_corp": "y"}, "web.a.corp"),
        ("CanonicalDomains A.Corp\nHostName WEB2", {"web2_a_corp": "x"}, "web2.a.corp"),
        ("CanonicalDomains none", {"web_none": "x"}, "web"),
        ("CanonicalDomains corp", {}, "web"),
        ("", {"web": "x"}, "web"),
        ("CanonicalDomains corp\nHostName web.x.y", {"web_x_y_corp": "x"}, "web.x.y"),
        ("CanonicalDomains corp\nHostName web.x.y\nCanonicalizeMaxDots 2", {"web_x_y_corp": "x"}, "web.x.y.corp"),
        ("CanonicalDomains corp\nHostName web.", {"web": "x", "web_corp": "x"}, "web"),
        ("CanonicalDomains corp\nProxyJump b", {"web_corp": "x"}, "web"),
        ("CanonicalDomains corp\nProxyCommand none", {"web_corp": "x"}, "web.corp"),
        ("CanonicalDomains corp\nCanonicalizePermittedCNAMEs *.corp:*.net", {"web_corp": "srv.net"}, "srv.net"),
        ("CanonicalDomains corp\nCanonicalizePermittedCNAMEs *.corp:*.com", {"web_corp": "srv.net"}, "web.corp"),
        ("CanonicalDomains corp\nHost web.corp\n HostName never", {"web_corp": "x"}, "web.corp"),
    ],
)
def test_a_name_is_canonical_as_ssh_config_has_it(home: Home, text: str, names: dict[str, str], host: str) -> None:
    found = lookup(home, f"CanonicalizeHostname yes\n{text}\nMatch canonical host {host}\n User seen\n", **names)
    assert (found["hostname"], found["user"]) == ((host,), ("seen",))


def test_always_is_also_for_names_that_a_bastion_looks_up(home: Home) -> None:
    text = "CanonicalizeHostname always\nCanonicalDomains corp\nProxyJump b\n"
    assert lookup(home, text, web_corp="x")["hostname"] == ("web.corp",)


def test_without_fallback_a_name_in_no_domain_is_unreachable(home: Home) -> None:
    with pytest.raises(Unreachable) as caught:
        lookup(home, "CanonicalizeHostname yes\nCanonicalDomains corp\nCanonicalizeFallbackLocal no\n")
    assert caught.value.kind == "resolve"


def test_a_resolver_that_never_answers_ends_at_the_deadline(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = threading.Event()
    real = socket.getaddrinfo

    def slow(host: str, *args: Any) -> object:
        return stuck.wait(patience(60)) if str(host).endswith("corp.") else real(host, *args)

    monkeypatch.setattr("socket.getaddrinfo", slow)
    home.config("CanonicalizeHostname yes\nCanonicalDomains corp\n")
    connector = HostConnector(home=home.path, system_config=Path("/none"))
    started = time.monotonic()
    endpoint = replace(home.endpoint, address="web", connect_timeout=0.5)
    with pytest.raises(Unreachable, match="resolver did not answer in time"):
        connector.connect(endpoint)
    stuck.set()
    assert time.monotonic() - started < patience(20)


def test_what_is_not_honoured_is_told_once(home: Home) -> None:
    home.config(
        "Host web*\n BindInterface eth9\n GSSAPIAuthentication yes\n VerifyHostKeyDNS no\n SendEnv LANG\n"
        "Host db\n KnownHostsCommand /bin/true %H\n"
    )
    told: list[str] = []
    config = SshConfig([home.path / ".ssh" / "config"], home.path, USER, told.append)
    for name in ("web1", "web2", "db", "web3"):
        config.lookup(name)
    first, second = told
    assert "BindInterface" in first
    assert "GSSAPIAuthentication" in first
    assert "config line 2" in first
    assert "VerifyHostKeyDNS" not in first
    assert "KnownHostsCommand" in second


def test_a_keyword_of_a_newer_ssh_is_passed_over_with_a_warning(home: Home) -> None:
    home.config("IgnoreUnknown Ignored\nNewKeyword yes\nUser ada\nIgnored 1\n")
    told: list[str] = []
    config = SshConfig([home.path / ".ssh" / "config"], home.path, USER, told.append)
    assert [config.lookup(name)["user"] for name in ("web1", "web2")] == [("ada",), ("ada",)]
    (line,) = told
    assert "newkeyword" in line
    assert "config line 2" in line


@pytest.mark.parametrize(
    "criterion", ["localnetwork 10.0.0.0/8", "!localnetwork 10.0.0.0/8", "!version x", "command=x"]
)
def test_a_criterion_that_is_not_evaluated_holds_for_nobody_and_is_told_once(home: Home, criterion: str) -> None:
    home.config(f"Match host other {criterion}\n User x\nMatch host web* {criterion}\n User x\n")
    lines: list[str] = []
    config = SshConfig([home.path / ".ssh" / "config"], home.path, USER, lines.append)
    assert ["user" in config.lookup(name) for name in ("web1", "web2")] == [False, False]
    (line,) = lines
    word = criterion.replace("=", " ").split()[0]
    assert f"Match {word} ({home.path}/.ssh/config line 3)" in line


def test_what_the_systems_file_asks_for_on_every_debian_is_no_warning() -> None:
    told: list[str] = []
    SshConfig([Path("/etc/ssh/ssh_config")], Path("/none"), USER, told.append).lookup("web")
    assert told == []


@pytest.mark.parametrize(
    ("text", "value"), [("90", 90), ("1m30s", 90), ("2H", 7200), ("0", 0), ("1d", 86400), ("9w", 86400)]
)
def test_times_are_those_of_ssh(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "x", "1x", "-1", "1.5", "1 m", "²"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no time"):
        seconds(text)
