"""Connections over SSH: fabric for what ~/.ssh/config says, paramiko's transport and channels beneath.

The only module that imports either. Their threads, timers and waits are kept under one deadline per connection, and
every key a host shows is judged before anything is sent to it.
"""

from __future__ import annotations

import concurrent.futures
import getpass
import hashlib
import logging
import random
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import fabric
import paramiko
from cryptography.hazmat.primitives import hashes
from paramiko.auth_handler import AuthOnlyHandler
from paramiko.common import (
    MSG_USERAUTH_INFO_REQUEST,
    cMSG_CHANNEL_REQUEST,
    cMSG_DISCONNECT,
    cMSG_GLOBAL_REQUEST,
    cMSG_SERVICE_REQUEST,
    cMSG_USERAUTH_INFO_RESPONSE,
    cMSG_USERAUTH_REQUEST,
)
from paramiko.kex_group14 import KexGroup14SHA256
from paramiko.packet import Packetizer
from paramiko.transport import ServiceRequestingTransport

from agentless.endpoint import Endpoint, Secret
from agentless.errors import Unreachable
from agentless.runner import dial
from agentless.runner.channel import Link
from agentless.runner.host_keys import HostCertificate, HostKeys, adjust
from agentless.runner.key_files import Keyring, PassphraseNeeded, public_blob
from agentless.runner.known_hosts import KnownHosts
from agentless.runner.local import LocalLink
from agentless.runner.ssh_options import Settings, expand_includes, resolve
from agentless.runner.throttle import Places, Shared, pauses

__all__ = ["Connector", "SshChannel", "SshLink"]

# A peer that is silent for this long is asked whether it is there; one that is silent for longer is gone.
_ASK_AFTER = 15.0
_ASK_AGAIN = 10.0
_GONE_AFTER = 40.0
# How often a waiting thread of paramiko looks at these two; bounds how late they are.
_TICK = 2.0
# RFC 4253, section 6.1, asks for 35,000; OpenSSH sends no more than 256 KiB.
_PACKET_LIMIT = 300 * 1024
_PREAMBLE_LIMIT = 64 * 1024
_PIECE = 256 * 1024
_SEND_PIECE = 32 * 1024
_EXIT_WAIT = 5.0
_TRIES = 8
_JUMPS = 8
_TUNNELS = 8
_DEFAULT_TIMEOUT = Endpoint("", "").connect_timeout
# What OpenSSH says before its banner to a connection that it has no room for.
_REFUSALS = ("Exceeded MaxStartups", "Not allowed at this time")
# A raw terminal without echo (RFC 4254, section 8), so that frames pass it as they are.
_RAW = ((36, 0), (38, 0), (50, 0), (51, 0), (53, 0), (59, 0), (70, 0), (72, 0))

# Errors travel as exceptions; without this, Python prints what a library logs to nobody on stderr.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


class _Dropped(Exception):
    """The connection broke before anything was asked of the host, so that it can be tried again."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


# --- wire ------------------------------------------------------------------------------------------------------------
class _Wire:
    """The socket, or channel through a bastion, beneath a transport; knows when the other side was heard last."""

    def __init__(self, sock: socket.socket | paramiko.Channel) -> None:
        self.sock = sock
        self.heard = time.monotonic()
        self.verdict = ""

    def recv(self, size: int) -> bytes:
        data = self.sock.recv(size)
        self.heard = time.monotonic()
        return data

    def send(self, data: bytes) -> int:
        return self.sock.send(data)

    def settimeout(self, seconds: float) -> None:
        self.sock.settimeout(seconds)

    def writable(self) -> bool:
        """Whether a small packet can be sent without waiting."""
        if isinstance(self.sock, paramiko.Channel):
            return self.sock.send_ready()
        poll = select.poll()
        try:
            poll.register(self.sock, select.POLLOUT)
        except ValueError:
            # It is closed.
            return False
        return bool(poll.poll(0))

    @property
    def _closed(self) -> bool:
        # paramiko asks its sockets for this.
        return self.sock._closed  # type: ignore[union-attr]

    def close(self) -> None:
        if isinstance(self.sock, socket.socket):
            try:
                # A close alone does not wake a thread that waits in recv.
                self.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                self.verdict = self.verdict or "closed"
        self.sock.close()


class _Packets(Packetizer):
    """paramiko's packets with bounds: on their size, on the silence of the other side, and no thread for a timer."""

    def __init__(self, wire: _Wire) -> None:
        super().__init__(wire)  # type: ignore[arg-type]
        self.wire = wire
        self.preamble: list[str] = []
        self.ask: Callable[[], None] | None = None
        self._asked = 0.0
        self._early = 0

    def start_handshake(self, timeout: float) -> None:
        """The caller's deadline closes the connection; a timer thread for each is not needed."""

    def readline(self, timeout: float) -> str:
        line = super().readline(timeout)
        self.preamble.append(line[:200])
        return line

    def _read_timeout(self, timeout: float) -> bytes:
        data: bytes = super()._read_timeout(timeout)  # type: ignore[misc]
        self._early += len(data)
        if self._early > _PREAMBLE_LIMIT:
            raise EOFError
        return data

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:
        if n > _PACKET_LIMIT:
            raise paramiko.SSHException(f"a packet of {n} bytes")
        return super().read_all(n, check_rekey)

    def write_all(self, out: bytes) -> None:
        progress = time.monotonic()
        while out:
            try:
                sent = self.wire.send(out)
            except (TimeoutError, socket.timeout, BlockingIOError):
                if self.closed or time.monotonic() - progress > _GONE_AFTER:
                    self.wire.verdict = self.wire.verdict or f"it took nothing for {_GONE_AFTER:g} s"
                    raise EOFError from None
                continue
            except OSError as problem:
                self.wire.verdict = self.wire.verdict or problem.strerror or str(problem)
                raise EOFError from None
            if not sent:
                raise EOFError
            progress = time.monotonic()
            out = out[sent:]

    def _check_keepalive(self) -> None:
        now = time.monotonic()
        silence = now - self.wire.heard
        if self.ask is None or silence < _ASK_AFTER:
            return
        if silence > _GONE_AFTER:
            self.wire.verdict = f"no sign of life for {silence:.0f} s"
            raise EOFError
        if now - self._asked > _ASK_AGAIN and self.wire.writable():
            self._asked = now
            self.ask()


