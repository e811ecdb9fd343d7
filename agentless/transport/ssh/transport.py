"""paramiko's transport, as we want it: one deadline, a judged host key, and words for every way to fail."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import threading
import time
from collections.abc import Sequence

import paramiko
from cryptography.hazmat.primitives import hashes
from paramiko.common import cMSG_DISCONNECT, cMSG_GLOBAL_REQUEST
from paramiko.kex_group14 import KexGroup14SHA256

from agentless.errors import Unreachable
from agentless.openssh.settings import Settings
from agentless.transport.channel import printable
from agentless.transport.ssh.algorithms import CIPHERS, KEX, MACS, adjust
from agentless.transport.ssh.host_keys import HostKeys
from agentless.transport.ssh.innards import TransportInnards, packed
from agentless.transport.ssh.packets import Packets, Wire, words_of

__all__ = ["Dropped", "Sha1RSAKey", "Transport"]

# What OpenSSH says before its banner to a connection that it has no room for.
_REFUSALS = ("Exceeded MaxStartups", "Not allowed at this time")

# What is offered where no option says otherwise, and yet is nothing to advise.
_WEAK = ("-cbc", "-md5", "-sha1")

# Errors travel as exceptions; without this, Python prints what a library logs to nobody on stderr.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


class Dropped(Exception):
    """The connection broke before the host was to do anything, so that it can be tried again."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Sha1RSAKey(paramiko.RSAKey):
    """An RSA key with the SHA-1 signatures that paramiko has dropped, for hosts where the user allows them."""

    HASHES = {**paramiko.RSAKey.HASHES, "ssh-rsa": hashes.SHA1}  # type: ignore[misc]  # noqa: RUF012 - as paramiko has it


class _KexGroup14SHA1(KexGroup14SHA256):
    name = "diffie-hellman-group14-sha1"
    hash_algo = hashlib.sha1


