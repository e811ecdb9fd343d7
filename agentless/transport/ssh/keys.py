"""The keys that may be offered to a host: of files and of the agent, plain and with certificates."""

from __future__ import annotations

import concurrent.futures
import os
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import ClassVar

import paramiko

from agentless.model.secret import Secret
from agentless.openssh.certificates import HostCertificate, type_of
from agentless.openssh.settings import Settings
from agentless.transport.ssh.agent import Agent
from agentless.transport.ssh.key_files import Keyring, public_blob
from agentless.transport.ssh.throttle import Shared
from agentless.transport.ssh.transport import Sha1RSAKey
from agentless.values import dataclass

__all__ = ["Keys", "OfferedKey", "signed_by"]

_Sign = Callable[[bytes, str], bytes]


@dataclass(frozen=True, slots=True)
class OfferedKey:
    """A key or certificate of a user.

    Args:
        label: what to call it in an error.
        blob, type: its public side.
        sign: (data, algorithm) -> signature; None while the key is locked.
        path: its file, empty for the agent's own.
        explicit: whether it was named, by the inventory, the command line or ssh_config.
    """

    label: str
    blob: bytes
    type: str
    sign: _Sign | None
    path: str = ""
    explicit: bool = False


@dataclass(frozen=True, slots=True)
class _Listed:
    """What an agent holds, by blob, or why it says nothing; an `agent` that is None is not there at all."""

    keys: dict[bytes, OfferedKey]
    agent: Agent | None = None
    fault: str = ""
    alive: ClassVar[bool] = True

    def close(self) -> None:
        if self.agent is not None:
            self.agent.close()


class Keys:
    """All keys of this process: files are read once, passphrases asked for once, agents listed once. Thread safe.

    Args:
        ask: shows a prompt for a passphrase and returns the answer; None where nobody can be asked.
    """

    def __init__(self, ask: Callable[[str], Secret | None] | None, warn: Callable[[str], None]) -> None:
        self.ring = Keyring(_load, ask)
        self._warn = warn
        self._reported: set[str] = set()
        self._lock = threading.Lock()
        self._agents = Shared[_Listed]()
        self._worked: set[bytes] = set()

    def offered(self, settings: Settings, deadline: float) -> tuple[list[OfferedKey], list[str]]:
        """The keys to offer, the likeliest first, and notes on why others that were named are not among them.

        A key that worked elsewhere comes first; then the named ones, the agent's others, and those of the usual names.
        An agent is listed once, and waited for during half of what is left until the deadline.
        """
        listed = self._agent(settings.agent, (deadline - time.monotonic()) / 2)
        agent = listed.keys
        notes = [listed.fault] if listed.fault else []
        offered: dict[bytes, OfferedKey] = {}
        for path in settings.identities:
            for key in self._of_file(path, settings, agent, notes, explicit=True):
                offered.setdefault(key.blob, key)
        if not settings.identities_only:
            for blob, key in agent.items():
                offered.setdefault(blob, key)
        for path in settings.default_identities:
            for key in self._of_file(path, settings, agent, notes, explicit=False):
                offered.setdefault(key.blob, key)
        return sorted(offered.values(), key=lambda key: key.blob not in self._worked), notes

    def _tell(self, fault: str) -> None:
        """Warn once of a file that is ignored: another key may let us in, and then nobody would know."""
        with self._lock:
            new = bool(fault) and fault not in self._reported
            self._reported.add(fault)
        if new:
            self._warn(fault)

    def worked(self, key: OfferedKey) -> None:
        """Offer this one first from now on."""
        self._worked.add(key.blob)

    def close(self) -> None:
        """Let go of the agents."""
        self._agents.close()

    def _of_file(
        self, path: str, settings: Settings, agent: dict[bytes, OfferedKey], notes: list[str], *, explicit: bool
    ) -> Iterator[OfferedKey]:
        try:
            file = self.ring.file(path)
            loaded = self.ring.key(path)
        except (OSError, ValueError) as problem:
            notes.append(str(problem))
            return
        if file is None:
            if explicit:
                notes.append(f"{path}: no such key")
            return
        plain = loaded.asbytes() if loaded is not None else file.public
        if plain is None:
            notes.append(file.fault or f"{path} is locked, and has no .pub file beside it")
            self._tell(file.fault)
            return
        sign = agent[plain].sign if plain in agent else _signer(loaded) if loaded is not None else None
        if sign is None and file.fault:
            notes.append(file.fault)
            self._tell(file.fault)
            return
        if sign is None and not file.private:
            if explicit:
                notes.append(f"{path}: a public key, and the agent does not hold its private one")
            return
        others = [blob for name in settings.certificates if (blob := public_blob(name))]
        for certificate in (*file.certificates, *others):
            try:
                fits = HostCertificate.read(certificate).plain == plain
            except ValueError as problem:
                notes.append(f"{path}: {problem}")
                continue
            if fits:
                yield OfferedKey(f"{path} (certificate)", certificate, type_of(certificate), sign, path, explicit)
        yield OfferedKey(path, plain, type_of(plain), sign, path, explicit)

    def _agent(self, path: str | None, patience: float) -> _Listed:
        patience = max(0.1, patience)
        try:
            return self._agents.get(path, lambda: _listed(path, patience), time.monotonic() + patience)
        except concurrent.futures.TimeoutError:
            return _Listed({}, fault="the agent does not answer")


def _listed(path: str | None, patience: float) -> _Listed:
    if path is None:
        path = os.path.expandvars("$SSH_AUTH_SOCK").removeprefix("$SSH_AUTH_SOCK")
    if not path:
        return _Listed({})
    try:
        agent = Agent(path, patience)
    except OSError as problem:
        return _Listed({}, fault=f"no agent at {path}: {problem.strerror or problem}")
    except (paramiko.SSHException, ValueError, LookupError, struct.error) as problem:
        return _Listed({}, fault=str(problem) or f"no answer of the agent at {path} that makes sense")
    held = {
        key.blob: OfferedKey(f"{key.comment or key.type} (agent)", key.blob, key.type, agent.signer(key.blob))
        for key in agent.keys
    }
    return _Listed(held, agent)


def _load(path: str, passphrase: bytes | None) -> paramiko.PKey:
    try:
        return paramiko.PKey.from_path(path, passphrase)  # type: ignore[arg-type]
    except paramiko.pkey.UnknownKeyType as problem:
        raise ValueError(f"{path}: a key of type {problem.key_type} cannot be used here") from None
    except (paramiko.SSHException, ValueError, TypeError, OSError) as problem:
        raise ValueError(f"{path}: {problem}") from None


def _signer(key: paramiko.PKey) -> _Sign:
    def sign(data: bytes, algorithm: str) -> bytes:
        if algorithm in ("ssh-rsa", "ssh-rsa-cert-v01@openssh.com") and isinstance(key, paramiko.RSAKey):
            return Sha1RSAKey(key=key.key).sign_ssh_data(data, "ssh-rsa").asbytes()
        return key.sign_ssh_data(data, algorithm).asbytes()

    return sign


def signed_by(authority: bytes, signed: bytes, signature: bytes) -> bool:
    """Whether `signature` over `signed` is that of the key `authority`; SHA-1 signatures count for nothing."""
    try:
        key = paramiko.PKey.from_type_string(type_of(authority), authority)
        return key.verify_ssh_sig(signed, paramiko.Message(signature))
    except (paramiko.SSHException, paramiko.pkey.UnknownKeyType, ValueError):
        return False