# --- transport -------------------------------------------------------------------------------------------------------
class _Sha1RSAKey(paramiko.RSAKey):
    """An RSA key with the SHA-1 signatures that paramiko has dropped, for hosts where the user allows them."""

    HASHES = {**paramiko.RSAKey.HASHES, "ssh-rsa": hashes.SHA1}


class _KexGroup14SHA1(KexGroup14SHA256):
    name = "diffie-hellman-group14-sha1"
    hash_algo = hashlib.sha1


class _Transport(ServiceRequestingTransport):
    """paramiko's transport that judges host keys itself, and says how far it came when it fails."""

    _active_check_timeout = _TICK
    packetizer: _Packets

    def __init__(self, wire: _Wire, settings: Settings, host_keys: HostKeys) -> None:
        super().__init__(wire, packetizer_class=_Packets)  # type: ignore[arg-type]
        self.wire = wire
        self.settings = settings
        self.refusal: Unreachable | None = None
        self.offer: dict[str, Any] = {}
        self.disconnected = ""
        self._host_keys = host_keys
        self._shown: bytes | None = None
        self._key_info = {**self._key_info, "ssh-rsa": _Sha1RSAKey}
        self._kex_info = {**self._kex_info, _KexGroup14SHA1.name: _KexGroup14SHA1}
        self._preferred_kex = adjust(self._preferred_kex, settings.kex_algorithms, tuple(self._kex_info))
        plain = (*self._preferred_keys, "ssh-rsa")
        self._offered = host_keys.algorithms(adjust(self._preferred_keys, settings.host_key_algorithms, plain))
        self._preferred_pubkeys = adjust(
            self._preferred_pubkeys, settings.key_algorithms, (*self._preferred_pubkeys, "ssh-rsa")
        )

    @property
    def preferred_keys(self) -> tuple[str, ...]:
        return self._offered

    def handshake(self, deadline: float) -> None:
        """Exchange keys, and judge the host's.

        Raises:
            Unreachable: `host-key`, `connect-timeout` or `connect`.
            _Dropped: the connection ended too early to say why.
        """
        done = threading.Event()
        self.start_client(done)
        in_time = done.wait(max(0.0, deadline - time.monotonic()))
        if self.active and self.initial_kex_done:
            return
        error = self.get_exception()
        self.close()
        raise self._failure(in_time, error)

    def _failure(self, in_time: bool, error: Exception | None) -> Exception:
        where = f"{self.settings.host} port {self.settings.port}"
        said = " ".join(line for line in self.packetizer.preamble if line).strip()
        if self.refusal is not None:
            return self.refusal
        if not in_time:
            phase = "sent no SSH banner" if not self.remote_version else "stopped answering in the key exchange"
            return Unreachable(
                "connect-timeout",
                f"{where}: it took the connection and {phase} in time",
                "Is the host overloaded, or something else than sshd listening? --connect-timeout waits longer.",
            )
        if isinstance(error, paramiko.ssh_exception.IncompatiblePeer):
            return self._incompatible(where, error)
        if not self.remote_version:
            if not said or any(refusal in said for refusal in _REFUSALS):
                reason = said[:200] or "it closed the connection before its banner"
                return _Dropped("throttled", f"{where}: {reason!r}" if said else f"{where}: {reason}")
            return Unreachable("connect", f"{where}: not an SSH server, it says {said[:200]!r}", "Is the port right?")
        reason = self.disconnected or (str(error) if isinstance(error, paramiko.SSHException) else "")
        if reason:
            return Unreachable("connect", f"{where}: the key exchange failed: {reason}")
        return _Dropped("connection-lost", f"{where}: it closed the connection in the key exchange")

    def _incompatible(self, where: str, error: Exception) -> Unreachable:
        lists = (
            ("key exchange", "kex_algo_list", self._preferred_kex, "KexAlgorithms", self._kex_info),
            ("host key", "server_key_algo_list", self._offered, "HostKeyAlgorithms", self._key_info),
            ("cipher", "server_encrypt_algo_list", self._preferred_ciphers, "", {}),
            ("MAC", "server_mac_algo_list", self._preferred_macs, "", {}),
        )
        for what, field, ours, option, possible in lists:
            theirs = [name for name in self.offer.get(field, ()) if not name.startswith(("ext-info-", "kex-strict-"))]
            if theirs and not set(theirs) & set(ours):
                able = [name for name in theirs if name in possible] if option else []
                hint = f"ssh -o {option}=+{able[0]}" if able else ""
                return Unreachable(
                    "connect",
                    f"{where}: no {what} algorithm in common: it offers only {', '.join(theirs)[:300]}",
                    f"Allow it for this host, weak as it is: `{option} +{able[0]}` in ~/.ssh/config, "
                    f"or -o {option}=+{able[0]} in ansible_ssh_common_args."
                    if hint
                    else "Nothing here can speak these any more: update sshd there, or go by a ProxyCommand.",
                )
        return Unreachable("connect", f"{where}: {error}")

    def _really_parse_kex_init(self, m: paramiko.Message, ignore_first_byte: bool = False) -> dict[str, Any]:
        parsed: dict[str, Any] = super()._really_parse_kex_init(m, ignore_first_byte)  # type: ignore[misc]
        self.offer = {name: list(value) for name, value in parsed.items() if isinstance(value, list)}
        return parsed

    def _verify_key(self, host_key: bytes, sig: bytes) -> None:
        super()._verify_key(host_key, sig)  # type: ignore[misc]
        if self._shown is None:
            try:
                self._host_keys.check(host_key)
            except Unreachable as refusal:
                self.refusal = refusal
                raise paramiko.SSHException("host key refused") from None
            self._shown = host_key
        elif self._shown != host_key:
            raise paramiko.SSHException("the host showed another key when keys were renewed")

    def _parse_disconnect(self, m: paramiko.Message) -> None:
        m.get_int()
        self.disconnected = "".join(c if c.isprintable() else "?" for c in m.get_text())[:300]

    def watch(self) -> None:
        """From now on, notice when the other side is gone."""
        self.wire.heard = time.monotonic()
        self.packetizer.ask = self._ask

    def _ask(self) -> None:
        if not self.clear_to_send.is_set():
            return
        message = paramiko.Message()
        message.add_byte(cMSG_GLOBAL_REQUEST)
        message.add_string("keepalive@openssh.com")
        message.add_boolean(True)
        self._send_message(message)  # type: ignore[attr-defined]

    def lost(self) -> Unreachable:
        """Why the connection is no more."""
        error = self.get_exception()
        detail = str(error) if isinstance(error, (paramiko.SSHException, OSError)) else ""
        reason = self.disconnected or self.wire.verdict or detail or "the host closed it"
        return Unreachable("connection-lost", f"{self.settings.host}: the connection broke: {reason}")

    def hang_up(self) -> None:
        """Say goodbye if that takes no waiting, and close."""
        if self.active and self.initial_kex_done and self.wire.writable() and self.clear_to_send.is_set():
            message = paramiko.Message()
            message.add_byte(cMSG_DISCONNECT)
            message.add_int(11)
            message.add_string("disconnected by user")
            message.add_string("")
            try:
                self._send_message(message)  # type: ignore[attr-defined]
            except EOFError:
                self.wire.verdict = self.wire.verdict or "closed"
        self.close()
        self.wire.close()


