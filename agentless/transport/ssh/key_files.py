"""Private key files: what can be known without a passphrase, and asking for each passphrase once."""

from __future__ import annotations

import base64
import binascii
import os
import re
import shlex
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from agentless.model.secret import Secret
from agentless.openssh.certificates import split_string
from agentless.values import dataclass

__all__ = ["KeyFile", "Keyring", "PassphraseNeeded", "public_blob"]

_MAGIC = b"openssh-key-v1\0"
_TRIES = 3
_PUTTY = ", but PuTTY's (puttygen -O private-openssh, or Conversions > Export OpenSSH key, makes one of it)"
Ask = Callable[[str], "Secret | None"]
K = TypeVar("K")


class PassphraseNeeded(Exception):
    """The host would take this key, which is locked: ask for its passphrase while no connection is waiting."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


def public_blob(path: str) -> bytes | None:
    """The key or certificate in a `.pub` file; None where there is none."""
    try:
        fields = Path(path).read_bytes().split(None, 2)
        blob = base64.b64decode(fields[1], validate=True)
        return blob if blob[4 : 4 + len(fields[0])] == fields[0] else None
    except (OSError, IndexError, binascii.Error):
        return None


@dataclass(frozen=True, slots=True)
class KeyFile:
    """What a key file shows without being unlocked.

    Args:
        public: the public key blob, None where only the private part, or an unlocked one, tells.
        certificates: blobs of `PATH-cert.pub`.
        locked: whether it needs a passphrase.
        private: whether it is a private key at all, rather than a `.pub` file that names a key of the agent.
        fault: why ssh would not use the private key: others can read it. Empty where it would.
    """

    path: str
    public: bytes | None
    certificates: tuple[bytes, ...]
    locked: bool
    private: bool
    fault: str = ""

    @classmethod
    def read(cls, path: str) -> KeyFile | None:
        """None where there is no such file.

        Raises:
            OSError: it is there and cannot be read.
            ValueError: it holds something else.
        """
        try:
            text = Path(path).read_bytes()
        except FileNotFoundError:
            public = public_blob(f"{path}.pub")
            # As OpenSSH: a private key that lives only in the agent is named by the file that would hold it.
            return cls(path, public, (), locked=False, private=False) if public else None
        if b"PRIVATE KEY-----" not in text:
            public = public_blob(path)
            if public is None:
                raise ValueError(f"{path} is no key that OpenSSH reads{_PUTTY if text.startswith(b'PuTTY-') else ''}")
            return cls(path, public, (), locked=False, private=False)
        public, locked = _openssh(text)
        certificate = public_blob(f"{path}-cert.pub")
        return cls(
            path,
            public or public_blob(f"{path}.pub"),
            (certificate,) if certificate else (),
            locked or b"ENCRYPTED" in text,
            private=True,
            fault=_too_open(path),
        )


def _too_open(path: str) -> str:
    """What ssh says of a private key of ours that others can read (authfile.c, sshkey_perm_ok)."""
    status = os.stat(path)
    if status.st_uid != os.getuid() or not status.st_mode & 0o077:
        return ""
    return (
        f"Permissions {status.st_mode & 0o777:04o} for '{path}' are too open, and the key is ignored: "
        f"chmod 600 {shlex.quote(path)}"
    )


def _openssh(text: bytes) -> tuple[bytes | None, bool]:
    """The public key, and whether the private one is encrypted (OpenSSH's PROTOCOL.key)."""
    match = re.search(rb"-----BEGIN OPENSSH PRIVATE KEY-----(.*?)-----END", text, re.DOTALL)
    try:
        data = base64.b64decode(match[1]) if match else b""
        if not data.startswith(_MAGIC):
            return None, False
        cipher, rest = split_string(data[len(_MAGIC) :])
        for _ in ("kdf", "its options"):
            _, rest = split_string(rest)
        # Behind the number of keys.
        public, _ = split_string(rest[4:])
    except (binascii.Error, struct.error):
        return None, False
    return public, cipher != b"none"


class Keyring(Generic[K]):
    """Keys by file, loaded once, each passphrase asked for once, however many hosts want the key.

    Args:
        load: (path, passphrase or None) -> key; raises ValueError where it cannot, above all for a wrong passphrase.
        ask: shows a prompt and returns the answer; None where nobody can be asked, or nothing was answered.
    """

    def __init__(self, load: Callable[[str, bytes | None], K], ask: Ask | None) -> None:
        self._load = load
        self._ask = ask
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._files: dict[str, KeyFile | None] = {}
        self._keys: dict[str, K] = {}
        self._given_up: set[str] = set()

    def file(self, path: str) -> KeyFile | None:
        """What the file shows, read once; raises as `KeyFile.read`."""
        with self._lock:
            if path not in self._files:
                self._files[path] = KeyFile.read(path)
            return self._files[path]

    def key(self, path: str) -> K | None:
        """The key, unless it is locked and has not been unlocked.

        Raises:
            ValueError: the file holds no key that can be used.
        """
        with self._lock:
            if path not in self._keys:
                file = self._files.get(path)
                if file is None or not file.private or file.locked or file.fault:
                    return None
                self._keys[path] = self._load(path, None)
            return self._keys[path]

    def can_unlock(self, path: str) -> bool:
        """Whether asking for its passphrase is worth it."""
        return self._ask is not None and path not in self._given_up

    def unlock(self, path: str) -> None:
        """Ask for the passphrase of a locked key, unless that was done; on return `key` has it, or nobody knows it."""
        with self._asking:
            if path in self._keys or not self.can_unlock(path):
                return
            assert self._ask is not None
            prompt = f"Enter passphrase for key '{path}': "
            for _ in range(_TRIES):
                passphrase = self._ask(prompt)
                if passphrase is None or not passphrase.reveal():
                    break
                try:
                    key = self._load(path, passphrase.reveal().encode("utf-8"))
                except ValueError:
                    prompt = f"Wrong. Enter passphrase for key '{path}': "
                    continue
                with self._lock:
                    self._keys[path] = key
                return
            self._given_up.add(path)
