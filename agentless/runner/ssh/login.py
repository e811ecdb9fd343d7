"""Logging in: keys, password and questions, each attempt within the connection's deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import paramiko
from paramiko.auth_handler import AuthOnlyHandler
from paramiko.common import (
    MSG_USERAUTH_INFO_REQUEST,
    cMSG_SERVICE_REQUEST,
    cMSG_USERAUTH_INFO_RESPONSE,
    cMSG_USERAUTH_REQUEST,
)

from agentless.endpoint import Secret
from agentless.errors import Unreachable
from agentless.runner.ssh.algorithms import signatures
from agentless.runner.ssh.certificates import CERT
from agentless.runner.ssh.key_files import PassphraseNeeded
from agentless.runner.ssh.keys import Keys, OfferedKey
from agentless.runner.ssh.options import Settings
from agentless.runner.ssh.transport import Transport, printable

__all__ = ["log_in"]


class Login(AuthOnlyHandler):
    """Authentication requests, one at a time, each within the deadline of the connection.

    The host is not charged for the time that the agent, or its owner, took for a signature: `waited`, in seconds.
    """

    transport: Transport

    def __init__(self, transport: Transport, user: str, deadline: float) -> None:
        super().__init__(transport)
        self.user = user
        self.waited = 0.0
        self.more: list[str] = []
        self._deadline = deadline
        self.methods: tuple[str, ...] | None = None
        self.outcome = ""
        self._asked = False
        self._done = threading.Event()
        self._answer: Callable[[list[tuple[str, bool]]], list[str]] = lambda prompts: []

    @property
    def _client_handler_table(self) -> dict[int, Callable[[paramiko.Message], None]]:
        table: dict[int, Callable[[paramiko.Message], None]] = dict(super()._client_handler_table)  # type: ignore[misc]
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
            self.outcome = "expired"
            self._done.set()
            return
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

    def attempt(self, method: str, fields: Callable[[paramiko.Message], object]) -> str:
        """Try a method: `success`, `failure`, `partial` (one more is wanted), `acceptable` or `expired`.

        Raises:
            Unreachable: `connect-timeout`, `auth`, or `connection-lost` (not tried again: hosts count).
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
            if not self._asked:
                self._asked = True
                # The server reads one message after the other, so the first request need not wait for its consent.
                request = paramiko.Message()
                request.add_byte(cMSG_SERVICE_REQUEST)
                request.add_string("ssh-userauth")
                transport._send_message(request)
            transport._send_message(message)
        except EOFError:
            self._done.set()
        in_time = self._done.wait(max(0.0, self._deadline + self.waited - time.monotonic()))
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
        raise Unreachable(
            "connection-lost",
            f"{where}: it closed the connection while {self.user} logged in",
            "An account that is locked or expired, or LoginGraceTime? sshd's log there tells.",
        )

    def with_key(self, key: OfferedKey) -> str:
        """Offer a key; a locked one is only asked about.

        Raises:
            ValueError: the host takes no signature that this key may make.
        """
        outcome = "failure"
        algorithms = self._algorithms(key.type)
        if not algorithms:
            raise ValueError(f"the host takes RSA keys only with other signatures: {_SHA1}")
        for algorithm in algorithms:
            data = paramiko.Message()
            data.add_string(self.transport.session_id or b"")
            data.add_byte(cMSG_USERAUTH_REQUEST)
            for field in (self.user, "ssh-connection", "publickey"):
                data.add_string(field)
            data.add_boolean(True)
            data.add_string(algorithm)
            data.add_string(key.blob)
            signature = self._signed(key.sign, data.asbytes(), algorithm) if key.sign else None

            def fields(message: paramiko.Message, algorithm: str = algorithm, sig: bytes | None = signature) -> None:
                message.add_boolean(sig is not None)
                message.add_string(algorithm)
                message.add_string(key.blob)
                if sig is not None:
                    message.add_string(sig)

            outcome = self.attempt("publickey", fields)
            if outcome != "failure" or "publickey" not in (self.methods or ()):
                break
        return outcome

    def _signed(self, sign: Callable[[bytes, str], bytes], data: bytes, algorithm: str) -> bytes:
        began = time.monotonic()
        try:
            return sign(data, algorithm)
        finally:
            self.waited += time.monotonic() - began

    def _algorithms(self, type_: str) -> tuple[str, ...]:
        """The signature algorithms to try for a key type: RFC 8332 gives RSA several."""
        able = signatures(type_, self.transport.settings.key_algorithms)
        if not type_.startswith("ssh-rsa"):
            return able
        told = self._told()
        if told:
            return tuple(name for name in able if name.removesuffix(CERT) in told)
        return tuple(name for name in able if not name.startswith("rsa-sha2-256")) or able

    def _told(self) -> list[str]:
        """RFC 8308: the signatures that the host says it takes; none where it is too old to say."""
        told = self.transport.server_extensions.get("server-sig-algs", b"").decode("ascii", "replace")
        return [name for name in told.split(",") if name]

    def may_want_sha1(self, key: OfferedKey) -> bool:
        """Whether the host may have refused a key only for how it signs."""
        return key.type == "ssh-rsa" and not self._told() and "ssh-rsa" not in self._algorithms(key.type)

    def with_password(self, password: Secret, methods: Sequence[str]) -> str:
        """Give the password, by whichever of the two methods the host has and `methods` allow."""
        outcome = "failure"
        if "password" in methods and (self.methods is None or "password" in self.methods):

            def fields(message: paramiko.Message) -> None:
                message.add_boolean(False)
                message.add_string(password.reveal())

            outcome = self.attempt("password", fields)
        known = self.methods is not None
        if (
            outcome == "failure"
            and "keyboard-interactive" in methods
            and (not known or "keyboard-interactive" in (self.methods or ()))
        ):
            heard: set[str] = set()

            def answer(prompts: list[tuple[str, bool]]) -> list[str]:
                # A second hidden question is another's (a code, a new password): the password is no answer to it.
                fit = len(prompts) == 1 and not prompts[0][1] and not heard
                asked = [printable(" ".join(text.split())) for text, _ in prompts[:4]]
                if not fit and len(self.more) < 4:
                    self.more += [text for text in asked if text and text not in heard]
                heard.update(asked[:1] if heard else asked)
                return [password.reveal()] if fit else [""] * len(prompts)

            def start(message: paramiko.Message) -> None:
                message.add_string("")
                message.add_string("")

            self._answer = answer
            outcome = self.attempt("keyboard-interactive", start)
        return outcome


