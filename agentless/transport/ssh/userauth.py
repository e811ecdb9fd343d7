"""Authentication requests and their answers (RFC 4252, RFC 4256), each within the connection's deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import paramiko
from paramiko.common import cMSG_SERVICE_REQUEST, cMSG_USERAUTH_INFO_RESPONSE, cMSG_USERAUTH_REQUEST

from agentless.errors import Unreachable
from agentless.model.secret import Secret
from agentless.openssh.certificates import CERT
from agentless.transport.channel import printable
from agentless.transport.ssh.algorithms import signatures
from agentless.transport.ssh.innards import AuthInnards, packed
from agentless.transport.ssh.keys import OfferedKey
from agentless.transport.ssh.transport import Transport

__all__ = ["SHA1", "Login"]

SHA1 = "-o PubkeyAcceptedAlgorithms=+ssh-rsa allows SHA-1, weak as it is"
_TOO_MANY = (
    "More keys were offered than sshd has patience for: IdentitiesOnly yes and an IdentityFile name the right one."
)


class Login(AuthInnards):
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
        self._service_requested = False
        self._done = threading.Event()
        self._answer: Callable[[list[tuple[str, bool]]], list[str]] = lambda prompts: []

    def forget(self) -> None:
        """Know no password any more."""
        self._answer = lambda prompts: []

    def abort(self) -> None:
        self._done.set()

    def hear_success(self) -> None:
        self.outcome = "success"
        self._done.set()

    def hear_failure(self, methods: list[str], partial: bool) -> None:
        self.methods = tuple(methods)
        self.outcome = "partial" if partial else "failure"
        self._done.set()

    def hear_60(self, m: paramiko.Message) -> None:
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
        self.transport.send(packed(cMSG_USERAUTH_INFO_RESPONSE, len(answers), *answers))

    def attempt(self, method: str, *fields: str | bytes | bool) -> str:
        """Try a method: `success`, `failure`, `partial` (one more is wanted), `acceptable` or `expired`.

        Args:
            fields: what its request has beside user, service and method (RFC 4252, section 5).

        Raises:
            Unreachable: `connect-timeout`, `auth`, or `connection-lost` (not tried again: hosts count).
        """
        transport = self.transport
        self.auth_method, self.username, self.outcome = method, self.user, ""
        self._done.clear()
        try:
            if not self._service_requested:
                self._service_requested = True
                # The server reads one message after the other, so the first request need not wait for its consent.
                transport.send(packed(cMSG_SERVICE_REQUEST, "ssh-userauth"))
            transport.send(packed(cMSG_USERAUTH_REQUEST, self.user, "ssh-connection", method, *fields))
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
                "Slow name resolution or PAM on the host? a longer `connect_timeout` helps.",
            )
        if transport.disconnected:
            raise Unreachable("auth", f"{self.user}@{where}: {transport.disconnected}", _TOO_MANY)
        raise Unreachable(
            "connection-lost",
            f"{where}: it closed the connection while {self.user} logged in",
            "An account that is locked or expired, or LoginGraceTime? sshd's log there tells.",
        )

    def with_key(self, key: OfferedKey) -> str:
        """Offer a key; of a locked one, only learn whether it would do.

        Raises:
            ValueError: the host takes no signature that this key may make.
        """
        outcome = "failure"
        algorithms = self._algorithms(key.type)
        if not algorithms:
            raise ValueError(f"the host takes RSA keys only with other signatures: {SHA1}")
        for algorithm in algorithms:
            signed: list[bytes] = []
            if key.sign:
                request = (self.user, "ssh-connection", "publickey", True, algorithm, key.blob)
                session = paramiko.Message()
                session.add_string(self.transport.session_id or b"")
                data = session.asbytes() + packed(cMSG_USERAUTH_REQUEST, *request).asbytes()
                signed.append(self._signed(key.sign, data, algorithm))
            outcome = self.attempt("publickey", bool(signed), algorithm, key.blob, *signed)
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
        accepted = self._accepted()
        if accepted:
            return tuple(name for name in able if name.removesuffix(CERT) in accepted)
        return tuple(name for name in able if not name.startswith("rsa-sha2-256")) or able

    def _accepted(self) -> list[str]:
        """RFC 8308: the signatures that the host says it takes; none where it is too old to say."""
        names = self.transport.server_extensions.get("server-sig-algs", b"").decode("ascii", "replace")
        return [name for name in names.split(",") if name]

    def may_want_sha1(self, key: OfferedKey) -> bool:
        """Whether the host may have refused a key only for how it signs."""
        return key.type == "ssh-rsa" and not self._accepted() and "ssh-rsa" not in self._algorithms(key.type)

    def with_password(self, password: Secret, methods: Sequence[str]) -> str:
        """Give the password, by whichever of the two methods the host has and `methods` allow."""

        def may_do(method: str) -> bool:
            return method in methods and (self.methods is None or method in self.methods)

        outcome = "failure"
        if may_do("password"):
            outcome = self.attempt("password", False, password.reveal())
        if outcome == "failure" and may_do("keyboard-interactive"):
            prompts_seen: set[str] = set()

            def answer(prompts: list[tuple[str, bool]]) -> list[str]:
                # A second hidden question is another's (a code, a new password): the password is no answer to it.
                fit = len(prompts) == 1 and not prompts[0][1] and not prompts_seen
                texts = [printable(" ".join(text.split())) for text, _ in prompts[:4]]
                if not fit and len(self.more) < 4:
                    self.more += [text for text in texts if text and text not in prompts_seen]
                prompts_seen.update(texts[:1] if prompts_seen else texts)
                return [password.reveal()] if fit else [""] * len(prompts)

            self._answer = answer
            # The language, and the kinds, that are wanted: any.
            outcome = self.attempt("keyboard-interactive", "", "")
        return outcome
