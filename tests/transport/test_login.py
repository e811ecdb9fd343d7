"""Keys, passphrases, agents and certificates."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agentless.errors import Unreachable
from agentless.model.secret import Secret
from agentless.transport.host_connector import HostConnector
from tests.transport.conftest import PASSWORD, Home, Server, Start, keygen


@pytest.fixture
def server(home: Home, start_sshd: Start) -> Server:
    """Takes the key `wanted` only, which no default name finds."""
    made = start_sshd(authorized=keygen(home.path / "keys" / "wanted"))
    home.knows(made.known_line())
    return made


def wanted(home: Home) -> str:
    return str(home.path / "keys" / "wanted")


def test_the_keys_asked_for_come_before_all_others(
    home: Home, connector: HostConnector, server: Server, agent: Callable[..., None]
) -> None:
    agent(*(keygen(home.path / "keys" / f"other{number}") for number in range(8)))
    connector.connect(home.to(server, key_files=(wanted(home),))).close()
    assert "Failed publickey" not in server.log


def test_too_many_keys_of_an_agent_are_an_error_that_names_identities_only(
    home: Home, connector: HostConnector, server: Server, agent: Callable[..., None]
) -> None:
    agent(*(keygen(home.path / "keys" / f"other{number}") for number in range(8)))
    with pytest.raises(Unreachable) as caught:
        connector.connect(home.to(server))
    assert (caught.value.kind, "IdentitiesOnly" in caught.value.hint) == ("auth", True)


def test_an_agents_key_is_named_by_its_public_file_alone(
    home: Home, connector: HostConnector, server: Server, agent: Callable[..., None]
) -> None:
    agent(wanted(home), *(keygen(home.path / "keys" / f"other{number}") for number in range(8)))
    Path(wanted(home)).unlink()
    home.config(f"IdentitiesOnly yes\nIdentityFile {wanted(home)}.pub\n")
    connector.connect(home.to(server)).close()
    assert "Failed publickey" not in server.log


def test_the_agent_of_the_configuration_is_the_one_that_is_asked(
    home: Home, connector: HostConnector, server: Server, agent: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    agent(wanted(home))
    home.config(f"IdentityAgent {os.environ['SSH_AUTH_SOCK']}\n")
    monkeypatch.delenv("SSH_AUTH_SOCK")
    connector.connect(home.to(server)).close()


def test_a_locked_key_is_unlocked_once_for_all_hosts(home: Home, start_sshd: Start) -> None:
    key = keygen(home.path / "locked", passphrase=PASSWORD)
    server = start_sshd(authorized=key)
    home.knows(server.known_line())
    asked: list[str] = []

    def ask(prompt: str) -> Secret:
        asked.append(prompt)
        return Secret(PASSWORD)

    connector = HostConnector(ask=ask, home=home.path, system_config=Path("/none"))
    with ThreadPoolExecutor(6) as pool:
        links = list(pool.map(lambda _: connector.connect(home.to(server, key_files=(str(key),))), range(6)))
    for link in links:
        link.close()
    assert len(asked) == 1
    assert str(key) in asked[0]


def test_a_locked_key_that_the_host_does_not_want_asks_nothing(home: Home, server: Server) -> None:
    locked = keygen(home.path / "locked", passphrase=PASSWORD)

    def ask(prompt: str) -> Secret:
        raise AssertionError(prompt)

    connector = HostConnector(ask=ask, home=home.path, system_config=Path("/none"))
    connector.connect(home.to(server, key_files=(str(locked), wanted(home)))).close()


def test_a_wrong_passphrase_is_asked_again_and_given_up_in_the_end(home: Home, start_sshd: Start) -> None:
    key = keygen(home.path / "locked", passphrase=PASSWORD)
    server = start_sshd(authorized=key)
    home.knows(server.known_line())
    asked: list[str] = []

    def ask(prompt: str) -> Secret:
        asked.append(prompt)
        return Secret("wrong")

    connector = HostConnector(ask=ask, home=home.path, system_config=Path("/none"))
    for _ in range(2):
        with pytest.raises(Unreachable, match="is locked") as caught:
            connector.connect(home.to(server, key_files=(str(key),)))
        assert caught.value.kind == "auth"
        assert "it takes publickey; there was nothing to try" in caught.value.message
    assert len(asked) == 3


def test_a_locked_key_in_the_agent_needs_no_passphrase(
    home: Home, connector: HostConnector, server: Server, agent: Callable[..., None]
) -> None:
    agent(wanted(home))
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", PASSWORD, "-f", wanted(home)], check=True, capture_output=True)
    connector.connect(home.to(server, key_files=(wanted(home),))).close()


@pytest.mark.parametrize("type_", ["ed25519", "rsa", "ecdsa"])
@pytest.mark.parametrize("by_agent", [False, True])
def test_a_users_certificate_logs_in(
    home: Home, connector: HostConnector, start_sshd: Start, agent: Callable[..., None], type_: str, by_agent: bool
) -> None:
    ca, key = keygen(home.path / "ca"), keygen(home.path / "certified", type_=type_)
    subprocess.run(["ssh-keygen", "-q", "-s", ca, "-I", "me", "-n", "ada", f"{key}.pub"], check=True)
    principals = home.path / "principals"
    principals.write_text("ada\n")
    server = start_sshd(f"TrustedUserCAKeys {ca}.pub", f"AuthorizedPrincipalsFile {principals}")
    home.knows(server.known_line())
    if by_agent:
        agent(key)
        for file in (key, Path(f"{key}.pub"), Path(f"{key}-cert.pub")):
            file.unlink()
    connector.connect(home.to(server, key_files=() if by_agent else (str(key),))).close()


def test_a_key_of_the_older_pem_format_logs_in(home: Home, connector: HostConnector, start_sshd: Start) -> None:
    key = keygen(home.path / "old", "-m", "PEM", type_="rsa")
    server = start_sshd(authorized=key)
    home.knows(server.known_line())
    connector.connect(home.to(server, key_files=(str(key),))).close()


def test_a_refused_login_tells_what_was_tried_and_what_the_host_takes(
    home: Home, connector: HostConnector, server: Server
) -> None:
    with pytest.raises(Unreachable) as caught:
        connector.connect(home.to(server, key_files=("/no/such/key",)))
    assert caught.value.kind == "auth"
    for part in ("permission denied; it takes publickey", "/no/such/key: no such key"):
        assert part in caught.value.message
