"""Private key files: what they show, and asking for each passphrase once."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from agentless.model.secret import Secret
from agentless.transport.ssh.key_files import KeyFile, Keyring, public_blob
from tests.transport.conftest import keygen


def blob(key: Path) -> bytes:
    return base64.b64decode(Path(f"{key}.pub").read_text().split()[1])


@pytest.mark.parametrize("passphrase", ["", "geheim"])
def test_a_key_shows_its_public_side_and_whether_it_is_locked(tmp_path: Path, passphrase: str) -> None:
    key = keygen(tmp_path / "key", passphrase=passphrase)
    expected = blob(key)
    Path(f"{key}.pub").unlink()
    file = KeyFile.read(str(key))
    assert file is not None
    assert (file.public, file.locked, file.private, file.fault) == (expected, bool(passphrase), True, "")


def test_a_public_file_names_a_key_of_the_agent_and_what_is_none_is_told(tmp_path: Path) -> None:
    key = keygen(tmp_path / "key")
    for name in (f"{key}.pub", str(key)):
        if name == str(key):
            key.unlink()
        file = KeyFile.read(name)
        assert file is not None
        assert (file.private, file.public) == (False, blob(key))
    assert KeyFile.read(str(tmp_path / "none")) is None
    (tmp_path / "text").write_text("hello\n")
    with pytest.raises(ValueError, match="no key that OpenSSH reads"):
        KeyFile.read(str(tmp_path / "text"))
    assert public_blob(str(tmp_path / "text")) is None


def test_a_passphrase_is_asked_for_three_times_and_then_never_again(tmp_path: Path) -> None:
    key = str(keygen(tmp_path / "key", passphrase="geheim"))
    prompts: list[str] = []

    def load(path: str, passphrase: bytes | None) -> bytes:
        if passphrase != b"geheim":
            raise ValueError(path)
        return passphrase

    def wrong(prompt: str) -> Secret:
        prompts.append(prompt)
        return Secret("falsch")

    ring = Keyring(load, wrong)
    assert ring.file(key) is not None
    for _ in range(2):
        ring.unlock(key)
    assert (len(prompts), ring.key(key), ring.can_unlock(key)) == (3, None, False)
    ring = Keyring(load, lambda prompt: Secret("geheim"))
    ring.file(key)
    ring.unlock(key)
    assert ring.key(key) == b"geheim"