# --- logging in ------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Key:
    """A key that may be offered: `sign` is None while it is locked."""

    label: str
    blob: bytes
    type: str
    sign: Callable[[bytes, str], bytes] | None
    path: str = ""
    explicit: bool = False


class _Agent(paramiko.agent.AgentSSH):
    """The ssh-agent at a socket; its one connection is shared by threads."""

    def __init__(self, path: str | None) -> None:
        super().__init__()
        self._turn = threading.Lock()
        if path is None:
            connection = paramiko.agent.get_agent_connection()
        else:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.connect(path)
        if connection is not None:
            # A key may need a touch or a confirmation by its owner.
            connection.settimeout(_AGENT_WAIT)
            self._connect(connection)  # type: ignore[attr-defined]

    def _send_message(self, msg: bytes | paramiko.Message) -> tuple[int, paramiko.Message]:
        with self._turn:
            return super()._send_message(msg)  # type: ignore[misc, no-any-return]

    def keys(self) -> dict[bytes, _Key]:
        """The agent's keys and certificates, by blob."""
        return {
            key.blob: _Key(f"{key.name} {key.comment or ''} (agent)", key.blob, key.name, self._signer(key.blob))
            for key in self.get_keys()
        }

    def _signer(self, blob: bytes) -> Callable[[bytes, str], bytes]:
        def sign(data: bytes, algorithm: str) -> bytes:
            message = paramiko.Message()
            message.add_byte(paramiko.agent.cSSH2_AGENTC_SIGN_REQUEST)
            message.add_string(blob)
            message.add_string(data)
            message.add_int(paramiko.agent.ALGORITHM_FLAG_MAP.get(algorithm, 0))
            kind, reply = self._send_message(message)
            if kind != paramiko.agent.SSH2_AGENT_SIGN_RESPONSE:
                raise paramiko.SSHException("the agent refuses to sign")
            return reply.get_binary()

        return sign


_AGENT_WAIT = 60.0


