"""What `hosts` shows of variables: everything but passwords."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agentless import Fleet
from agentless.inventory.secrets import MASK, is_secret, masked


@pytest.mark.parametrize(
    "name",
    [
        "ansible_password",
        "ansible_ssh_pass",
        "ansible_ssh_password",
        "ansible_become_password",
        "ansible_become_pass",
        "become_pass",
        "sudo_pass",
        "ansible_sudo_pass",
        "ansible_private_key_passphrase",
        "ansible_ssh_private_key_passphrase",
        "ansible_private_key",
        "ansible_vault_password",
        "vault_db",
        "mysql_root_password",
        "dbPassword",
        "DB_PASS",
        "smtp_passwd",
        "dbpass",
        "api_key",
        "aws_secret_access_key",
        "github_token",
        "authTokens",
        "credentials",
        "pwd",
    ],
)
def test_a_secret_is_known_by_its_name(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "ansible_host",
        "ansible_user",
        "ansible_private_key_file",
        "ansible_ssh_private_key_file",
        "password_file",
        "bypass",
        "compass_url",
        "passenger_version",
        "key",
        "keyboard",
        "tokyo",
        "vault_password_file",
        "",
    ],
)
def test_what_is_no_secret_is_not_taken_for_one(name: str) -> None:
    assert not is_secret(name)


def test_secrets_are_masked_at_any_depth_and_nothing_else_is() -> None:
    assert masked(
        {
            "ansible_password": 12345,
            "port": 22,
            "users": [{"name": "ada", "password": "x", "groups": ["wheel"]}],
            "db": {"credentials": {"user": "u", "pass": "p", "more": ["a", {"b": "c"}]}},
            "sealed": {"__ansible_vault": "$ANSIBLE_VAULT;1.1;AES256\n31"},
            "api_key": {"__ansible_unsafe": "x"},
            "use_password": True,
            "proxy_password": None,
            "proxy": "http://ada:secret@proxy:3128/",
            "ansible_ssh_common_args": "-o ProxyCommand=\"sshpass -p 'my secret' ssh -W %h:%p b\"",
            "pem": "-----BEGIN OPENSSH PRIVATE KEY-----\nabc",
        }
    ) == {
        "ansible_password": MASK,
        "port": 22,
        "users": [{"name": "ada", "password": MASK, "groups": ["wheel"]}],
        "db": {"credentials": {"user": MASK, "pass": MASK, "more": [MASK, {"b": MASK}]}},
        "sealed": MASK,
        "api_key": {"__ansible_unsafe": MASK},
        "use_password": True,
        "proxy_password": None,
        "proxy": f"http://ada:{MASK}@proxy:3128/",
        "ansible_ssh_common_args": f'-o ProxyCommand="sshpass -p {MASK} ssh -W %h:%p b"',
        "pem": MASK,
    }


def test_a_fleet_shows_passwords_only_where_they_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("web1 ansible_password=hunter2 note='{{ x }}'\n[all:vars]\nsudo_pass=hunter2\n")
    with Fleet(tmp_path / "hosts") as fleet:
        assert "hunter2" not in json.dumps(fleet.hosts().to_json()) + repr(fleet.hosts())
        assert json.dumps(fleet.hosts(passwords=True).to_json()).count("hunter2") == 2
