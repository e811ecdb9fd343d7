"""The keys that may be offered to a host: of files and of the agent, plain and with certificates."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import paramiko
from paramiko import agent as agents

from agentless.endpoint import Secret
from agentless.runner.ssh.certificates import HostCertificate, type_of
from agentless.runner.ssh.key_files import Keyring, public_blob
from agentless.runner.ssh.options import Settings
from agentless.runner.ssh.transport import Sha1RSAKey

__all__ = ["Keys", "OfferedKey", "signed_by"]

# A key of an agent may need a touch or a confirmation by its owner.
_AGENT_WAIT = 60.0
_Sign = Callable[[bytes, str], bytes]


@dataclass(frozen=True, slots=True)
class OfferedKey:
    """A key or certificate of a user.

    Args:
        label: what to call it in an error.
        blob, type: its public side.
        sign: (data, algorithm) -> signature; None while the key is locked.
        path: its file, empty for the agent's own.
        explicit: whether it was asked for by name.
    """

    label: str
    blob: bytes
    type: str
    sign: _Sign | None
    path: str = ""
    explicit: bool = False


class _Agent(agents.AgentSSH):
    """The ssh-agent at a socket; its one connection is shared by threads."""

    def __init__(self, path: str | None) -> None:
        super().__init__()
        self._turn = threading.Lock()
        connection = agents.get_agent_connection() if path is None else _unix(path)
        if connection is not None:
            connection.settimeout(_AGENT_WAIT)
            self._connect(connection)  # type: ignore[attr-defined]

    def _send_message(self, msg: bytes | paramiko.Message) -> tuple[int, paramiko.Message]:
        with self._turn:
            return super()._send_message(msg)  # type: ignore[misc, no-any-return]

    def keys(self) -> dict[bytes, OfferedKey]:
        """The agent's keys and certificates, by blob."""
        return {
            key.blob: OfferedKey(f"{key.comment or key.name} (agent)", key.blob, key.name, self._signer(key.blob))
            for key in self.get_keys()
        }

    def _signer(self, blob: bytes) -> _Sign:
        # Not paramiko's own, which sends the plain key where the certificate was offered.
        def sign(data: bytes, algorithm: str) -> bytes:
            message = paramiko.Message()
            message.add_byte(agents.cSSH2_AGENTC_SIGN_REQUEST)
            message.add_string(blob)
            message.add_string(data)
            message.add_int(agents.ALGORITHM_FLAG_MAP.get(algorithm, 0))
            kind, reply = self._send_message(message)
            if kind != agents.SSH2_AGENT_SIGN_RESPONSE:
                raise paramiko.SSHException("the agent refuses to sign with it")
            return reply.get_binary()

        return sign

    def close(self) -> None:
        self._close()  # type: ignore[attr-defined]


def _unix(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection


class Keys:
    """All keys of this process: files are read once, passphrases asked for once, agents asked once. Thread safe."""

    def __init__(self, ask: Callable[[str], Secret | None] | None) -> None:
        self.ring = Keyring(_load, ask)
        self._lock = threading.Lock()
        self._agents: dict[str | None, dict[bytes, OfferedKey]] = {}
        self._connections: list[_Agent] = []
        self._worked: set[bytes] = set()

    def offered(self, settings: Settings) -> tuple[list[OfferedKey], list[str]]:
        """The keys to offer, the likeliest first, and why others that were asked for are not among them.

        In the order of what was asked for, the agent's others, those of the usual names; what worked elsewhere leads.
        """
        agent = self._agent(settings.agent)
        notes: list[str] = []
        found: dict[bytes, OfferedKey] = {}
        for path in settings.identities:
            for key in self._of_file(path, settings, agent, notes, explicit=True):
                found.setdefault(key.blob, key)
        if not settings.identities_only:
            for blob, key in agent.items():
                found.setdefault(blob, key)
        for path in settings.default_identities:
            for key in self._of_file(path, settings, agent, notes, explicit=False):
                found.setdefault(key.blob, key)
        return sorted(found.values(), key=lambda key: key.blob not in self._worked), notes

    def worked(self, key: OfferedKey) -> None:
        """Offer this one first from now on."""
        self._worked.add(key.blob)

    def close(self) -> None:
        """Let go of the agents."""
        with self._lock:
            self._agents.clear()
            while self._connections:
                self._connections.pop().close()

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
            notes.append(f"{path} is locked, and has no .pub file beside it")
            return
        sign = agent[plain].sign if plain in agent else _signer(loaded) if loaded is not None else None
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

    def _agent(self, path: str | None) -> dict[bytes, OfferedKey]:
        with self._lock:
            if path not in self._agents:
                self._agents[path] = {}
                if path != "":
                    try:
                        agent = _Agent(path)
                        self._connections.append(agent)
                        self._agents[path] = agent.keys()
                    except (OSError, paramiko.SSHException) as problem:
                        logging.getLogger(__name__).info("no keys from the agent: %s", problem)
            return self._agents[path]


def _load(path: str, passphrase: bytes | None) -> paramiko.PKey:
    try:
        return paramiko.PKey.from_path(path, passphrase)  # type: ignore[arg-type]
    except (paramiko.SSHException, ValueError, TypeError, OSError) as problem:
        raise ValueError(f"{path}: {problem}") from None


def _signer(key: paramiko.PKey) -> _Sign:
    def sign(data: bytes, algorithm: str) -> bytes:
        if algorithm == "ssh-rsa" and isinstance(key, paramiko.RSAKey):
            return Sha1RSAKey(key=key.key).sign_ssh_data(data, algorithm).asbytes()
        return key.sign_ssh_data(data, algorithm).asbytes()

    return sign


def signed_by(authority: bytes, signed: bytes, signature: bytes) -> bool:
    """Whether `signature` over `signed` is that of the key `authority`; SHA-1 signatures count for nothing."""
    try:
        key = paramiko.PKey.from_type_string(type_of(authority), authority)
        return key.verify_ssh_sig(signed, paramiko.Message(signature))
    except (paramiko.SSHException, ValueError):
        return False