def _load(path: str, passphrase: bytes | None) -> paramiko.PKey:
    try:
        return paramiko.PKey.from_path(path, passphrase)  # type: ignore[arg-type]
    except (paramiko.SSHException, ValueError, TypeError, OSError) as problem:
        raise ValueError(f"{path}: {problem}") from None


def _file_signer(key: paramiko.PKey) -> Callable[[bytes, str], bytes]:
    def sign(data: bytes, algorithm: str) -> bytes:
        if algorithm == "ssh-rsa" and isinstance(key, paramiko.RSAKey):
            return _Sha1RSAKey(key=key.key).sign_ssh_data(data, algorithm).asbytes()
        return key.sign_ssh_data(data, algorithm).asbytes()

    return sign


class _Login(AuthOnlyHandler):
    """Authentication requests, one at a time, each within the deadline of the connection."""

    def __init__(self, transport: _Transport, user: str) -> None:
        super().__init__(transport)
        self.user = user
        self.methods: tuple[str, ...] | None = None
        self.outcome = ""
        self._done = threading.Event()
        self._answer: Callable[[list[tuple[str, bool]]], list[str]] = lambda prompts: []

    @property
    def _client_handler_table(self) -> dict[int, Callable[[paramiko.Message], None]]:
        table: dict[int, Callable[[paramiko.Message], None]] = dict(super()._client_handler_table)
        table[MSG_USERAUTH_INFO_REQUEST] = self._parse_60
        return table

    def abort(self) -> None:
        self._done.set()

    def _parse_userauth_success(self, m: paramiko.Message) -> None:
        self.outcome = "success"
        super()._parse_userauth_success(m)  # type: ignore[misc]
        self._done.set()

    def _parse_userauth_failure(self, m: paramiko.Message) -> None:
        self.methods = tuple(m.get_list())
        self.outcome = "partial" if m.get_boolean() else "failure"
        self._done.set()

    def _parse_60(self, m: paramiko.Message) -> None:
        """Message 60 has a meaning for each method: RFC 4252, section 7, and RFC 4256, section 3.2."""
        if self.auth_method == "publickey":
            self.outcome = "acceptable"
            self._done.set()
            return
        if self.auth_method != "keyboard-interactive":
            raise paramiko.SSHException("a question that belongs to no method")
        m.get_string()
        m.get_string()
        m.get_string()
        answers = self._answer([(m.get_text(), m.get_boolean()) for _ in range(min(m.get_int(), 16))])
        reply = paramiko.Message()
        reply.add_byte(cMSG_USERAUTH_INFO_RESPONSE)
        reply.add_int(len(answers))
        for answer in answers:
            reply.add_string(answer)
        self.transport._send_message(reply)

    def attempt(self, method: str, fields: Callable[[paramiko.Message], object], deadline: float) -> str:
        """Try a method: `success`, `failure`, `partial` (one more is wanted), or `acceptable` (a key was asked about).

        Raises:
            Unreachable: `connect-timeout` or `auth`.
            _Dropped: the connection broke.
        """
        transport = self.transport
        self.auth_method, self.username, self.outcome = method, self.user, ""
        self._done.clear()
        message = paramiko.Message()
        message.add_byte(cMSG_USERAUTH_REQUEST)
        message.add_string(self.user)
        message.add_string("ssh-connection")
        message.add_string(method)
        fields(message)
        try:
            if not transport._service_userauth_accepted and self.methods is None:
                # The server reads one message after the other, so the first request need not wait for its consent.
                request = paramiko.Message()
                request.add_byte(cMSG_SERVICE_REQUEST)
                request.add_string("ssh-userauth")
                transport._send_message(request)
            transport._send_message(message)
        except EOFError:
            self._done.set()
        in_time = self._done.wait(max(0.0, deadline - time.monotonic()))
        if self.outcome:
            return self.outcome
        settings = transport.settings
        where = f"{settings.host} port {settings.port}"
        if not in_time:
            raise Unreachable(
                "connect-timeout",
                f"{where}: it did not answer in time when {self.user} logged in",
                "Slow name resolution or PAM on the host? --connect-timeout waits longer.",
            )
        if transport.disconnected:
            raise Unreachable("auth", f"{self.user}@{where}: {transport.disconnected}", _TOO_MANY)
        raise _Dropped("connection-lost", f"{where}: it closed the connection while {self.user} logged in")

    def with_key(self, key: _Key, deadline: float) -> str:
        """Offer a key; a locked one is only asked about."""
        outcome = "failure"
        for algorithm in self._algorithms(key.type):
            data = paramiko.Message()
            data.add_string(self.transport.session_id)
            data.add_byte(cMSG_USERAUTH_REQUEST)
            for field in (self.user, "ssh-connection", "publickey"):
                data.add_string(field)
            data.add_boolean(True)
            data.add_string(algorithm)
            data.add_string(key.blob)
            signature = key.sign(data.asbytes(), algorithm) if key.sign else None

            def fields(message: paramiko.Message, algorithm: str = algorithm, sig: bytes | None = signature) -> None:
                message.add_boolean(sig is not None)
                message.add_string(algorithm)
                message.add_string(key.blob)
                if sig is not None:
                    message.add_string(sig)

            outcome = self.attempt("publickey", fields, deadline)
            if outcome != "failure" or "publickey" not in (self.methods or ()):
                break
        return outcome

    def _algorithms(self, type_: str) -> tuple[str, ...]:
        """The signature algorithms to try for a key type: RFC 8332 gives RSA several."""
        if not type_.startswith("ssh-rsa"):
            return (type_,)
        suffix = type_.removeprefix("ssh-rsa")
        able = [name for name in self.transport._preferred_pubkeys if "rsa" in name]
        told = self.transport.server_extensions.get("server-sig-algs", b"").decode("ascii", "replace").split(",")
        fit = [name for name in able if name in told] if any(told) else [n for n in able if n != "rsa-sha2-256"]
        return tuple(f"{name}{suffix}" for name in fit)

    def with_password(self, password: Secret, deadline: float) -> str:
        """Give the password, by whichever of the two methods the host has."""
        outcome = "failure"
        if self.methods is None or "password" in self.methods:

            def fields(message: paramiko.Message) -> None:
                message.add_boolean(False)
                message.add_string(password.reveal())

            outcome = self.attempt("password", fields, deadline)
        if outcome == "failure" and "keyboard-interactive" in (self.methods or ()):
            given: list[bool] = []

            def answer(prompts: list[tuple[str, bool]]) -> list[str]:
                # A second hidden question is another's (a code, a new password): the password is no answer to it.
                fit = len(prompts) == 1 and not prompts[0][1] and not given
                given.extend([True] * len(prompts))
                return [password.reveal()] if fit else [""] * len(prompts)

            def start(message: paramiko.Message) -> None:
                message.add_string("")
                message.add_string("")

            self._answer = answer
            outcome = self.attempt("keyboard-interactive", start, deadline)
        return outcome