class Transport(TransportInnards):
    """paramiko's transport that judges host keys itself, and says how far it came when it fails."""

    packetizer: Packets

    def __init__(self, wire: Wire, settings: Settings, host_keys: HostKeys) -> None:
        super().__init__(wire, Packets)
        self.wire = wire
        self.settings = settings
        self.refusal: Unreachable | None = None
        self.offer: dict[str, list[str]] = {}
        self.disconnected = ""
        # How it was logged in: by what, and what was refused before.
        self.way = ""
        self._broke = threading.Lock()
        self._why: Unreachable | None = None
        self._host_keys = host_keys
        self._shown: bytes | None = None
        self.teach(keys={"ssh-rsa": Sha1RSAKey}, kex={_KexGroup14SHA1.name: _KexGroup14SHA1})
        wanted, able = self.get_security_options(), self.able
        # paramiko's own defaults have what OpenSSH has dropped: 3des-cbc, aes128-cbc, hmac-md5, hmac-sha1-96.
        ours = {"kex": KEX, "ciphers": CIPHERS, "macs": MACS}
        usual = [[name for name in names if name in able[kind]] for kind, names in ours.items()]
        self._usual = [
            name for names in (*usual, wanted.key_types) for name in names if not any(weak in name for weak in _WEAK)
        ]
        wanted.kex = adjust(usual[0], settings.kex_algorithms, able["kex"])
        wanted.ciphers = adjust(usual[1], settings.ciphers, able["ciphers"])
        wanted.digests = adjust(usual[2], settings.macs, able["macs"])
        plain = (*wanted.key_types, "ssh-rsa")
        self._offered = host_keys.algorithms(adjust(wanted.key_types, settings.host_key_algorithms, plain))

    @property
    def preferred_keys(self) -> tuple[str, ...]:
        return self._offered

    def handshake(self, deadline: float) -> None:
        """Exchange keys, and judge the host's.

        Raises:
            Unreachable: `host-key`, `connect-timeout` or `connect`.
            Dropped: the connection ended too early to say why.
        """
        done = threading.Event()
        try:
            self.start_client(done)
        except RuntimeError as problem:
            raise Unreachable(
                "connect", f"{self.settings.host}: {problem}", "Lower `forks`, or raise `ulimit -u`."
            ) from None
        in_time = done.wait(max(0.0, deadline - time.monotonic()))
        if self.in_session:
            return
        error = self.get_exception()
        self.close()
        raise self._failure(in_time, error)

    def _failure(self, in_time: bool, error: Exception | None) -> Exception:
        where = f"{self.settings.host} port {self.settings.port}"
        preamble = " ".join(line for line in self.packetizer.preamble if line).strip()
        if self.refusal is not None:
            return self.refusal
        if not in_time:
            phase = "sent no SSH banner" if not self.remote_version else "did not finish the key exchange"
            return Unreachable(
                "connect-timeout",
                f"{where}: it took the connection and {phase} in time",
                "Is the host overloaded, or something else than sshd listening? a longer `connect_timeout` helps.",
            )
        if isinstance(error, paramiko.ssh_exception.IncompatiblePeer):
            return self._incompatible(where, error)
        if not self.remote_version:
            if not preamble or any(refusal in preamble for refusal in _REFUSALS):
                reason = repr(preamble[:200]) if preamble else "it closed the connection before its banner"
                return Dropped("throttled", f"{where}: {reason}")
            return Unreachable(
                "connect", f"{where}: not an SSH server, it says {preamble[:200]!r}", "Is the port right?"
            )
        reason = self.disconnected or (str(error) if isinstance(error, paramiko.SSHException) else "")
        if reason:
            return Unreachable("connect", f"{where}: the key exchange failed: {reason}")
        return Dropped("connection-lost", f"{where}: it closed the connection in the key exchange")

    def _incompatible(self, where: str, error: Exception) -> Unreachable:
        ours, able, settings = self.get_security_options(), self.able, self.settings
        kex, keys = settings.kex_algorithms, settings.host_key_algorithms
        lists: tuple[tuple[str, str, Sequence[str], str, str, Sequence[str]], ...] = (
            ("key exchange", "kex_algo_list", ours.kex, "KexAlgorithms", kex, able["kex"]),
            ("host key", "server_key_algo_list", self._offered, "HostKeyAlgorithms", keys, able["keys"]),
            ("cipher", "server_encrypt_algo_list", ours.ciphers, "Ciphers", settings.ciphers, able["ciphers"]),
            ("MAC", "server_mac_algo_list", ours.digests, "MACs", settings.macs, able["macs"]),
        )
        for what, field, offered, option, value, possible in lists:
            theirs = [name for name in self.offer.get(field, ()) if not name.startswith(("ext-info-", "kex-strict-"))]
            if theirs and not set(theirs) & set(offered):
                addable = [name for name in theirs if name in possible]
                good = [name for name in self._usual if name in theirs]
                if value and good:
                    speaks = "of which it speaks none" if offered else "none of which is spoken here"
                    return Unreachable(
                        "connect",
                        f"{where}: no {what} algorithm in common: {option} says {value[:300]}, {speaks}",
                        f"Both sides know {', '.join(good[:4])}: add one to {option} for this host.",
                    )
                return Unreachable(
                    "connect",
                    f"{where}: no {what} algorithm in common: it offers only {', '.join(theirs)[:300]}",
                    f"Allow it for this host, weak as it is: `{option} +{addable[0]}` in ~/.ssh/config, "
                    f"or -o {option}=+{addable[0]} in ansible_ssh_common_args."
                    if addable
                    else "Nothing here can speak these any more: update sshd there, or go by a ProxyCommand.",
                )
        return Unreachable("connect", f"{where}: {error}")

    def hear_offer(self, offer: dict[str, list[str]]) -> None:
        self.offer = offer

    def judge(self, host_key: bytes) -> None:
        if self._shown is None:
            try:
                self._host_keys.check(host_key)
            except Unreachable as refusal:
                self.refusal = refusal
                raise paramiko.SSHException("host key refused") from None
            self._shown = host_key
        elif self._shown != host_key:
            raise paramiko.SSHException("the host showed another key when keys were renewed")

    def hear_goodbye(self, words: str) -> None:
        self.disconnected = printable(words)

    def watch(self) -> None:
        """From now on, notice when the other side is gone."""
        self.wire.heard_at = time.monotonic()
        self.packetizer.ask = self._ask

    def _ask(self) -> None:
        if self.may_send:
            self.send(packed(cMSG_GLOBAL_REQUEST, "keepalive@openssh.com", True))

    def lost(self) -> Unreachable:
        """Why the connection is no more; the same for everyone who asks."""
        with self._broke:
            # Who meets the break first, such as by sending, knows it before the thread that reads.
            self.torn = True
            if self._why is None:
                # It is told once only.
                error = self.get_exception()
                detail = words_of(error) if isinstance(error, (paramiko.SSHException, OSError)) else ""
                reason = self.disconnected or self.wire.verdict or detail or "the host closed it"
                self._why = Unreachable("connection-lost", f"{self.settings.host}: the connection broke: {reason}")
            why = self._why
        return Unreachable(why.kind, why.message, why.hint)

    def hang_up(self) -> None:
        """Say goodbye if that takes no waiting, and close."""
        if self.in_session and self.wire.writable() and self.may_send:
            with contextlib.suppress(EOFError):
                self.send(packed(cMSG_DISCONNECT, 11, "disconnected by user", ""))
        self.close()
        self.wire.close()
