"""Ansible Vault: what `ansible-vault` encrypted, opened with the passwords of the person's vault ids.

Formats 1.1 and 1.2 (docs.ansible.com, "Format of files encrypted with Ansible Vault"): AES-256 in CTR mode, its key and
that of the HMAC-SHA256 derived by PBKDF2 from the password.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Sequence
from pathlib import Path

from agentless.inventory.password_file import NoPassword, password_of
from agentless.model.secret import Secret
from agentless.values import dataclass

__all__ = ["Identity", "Vault", "VaultClosed", "identity", "is_encrypted"]

_MAGIC = "$ANSIBLE_VAULT"
_ITERATIONS = 10_000
_KEY_BYTES, _IV_BYTES, _BLOCK_BYTES = 32, 16, 16
# docs.ansible.com, "Storing passwords in third-party tools": such scripts are told the id, and exit with 2 without one.
_CLIENT, _CLIENT_KNOWS_NONE = "-client", 2
_PROMPTS = ("prompt", "prompt_ask_vault_pass")
DEFAULT_LABEL = "default"


def is_encrypted(text: str) -> bool:
    """Whether a text, or the content of a file, is Ansible Vault's."""
    return text.lstrip().startswith(_MAGIC)


class VaultClosed(Exception):
    """A text that cannot be opened: `reason`, a predicate, says why, and `hint` what to do."""

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Identity:
    """A vault id: a label, and where its password comes from.

    Args:
        label: `default` where none is given.
        source: `prompt`, or the path of a file with the password or of a script that prints it.
    """

    label: str
    source: str

    @property
    def asks(self) -> bool:
        """Whether the person is asked for the password."""
        return self.source in _PROMPTS


def identity(word: str) -> Identity:
    """A vault id as `--vault-id` takes it: `SOURCE`, or `LABEL@SOURCE`."""
    label, at, source = word.partition("@")
    return Identity(label or DEFAULT_LABEL, source) if at else Identity(DEFAULT_LABEL, word)


@dataclass(frozen=True, slots=True)
class _Envelope:
    label: str | None
    salt: bytes
    digest: bytes
    ciphertext: bytes


class Vault:
    """Opens what is encrypted; a password is asked for, or read, when it is first needed, and once.

    Args:
        identities: tried in this order, those of the text's own label first.
        ask: shows a prompt and returns the answer, None where nobody can be asked.
        only_same_label: try no identity of another label (Ansible's `vault_id_match`).
    """

    def __init__(
        self,
        identities: Sequence[Identity],
        ask: Callable[[str], Secret | None],
        *,
        only_same_label: bool = False,
    ) -> None:
        self._identities = tuple(identities)
        self._ask = ask
        self._only_same_label = only_same_label
        self._passwords: dict[Identity, Secret] = {}
        self._opened: dict[str, str] = {}

    @property
    def words(self) -> list[str]:
        """The identities whose password nobody is asked for, as `--vault-id` takes them."""
        return [f"{each.label}@{each.source}" for each in self._identities if not each.asks]

    def open(self, text: str) -> str:
        """The text in clear.

        Raises:
            VaultClosed: it is damaged, no password opens it, or a password cannot be had.
        """
        if text not in self._opened:
            self._opened[text] = self._decrypt(text)
        return self._opened[text]

    def _decrypt(self, text: str) -> str:
        if not self._identities:
            raise VaultClosed(
                "is encrypted by Ansible Vault, and no vault password is given",
                "Give it with `vault_ids`.",
            )
        envelope = _parse(text)
        same = [each for each in self._identities if envelope.label in (None, each.label)]
        others = [] if self._only_same_label else [each for each in self._identities if each not in same]
        for each in [*same, *others]:
            clear = _unlock(envelope, self._password(each))
            if clear is not None:
                return clear
        of_id = f" with vault id {envelope.label!r}" if envelope.label else ""
        if not same and not others:
            given = ", ".join(each.label for each in self._identities)
            raise VaultClosed(
                f"is encrypted by Ansible Vault{of_id}, and passwords are given for others: {given}",
                "Give its password with `vault_ids=LABEL@SOURCE`.",
            )
        tried = ", ".join(f"{each.label}@{each.source}" for each in [*same, *others])
        raise VaultClosed(
            f"is encrypted by Ansible Vault{of_id}, and no vault password opens it; tried: {tried}",
            "Give the right one with `vault_ids=LABEL@SOURCE`.",
        )

    def _password(self, of: Identity) -> Secret:
        if of not in self._passwords:
            self._passwords[of] = self._prompted(of) if of.asks else _of_file(of)
        return self._passwords[of]

    def _prompted(self, of: Identity) -> Secret:
        prompt = "Vault password: " if of.label == DEFAULT_LABEL else f"Vault password ({of.label}): "
        answer = self._ask(prompt)
        if answer is None:
            raise VaultClosed(
                f"stays closed: the password of vault id {of.label!r} is to be asked for, and there is nobody to ask",
                f"Give a file with it: `vault_ids={of.label}@FILE`.",
            )
        return answer


def _parse(text: str) -> _Envelope:
    head, _, body = text.strip().partition("\n")
    fields = head.strip().split(";")
    version, cipher = (fields[1], fields[2]) if len(fields) > 2 else ("", "")
    if fields[0] != _MAGIC or version not in ("1.1", "1.2") or cipher != "AES256":
        raise VaultClosed(
            f"is no vault that can be opened here: {head.strip()[:60]!r}", "Encrypt it anew with ansible-vault."
        )
    try:
        salt, digest, ciphertext = map(binascii.unhexlify, binascii.unhexlify("".join(body.split())).split(b"\n", 2))
    except ValueError:
        raise VaultClosed("is a damaged vault", "Encrypt it anew with ansible-vault.") from None
    return _Envelope(fields[3] if version == "1.2" and len(fields) > 3 else None, salt, digest, ciphertext)


def _unlock(envelope: _Envelope, password: Secret) -> str | None:
    """The text in clear; None where the password is not the one."""
    # 30 ms, which those without a vault need not spend.
    import hashlib
    import hmac

    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    length = 2 * _KEY_BYTES + _IV_BYTES
    derived = hashlib.pbkdf2_hmac(
        "sha256", password.reveal().encode("utf-8", "surrogateescape"), envelope.salt, _ITERATIONS, length
    )
    key, mac_key, iv = derived[:_KEY_BYTES], derived[_KEY_BYTES : 2 * _KEY_BYTES], derived[2 * _KEY_BYTES :]
    if not hmac.compare_digest(hmac.new(mac_key, envelope.ciphertext, "sha256").digest(), envelope.digest):
        return None
    padded = Cipher(algorithms.AES(key), modes.CTR(iv)).decryptor().update(envelope.ciphertext)
    padding = padded[-1] if padded else 0
    if not 0 < padding <= _BLOCK_BYTES:
        raise VaultClosed("is a damaged vault", "Encrypt it anew with ansible-vault.")
    return padded[:-padding].decode("utf-8", "surrogateescape")


def _of_file(of: Identity) -> Secret:
    """The password that a file holds, or that a script prints."""
    path = Path(of.source)
    is_client = path.stem.endswith(_CLIENT)
    try:
        return password_of(path, "vault", ["--vault-id", of.label] if is_client else [])
    except NoPassword as error:
        if is_client and error.status == _CLIENT_KNOWS_NONE:
            reason = f"the vault password script {path} has no password for vault id {of.label!r}"
            raise VaultClosed(f"stays closed: {reason}") from None
        raise VaultClosed(f"stays closed: {error}") from None