_TOO_MANY = (
    "More keys were offered than sshd has patience for: IdentitiesOnly yes and an IdentityFile name the right one."
)


# --- channel and link ------------------------------------------------------------------------------------------------
class _Bell(threading.Event):
    """Rung by both streams of a channel, and silenced only by the reader, so that no piece is missed."""

    def clear(self) -> None:
        """paramiko clears it when one stream is empty, though the other may not be."""

    def silence(self) -> None:
        super().clear()


class SshChannel:
    """A command on a host; see `channel.Channel`."""

    def __init__(self, transport: _Transport, channel: paramiko.Channel) -> None:
        self._transport = transport
        self._channel = channel
        self._bell = _Bell()
        channel.in_buffer.set_event(self._bell)
        channel.in_stderr_buffer.set_event(self._bell)

    def send(self, data: bytes, timeout: float) -> None:
        self._channel.settimeout(timeout)
        at = 0
        try:
            while at < len(data):
                sent = self._channel.send(data[at : at + _SEND_PIECE])
                if not sent:
                    raise OSError("closed")
                at += sent
        except (TimeoutError, socket.timeout):
            host = self._transport.settings.host
            raise Unreachable("connection-lost", f"{host}: it took no input for {timeout:g} s") from None
        except (OSError, paramiko.SSHException):
            raise self._end_of_stdin() from None
        if not self._transport.is_active():
            raise self._transport.lost()

    def _end_of_stdin(self) -> Exception:
        return BrokenPipeError("the command reads no more") if self._transport.is_active() else self._transport.lost()

    def recv(self, timeout: float) -> tuple[int, bytes] | None:
        until = time.monotonic() + timeout
        channel = self._channel
        while True:
            self._bell.silence()
            # Read before the buffers are looked at: what came before the end is in them by then.
            ended = channel.eof_received or channel.closed
            try:
                if channel.recv_ready():
                    return 1, channel.recv(_PIECE)
                if channel.recv_stderr_ready():
                    return 2, channel.recv_stderr(_PIECE)
            except (OSError, EOFError, paramiko.SSHException):
                raise self._transport.lost() from None
            if ended:
                if channel.eof_received or self._transport.is_active():
                    return 0, b""
                raise self._transport.lost()
            if not self._bell.wait(max(0.0, until - time.monotonic())):
                return None

    def close_stdin(self) -> None:
        try:
            self._channel.shutdown_write()
        except (OSError, EOFError, paramiko.SSHException):
            if self._transport.is_active():
                raise
            raise self._transport.lost() from None

    def exit_status(self) -> int | None:
        self._channel.status_event.wait(_EXIT_WAIT)
        status = self._channel.exit_status
        return status if status >= 0 else None

    def close(self) -> None:
        if self._transport.is_active() and self._transport.wire.writable():
            try:
                self._channel.close()
            except (OSError, EOFError, paramiko.SSHException):
                self._transport.close()


