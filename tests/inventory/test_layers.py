"""Where variables and options say nothing: Ansible's settings, then our own."""

from __future__ import annotations

import pytest

from agentless.config import Config
from agentless.inventory.ansible_cfg import AnsibleSettings
from agentless.inventory.layers import defaults, vault
from agentless.inventory.vault import VaultClosed


def test_ansibles_settings_count_before_ours_and_ours_where_it_has_none() -> None:
    ours = Config(user="ada", become=True, become_user="db", connect_timeout=3.0)
    made = defaults(AnsibleSettings(remote_user="eve", become=False, remote_port=2222), ours)
    assert (made.user, made.become, made.become_user, made.port) == ("eve", False, "db", 2222)
    assert (made.connect_timeout, defaults(AnsibleSettings(timeout=30), ours).connect_timeout) == (3.0, 30.0)


def test_nothing_is_given_where_nobody_says_anything() -> None:
    made = defaults(AnsibleSettings(), Config())
    assert (made.user, made.port, made.key_file, made.connect_timeout, made.check_host_keys) == (None,) * 5


def test_identities_of_the_settings_come_before_those_given_and_the_password_file_after_them() -> None:
    settings = AnsibleSettings(vault_identity_list=("dev@a",), vault_password_file="c", ask_vault_pass=True)
    assert vault(settings, ["prod@b"], lambda prompt: None).words == ["dev@a", "prod@b", "default@c"]


def test_without_a_password_what_is_encrypted_stays_closed() -> None:
    with pytest.raises(VaultClosed):
        vault(AnsibleSettings(), [], lambda prompt: None).open("$ANSIBLE_VAULT;1.1;AES256\n3133\n")