_SHA1 = "-o PubkeyAcceptedAlgorithms=+ssh-rsa allows SHA-1, weak as it is"
_TOO_MANY = (
    "More keys were offered than sshd has patience for: IdentitiesOnly yes and an IdentityFile name the right one."
)


_PASSWORD = frozenset({"password", "keyboard-interactive"})


@dataclass(frozen=True, slots=True)
class _Step:
    """One way to log in: `methods` of which the host must take one, and what to call it in an error."""

    methods: frozenset[str]
    label: str
    attempt: Callable[[], str]


def log_in(
    transport: Transport, keys: Keys, password: Secret | None, deadline: float, *, bastion: bool = False
) -> float:
    """Log in as `transport.settings` say: with the keys asked for, the password, then the keys that are just there.

    Args:
        bastion: whether this is a hop, whose user and keys come from elsewhere than a host's.

    Returns:
        The seconds for which the agent was waited for, beyond the deadline.

    Raises:
        Unreachable: `auth`, `connect-timeout` or `connection-lost`.
        PassphraseNeeded: the host would take a key that is locked.
    """
    settings = transport.settings
    login = transport.auth_handler = Login(transport, settings.user, deadline)
    offered, notes = keys.offered(settings, deadline) if "publickey" in settings.methods else ([], [])
    barred = [key for key in offered if not signatures(key.type, settings.key_algorithms)]
    if barred:
        offered = [key for key in offered if key not in barred]
        labels = ", ".join(key.label for key in barred[:4])
        notes.append(f"PubkeyAcceptedAlgorithms {settings.key_algorithms} bars {labels}")

    def step(key: OfferedKey) -> _Step:
        return _Step(frozenset({"publickey"}), key.label, lambda: _offer(login, keys, key, notes))

    steps = [step(key) for key in offered if key.explicit]
    methods = _PASSWORD & set(settings.methods)
    if password is not None and methods:
        given = password
        steps.append(_Step(methods, "password", lambda: login.with_password(given, tuple(methods))))
    steps += [step(key) for key in offered if not key.explicit]
    tried: list[str] = []
    waiting = list(steps)
    while waiting:
        now = waiting.pop(0)
        if login.methods is not None and not now.methods & set(login.methods):
            continue
        outcome = now.attempt()
        if outcome:
            tried.append(now.label)
        if outcome == "success":
            return login.waited
        if outcome == "expired":
            hint = "Log in by hand once and choose a new one."
            raise Unreachable("auth", f"{settings.user}@{settings.host}: the password has expired", hint)
        if outcome == "partial":
            # The host wants more than one method (AuthenticationMethods): what it refused before may be welcome now.
            steps = [other for other in steps if other is not now]
            waiting = list(steps)
    if not tried and login.attempt("none", lambda message: None) == "success":
        return login.waited
    if login.more:
        notes.append(f"the host asked for something more: {' / '.join(login.more)}")
    raise _denied(settings, login, tried, notes, _hints(login, notes, password, bastion))


def _offer(login: Login, keys: Keys, key: OfferedKey, notes: list[str]) -> str:
    """The outcome; empty where the key was not even offered."""
    if key.sign is None and not keys.ring.can_unlock(key.path):
        notes.append(f"{key.path} is locked")
        return ""
    try:
        outcome = login.with_key(key)
    except (paramiko.SSHException, OSError, ValueError) as problem:
        notes.append(f"{key.label}: {problem}")
        return ""
    if outcome == "acceptable":
        raise PassphraseNeeded(key.path)
    if outcome in ("success", "partial"):
        keys.worked(key)
    elif login.may_want_sha1(key):
        notes.append(f"a host as old as this one may take RSA keys only as it always did: {_SHA1}")
    return outcome


def _denied(
    settings: Settings, login: Login, tried: Sequence[str], notes: Sequence[str], hints: Sequence[str]
) -> Unreachable:
    allowed = ", ".join(login.methods or ()) or "nothing"
    message = f"{settings.user}@{settings.host} port {settings.port}: permission denied; it takes {allowed}"
    message += f"; tried {', '.join(tried)}" if tried else "; there was nothing to try"
    message += f"; {'; '.join(dict.fromkeys(notes))}" if notes else ""
    return Unreachable("auth", message, "; ".join(hints) + ".")


def _hints(login: Login, notes: Sequence[str], password: Secret | None, bastion: bool) -> list[str]:
    hints = ["ssh-add unlocks a key"] if any(note.endswith("is locked") for note in notes) else []
    if login.more:
        hints.append("a new password, or a code, is nothing that can be given here: log in by hand once, or use a key")
    if bastion:
        return [*hints, "ProxyJump (USER@BASTION), -i of a ProxyCommand, or ~/.ssh/config name its user and key"]
    hints += ["--private-key (ansible_ssh_private_key_file) names a key, --user (ansible_user) the user"]
    if password is None and _PASSWORD & set(login.methods or ()):
        hints.append("-k asks for a password")
    return hints