class SshLink:
    """A connection that is logged in; see `channel.Link`."""

    def __init__(
        self, transport: _Transport, user: str, timeout: float, spent: float, proxy: dial.Proxy | None
    ) -> None:
        self.user = user
        self._transport = transport
        self._proxy = proxy
        self._timeout = timeout
        self._budget = max(1.0, timeout - spent)
        self._tunnels = threading.BoundedSemaphore(_TUNNELS)

    def __enter__(self) -> SshLink:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        return self._transport.is_active()

    def exec(self, line: str, *, pty: bool = False) -> SshChannel:
        until = time.monotonic() + self._budget
        self._budget = self._timeout
        channel = self._open("session", until)
        # paramiko's own exec_command waits for the answer without an end.
        channel._event_pending()  # type: ignore[attr-defined]
        if pty:
            self._request(channel, "pty-req", False, _pty)
        self._request(channel, "exec", True, lambda message: message.add_string(line))
        answered = channel.event.wait(max(0.0, until - time.monotonic()))
        if channel.event_ready:
            return SshChannel(self._transport, channel)
        if not self._transport.is_active():
            raise self._transport.lost()
        host = self._transport.settings.host
        if answered:
            raise Unreachable(
                "connect", f"{host}: it refuses to run commands", "A forced command or a restricted shell?"
            )
        raise _slow(host, "did not start the command")

    def tunnel(self, host: str, port: int, deadline: float) -> paramiko.Channel:
        """A connection from this host to another, for a link through it."""
        with self._tunnels:
            return self._open("direct-tcpip", deadline, (host, port), ("127.0.0.1", 0))

    def close(self) -> None:
        self._transport.hang_up()
        if self._proxy is not None:
            self._proxy.close()

    def _open(self, kind: str, until: float, to: Any = None, source: Any = None) -> paramiko.Channel:
        host = self._transport.settings.host
        left = max(0.1, until - time.monotonic())
        try:
            return self._transport.open_channel(kind, to, source, timeout=left)
        except paramiko.ChannelException as refusal:
            # RFC 4254, section 5.1; OpenSSH says 1 for forbidden forwarding, 2 for a target that does not answer.
            if to is None:
                raise Unreachable(
                    "connect", f"{host}: no session: {refusal.text}", "Its MaxSessions, or its limits?"
                ) from None
            target = f"{to[0]} port {to[1]}"
            hint = "Does AllowTcpForwarding on the bastion permit it?" if refusal.code == 1 else "Is the host up?"
            raise Unreachable("connect", f"{target}: not reached from {host}: {refusal.text}", hint) from None
        except (paramiko.SSHException, EOFError, OSError) as problem:
            if not self._transport.is_active():
                raise self._transport.lost() from None
            if "Timeout" in str(problem):
                raise _slow(host, "did not open a session" if to is None else f"did not reach {to[0]}") from None
            raise Unreachable("connect", f"{host}: {problem}") from None

    def _request(
        self, channel: paramiko.Channel, kind: str, reply: bool, fields: Callable[[paramiko.Message], object]
    ) -> None:
        message = paramiko.Message()
        message.add_byte(cMSG_CHANNEL_REQUEST)
        message.add_int(channel.remote_chanid)
        message.add_string(kind)
        message.add_boolean(reply)
        fields(message)
        try:
            self._transport._send_user_message(message)  # type: ignore[attr-defined]
        except (EOFError, paramiko.SSHException):
            raise self._transport.lost() from None


def _slow(host: str, what: str) -> Unreachable:
    return Unreachable(
        "connect-timeout", f"{host}: it {what} in time", "Is the host overloaded? --connect-timeout waits longer."
    )


def _pty(message: paramiko.Message) -> None:
    message.add_string("vt100")
    for size in (80, 24, 0, 0):
        message.add_int(size)
    modes = b"".join(bytes((code,)) + value.to_bytes(4, "big") for code, value in _RAW)
    message.add_string(modes + b"\0")


