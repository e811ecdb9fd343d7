"""What `ansible-vault` encrypted is opened, with its own vault ids and password scripts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from agentless.inventory.vault import Identity, Vault, VaultClosed, identity, is_encrypted
from agentless.model.secret import Secret

TEXT = "ansible_user: deploy\nansible_password: grün\n"
ANSIBLE_VAULT = Path(sys.executable).with_name("ansible-vault")


def nobody(prompt: str) -> Secret | None:
    return None


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """TEXT encrypted by ansible-vault itself, by label; the password of a label is `secret-LABEL`."""
    directory = tmp_path_factory.mktemp("vault")
    texts = {}
    for label in ("", "prod"):
        password = directory / f"password{label}"
        password.write_text(f"secret-{label}\n")
        plain = directory / f"plain{label}"
        plain.write_text(TEXT)
        options = ["--vault-id", f"{label}@{password}", "--encrypt-vault-id", label] if label else []
        options = options or ["--vault-password-file", str(password)]
        subprocess.run(
            [str(ANSIBLE_VAULT), "encrypt", *options, str(plain)],
            check=True,
            capture_output=True,
            env={"HOME": str(directory), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        )
        texts[label] = plain.read_text()
    return texts


def with_file(tmp_path: Path, password: str, label: str = "default") -> Vault:
    file = tmp_path / "password"
    file.write_text(password + "\n")
    return Vault([Identity(label, str(file))], nobody)


def script(path: Path, body: str) -> Path:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def test_formats_1_1_and_1_2_are_opened(sealed: Mapping[str, str], tmp_path: Path) -> None:
    assert sealed[""].startswith("$ANSIBLE_VAULT;1.1;")
    assert sealed["prod"].startswith("$ANSIBLE_VAULT;1.2;AES256;prod")
    assert with_file(tmp_path, "secret-").open(sealed[""]) == TEXT
    assert with_file(tmp_path, "secret-prod", "prod").open(sealed["prod"]) == TEXT


def test_a_value_in_yaml_keeps_its_indentation(sealed: Mapping[str, str], tmp_path: Path) -> None:
    indented = "\n".join("    " + line for line in sealed[""].splitlines())
    assert is_encrypted(indented)
    assert with_file(tmp_path, "secret-").open(indented) == TEXT


def test_another_label_is_tried_unless_only_the_same_may_be(sealed: Mapping[str, str], tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("secret-prod")
    other = [Identity("dev", str(file))]
    assert Vault(other, nobody).open(sealed["prod"]) == TEXT
    with pytest.raises(VaultClosed, match="vault id 'prod'"):
        Vault(other, nobody, only_same_label=True).open(sealed["prod"])


def test_the_same_label_is_tried_first(sealed: Mapping[str, str], tmp_path: Path) -> None:
    """A password that is not needed is not asked for."""
    file = tmp_path / "password"
    file.write_text("secret-prod")

    def ask(prompt: str) -> Secret:
        raise AssertionError(prompt)

    assert Vault([Identity("dev", "prompt"), Identity("prod", str(file))], ask).open(sealed["prod"]) == TEXT


def test_a_password_is_asked_for_once(sealed: Mapping[str, str]) -> None:
    prompts: list[str] = []

    def ask(prompt: str) -> Secret:
        prompts.append(prompt)
        return Secret("secret-prod")

    vault = Vault([Identity("prod", "prompt")], ask)
    assert vault.open(sealed["prod"]) == TEXT
    assert vault.open(sealed["prod"] + "\n") == TEXT
    assert prompts == ["Vault password (prod): "]


@pytest.mark.parametrize("wrong", ["secret", "", "secret-prod"])
def test_a_wrong_password_is_told_with_what_was_tried(sealed: Mapping[str, str], tmp_path: Path, wrong: str) -> None:
    with pytest.raises(VaultClosed) as caught:
        with_file(tmp_path, wrong).open(sealed[""])
    assert "secret-" not in caught.value.hint
    assert str(tmp_path / "password") in caught.value.reason


def test_without_any_password_the_way_out_is_named(sealed: Mapping[str, str]) -> None:
    with pytest.raises(VaultClosed, match="no vault password is given") as caught:
        Vault([], nobody).open(sealed[""])
    assert "`vault_ids`" in caught.value.hint


def test_nobody_to_ask_is_an_error(sealed: Mapping[str, str]) -> None:
    with pytest.raises(VaultClosed, match="nobody to ask") as caught:
        Vault([Identity("default", "prompt")], nobody).open(sealed[""])
    assert "`vault_ids=default@FILE`" in caught.value.hint


def test_a_client_script_is_told_the_label(sealed: Mapping[str, str], tmp_path: Path) -> None:
    client = script(tmp_path / "keyring-client.sh", 'printf "secret-%s\\n" "$2"; test "$1" = --vault-id')
    assert Vault([Identity("prod", str(client))], nobody).open(sealed["prod"]) == TEXT


@pytest.mark.parametrize(
    ("name", "body", "message"),
    [
        ("a-client", "exit 2", "no password for vault id 'prod'"),
        ("a.sh", "echo no keyring >&2; exit 1", "ended with 1 no keyring"),
        ("b.sh", "true", "empty password"),
    ],
)
def test_a_script_that_fails_is_named(
    sealed: Mapping[str, str], tmp_path: Path, name: str, body: str, message: str
) -> None:
    path = script(tmp_path / name, body)
    with pytest.raises(VaultClosed, match=message) as caught:
        Vault([Identity("prod", str(path))], nobody).open(sealed["prod"])
    assert str(path) in caught.value.reason


@pytest.mark.parametrize(
    "text",
    [
        "$ANSIBLE_VAULT;1.1;AES256\n",
        "$ANSIBLE_VAULT;1.1;AES256\n3132\n",
        "$ANSIBLE_VAULT;9\n31",
        "$ANSIBLE_VAULT;1.1;AES256\nxyz",
    ],
)
def test_what_is_damaged_is_told_as_that(tmp_path: Path, text: str) -> None:
    with pytest.raises(VaultClosed, match="vault"):
        with_file(tmp_path, "secret-").open(text)


def test_words_of_vault_id() -> None:
    assert identity("prod@prompt") == Identity("prod", "prompt")
    assert identity("~/pass") == Identity("default", "~/pass")
    assert identity("prod@a@b") == Identity("prod", "a@b")
    assert identity("@file") == Identity("default", "file")