# --- connector -------------------------------------------------------------------------------------------------------
class Connector:
    """Connects to hosts; owns what their connections share. Thread safe.

    Args:
        ask: shows a prompt for the passphrase of a key and returns the answer; None where nobody can be asked.
        home: whose `.ssh` is read; the user's by default.
        system_config: the system's ssh_config, read after the user's.
    """

    def __init__(
        self,
        *,
        ask: Callable[[str], Secret | None] | None = None,
        home: Path | None = None,
        system_config: Path = Path("/etc/ssh/ssh_config"),
    ) -> None:
        self._home = home or Path.home()
        self._system_config = system_config
        self._known = KnownHosts()
        self._ring = Keyring(_load, ask)
        self._places = Places()
        self._bastions: Shared[SshLink] = Shared()
        self._random = random.Random()
        self._lock = threading.Lock()
        self._text: str | None = None
        self._configs: dict[str, fabric.Config] = {}
        self._agents: dict[str | None, dict[bytes, _Key]] = {}
        self._worked: set[bytes] = set()

    def connect(self, endpoint: Endpoint) -> Link:
        """Connect and log in; see `channel.Connector`."""
        if endpoint.local:
            return LocalLink()
        said = [("user", endpoint.user), ("port", endpoint.port and str(endpoint.port))]
        said += [("identityfile", file) for file in endpoint.key_files]
        options = [(keyword, value) for keyword, value in said if value] + list(endpoint.options)
        accept_new = endpoint.host_key_checking == "accept-new"
        settings, patience = self._settings(endpoint.address, options, accept_new)
        timeout = endpoint.connect_timeout
        if timeout == _DEFAULT_TIMEOUT and patience:
            timeout = patience
        while True:
            try:
                return self._connect(settings, endpoint.password, timeout, None)
            except PassphraseNeeded as key:
                self._ring.unlock(key.path)

    def close(self) -> None:
        """Disconnect from the bastions."""
        self._bastions.close()

    # what the configuration says
    def _settings(
        self, address: str, options: Sequence[tuple[str, str]], accept_new: bool
    ) -> tuple[Settings, float | None]:
        user, _, name = address.rpartition("@")
        said = [*options, ("user", user)] if user else list(options)
        try:
            found = self._config(said).base_ssh_config.lookup(name.removeprefix("[").removesuffix("]"))
            patience = found.get("connecttimeout")
            settings = resolve(
                found,
                name=name.removeprefix("[").removesuffix("]"),
                default_user=getpass.getuser(),
                accept_new=accept_new,
                home=self._home,
            )
            return settings, float(patience) if patience else None
        except (ValueError, OSError, paramiko.SSHException, paramiko.config.ConfigParseError) as problem:
            raise Unreachable(
                "connect", f"{name}: its SSH options cannot be read: {problem}", f"Mend {self._home}/.ssh/config."
            ) from problem

    def _config(self, said: Sequence[tuple[str, str]]) -> fabric.Config:
        """The configuration files, after what was said on the spot: of a keyword, the first value wins."""
        with self._lock:
            if self._text is None:
                files = (self._home / ".ssh" / "config", self._system_config)
                self._text = "\n".join(expand_includes(file, self._home) for file in files)
            for keyword, value in said:
                if not keyword.isalnum() or not value.isprintable():
                    raise ValueError(f"{keyword} {value!r}")
            head = "\n".join(f"{keyword} {value}" for keyword, value in said)
            if head not in self._configs:
                if len(self._configs) > 1000:
                    self._configs.clear()
                parsed = paramiko.SSHConfig.from_text(f"{head}\n{self._text}")
                self._configs[head] = fabric.Config(ssh_config=parsed, lazy=True)
            return self._configs[head]

    # connecting
    def _connect(self, settings: Settings, password: Secret | None, timeout: float, deadline: float | None) -> SshLink:
        """Connect, again after a while if the host has no room, until the deadline."""
        key = (settings.jumps, settings.proxy_command, settings.host.lower(), settings.port)
        dropped: _Dropped | None = None
        for _ in range(_TRIES):
            with self._places.hold(key):
                if deadline is None:
                    deadline = time.monotonic() + timeout
                if dropped is None:
                    breaks = pauses(deadline, self._random)
                try:
                    return self._handshake(settings, password, timeout, deadline)
                except _Dropped as drop:
                    dropped = drop
                except Unreachable as problem:
                    if dropped is None or problem.kind != "connect-timeout":
                        raise
                    break
            pause = next(breaks, None)
            if pause is None:
                break
            time.sleep(pause)
        assert dropped is not None
        hint = "Its sshd has no room: MaxStartups there, fewer --forks here, or a firewall or hosts.deny that drops us."
        raise Unreachable(
            dropped.kind, str(dropped), hint if dropped.kind == "throttled" else "Look at sshd's log there."
        )

    def _handshake(self, settings: Settings, password: Secret | None, timeout: float, deadline: float) -> SshLink:
        started = time.monotonic()
        sock, proxy = self._sock(settings, timeout, deadline)
        wire = _Wire(sock)
        transport: _Transport | None = None
        try:
            transport = _Transport(wire, settings, HostKeys(settings, self._known, _verify))
            transport.handshake(deadline)
            self._log_in(transport, settings, password, deadline)
            transport.watch()
        except BaseException as problem:
            if transport is not None:
                transport.close()
            wire.close()
            if proxy is not None:
                complaint = proxy.complaint if isinstance(problem, _Dropped) else ""
                proxy.close()
                if complaint:
                    raise Unreachable("connect", f"{settings.host}: its ProxyCommand says: {complaint}") from None
            raise
        return SshLink(transport, settings.user, timeout, time.monotonic() - started, proxy)

    def _sock(
        self, settings: Settings, timeout: float, deadline: float
    ) -> tuple[socket.socket | paramiko.Channel, dial.Proxy | None]:
        if settings.proxy_command:
            proxy = dial.Proxy(settings.proxy_command)
            return proxy.sock, proxy
        if settings.jumps:
            return self._bastion(settings, timeout, deadline).tunnel(settings.host, settings.port, deadline), None
        sock = dial.dial(settings.host, settings.port, deadline, family=settings.family, bind=settings.bind)
        dial.tune(sock, _GONE_AFTER)
        return sock, None

    def _bastion(self, settings: Settings, timeout: float, deadline: float) -> SshLink:
        *before, last = settings.jumps
        options = [("user", last.user), ("port", last.port and str(last.port)), *last.options]
        hop, _ = self._settings(last.host, [(k, v) for k, v in options if v], settings.accept_new)
        if before:
            hop = replace(hop, jumps=tuple(before), proxy_command=None)
        if len(hop.jumps) > _JUMPS or any(jump in settings.jumps for jump in hop.jumps if not before):
            # A `Host *` block with ProxyJump speaks of the bastion too; it is not its own way to itself.
            hop = replace(hop, jumps=())
        try:
            return self._bastions.get(hop, lambda: self._connect(hop, None, timeout, deadline), deadline)
        except concurrent.futures.TimeoutError:
            raise _slow(hop.host, "(the bastion) was not reached") from None
        except Unreachable as problem:
            raise Unreachable(problem.kind, f"bastion {hop.user}@{problem.message}", problem.hint) from None

    # logging in
    def _log_in(self, transport: _Transport, settings: Settings, password: Secret | None, deadline: float) -> None:
        login = transport.auth_handler = _Login(transport, settings.user)
        keys, notes = self._keys(settings) if "publickey" in settings.methods else ([], [])
        Step = tuple[str, str, Callable[[], str]]

        def offer(key: _Key) -> Step:
            return "publickey", key.label, lambda: self._offer(login, key, notes, deadline)

        steps = [offer(key) for key in keys if key.explicit]
        given = password if {"password", "keyboard-interactive"} & set(settings.methods) else None
        if given is not None:
            steps.append(("password", "password", lambda: login.with_password(given, deadline)))
        steps += [offer(key) for key in keys if not key.explicit]
        tried: list[str] = []
        while steps:
            method, label, attempt = steps.pop(0)
            allowed = login.methods
            if (
                allowed is not None
                and method not in allowed
                and (method != "password" or "keyboard-interactive" not in allowed)
            ):
                continue
            tried.append(label)
            if attempt() == "success":
                return
        if not tried and login.attempt("none", lambda message: None, deadline) == "success":
            return
        raise self._denied(settings, login, tried, notes, given)

    def _offer(self, login: _Login, key: _Key, notes: list[str], deadline: float) -> str:
        if key.sign is None and not self._ring.can_unlock(key.path):
            notes.append(f"{key.path} is locked")
            return "failure"
        try:
            outcome = login.with_key(key, deadline)
        except (paramiko.SSHException, OSError, ValueError) as problem:
            notes.append(f"{key.label}: {problem}")
            return "failure"
        if outcome == "acceptable":
            raise PassphraseNeeded(key.path)
        if outcome in ("success", "partial"):
            self._worked.add(key.blob)
        return outcome

    def _denied(
        self, settings: Settings, login: _Login, tried: Sequence[str], notes: Sequence[str], password: Secret | None
    ) -> Unreachable:
        allowed = ", ".join(login.methods or ()) or "nothing"
        message = f"{settings.user}@{settings.host} port {settings.port}: permission denied; it takes {allowed}"
        message += f"; tried {', '.join(tried)}" if tried else "; there was nothing to try"
        message += f"; {'; '.join(notes)}" if notes else ""
        hints = ["ssh-add unlocks a key"] if any("locked" in note for note in notes) else []
        hints += ["--private-key (ansible_ssh_private_key_file) names a key, --user (ansible_user) the user"]
        if password is None and {"password", "keyboard-interactive"} & set(login.methods or ()):
            hints.append("-k asks for a password")
        return Unreachable("auth", message, "; ".join(hints) + ".")

    def _keys(self, settings: Settings) -> tuple[list[_Key], list[str]]:
        """The keys to offer, the likeliest first: those asked for, the agent's others, those of the usual names."""
        agent = self._agent(settings.agent)
        notes: list[str] = []
        found: dict[bytes, _Key] = {}
        for path in settings.identities:
            for key in self._file_keys(path, settings, agent, notes, explicit=True):
                found.setdefault(key.blob, key)
        if not settings.identities_only:
            for blob, key in agent.items():
                found.setdefault(blob, key)
        for path in settings.default_identities:
            for key in self._file_keys(path, settings, agent, notes, explicit=False):
                found.setdefault(key.blob, key)
        return sorted(found.values(), key=lambda key: key.blob not in self._worked), notes

    def _file_keys(
        self, path: str, settings: Settings, agent: dict[bytes, _Key], notes: list[str], *, explicit: bool
    ) -> Iterator[_Key]:
        try:
            file = self._ring.file(path)
            loaded = self._ring.key(path)
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
        sign = agent[plain].sign if plain in agent else _file_signer(loaded) if loaded is not None else None
        if sign is None and not file.private:
            notes.append(f"{path}: a public key, and the agent does not hold its private one")
            return
        others = [blob for name in settings.certificates if (blob := public_blob(name))]
        for certificate in (*file.certificates, *others):
            try:
                fits = HostCertificate.read(certificate).plain == plain
            except ValueError as problem:
                notes.append(f"{path}: its certificate: {problem}")
                continue
            if fits:
                yield _Key(f"{path} (certificate)", certificate, _type(certificate), sign, path, explicit)
        yield _Key(path, plain, _type(plain), sign, path, explicit)

    def _agent(self, path: str | None) -> dict[bytes, _Key]:
        with self._lock:
            if path not in self._agents:
                self._agents[path] = {}
                if path != "":
                    try:
                        self._agents[path] = _Agent(path).keys()
                    except (OSError, paramiko.SSHException) as problem:
                        logging.getLogger(__name__).info("no keys from the agent: %s", problem)
            return self._agents[path]


def _type(blob: bytes) -> str:
    return paramiko.Message(blob).get_text()


def _verify(authority: bytes, signed: bytes, signature: bytes) -> bool:
    try:
        key = paramiko.PKey.from_type_string(_type(authority), authority)
        return key.verify_ssh_sig(signed, paramiko.Message(signature))
    except (paramiko.SSHException, ValueError):
        return False
