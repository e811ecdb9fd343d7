"""Logging in: which keys and passwords are tried in which order, and the error where none fits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import paramiko

from agentless.errors import Unreachable
from agentless.model.secret import Secret
from agentless.openssh.settings import Settings
from agentless.transport.ssh.algorithms import signatures
from agentless.transport.ssh.key_files import PassphraseNeeded
from agentless.transport.ssh.keys import Keys, OfferedKey
from agentless.transport.ssh.transport import Transport
from agentless.transport.ssh.userauth import SHA1, Login
from agentless.values import dataclass

__all__ = ["log_in"]

_PASSWORD = frozenset({"password", "keyboard-interactive"})


@dataclass(frozen=True, slots=True)
class _Step:
    """One way to log in: `methods` of which the host must take one, and what to call it in an error."""

    methods: frozenset[str]
    label: str
    attempt: Callable[[], str]


def log_in(transport: Transport, keys: Keys, deadline: float, *, is_bastion: bool = False) -> float:
    """Log in as `transport.settings` say: with the keys that are named, the password, then the other keys.

    Args:
        is_bastion: whether this is a hop, whose user and keys come from elsewhere than a host's.

    Returns:
        The seconds for which the agent was waited for, beyond the deadline.

    Raises:
        Unreachable: `auth`, `connect-timeout` or `connection-lost`.
        PassphraseNeeded: the host would take a key that is locked.
    """
    login = transport.auth_handler = Login(transport, transport.settings.user, deadline)
    try:
        return _log_in(transport, login, keys, deadline, is_bastion=is_bastion)
    finally:
        login.forget()


def _log_in(transport: Transport, login: Login, keys: Keys, deadline: float, *, is_bastion: bool) -> float:
    settings = transport.settings
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
    password = settings.password
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
            refused = [label for label in dict.fromkeys(tried) if label != now.label]
            after = f"; refused was {', '.join(refused)}" if refused else ""
            transport.way = f"logged in by {now.label}{after}"
            return login.waited
        if outcome == "expired":
            hint = "Log in by hand once and choose a new one."
            raise Unreachable("auth", f"{settings.user}@{settings.host}: the password has expired", hint)
        if outcome == "partial":
            # The host wants more than one method (AuthenticationMethods): what it refused before may be welcome now.
            steps = [other for other in steps if other is not now]
            waiting = list(steps)
    if not tried and login.attempt("none") == "success":
        transport.way = "logged in without being asked for anything"
        return login.waited
    if login.more:
        notes.append(f"the host asked for something more: {' / '.join(login.more)}")
    raise _denied(settings, login, tried, notes, _hints(login, notes, password, is_bastion))


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
        if key.sign is None:
            raise PassphraseNeeded(key.path)
        # It was signed already: a server that asks for that again would ask for ever.
        return "failure"
    if outcome in ("success", "partial"):
        keys.worked(key)
    elif login.may_want_sha1(key):
        notes.append(f"a host as old as this one may take RSA keys only as it always did: {SHA1}")
    return outcome


def _denied(
    settings: Settings, login: Login, tried: Sequence[str], notes: Sequence[str], hints: Sequence[str]
) -> Unreachable:
    allowed = ", ".join(login.methods or ()) or "nothing"
    message = f"{settings.user}@{settings.host} port {settings.port}: permission denied; it takes {allowed}"
    message += f"; tried {', '.join(tried)}" if tried else "; there was nothing to try"
    message += f"; {'; '.join(dict.fromkeys(notes))}" if notes else ""
    return Unreachable("auth", message, "; ".join(hints) + ".")


def _hints(login: Login, notes: Sequence[str], password: Secret | None, is_bastion: bool) -> list[str]:
    hints = ["ssh-add unlocks a key"] if any(note.endswith("is locked") for note in notes) else []
    if login.more:
        hints.append("a new password, or a code, is nothing that can be given here: log in by hand once, or use a key")
    if is_bastion:
        return [*hints, "ProxyJump (USER@BASTION), -i of a ProxyCommand, or ~/.ssh/config name its user and key"]
    hints += ["`private_key` (ansible_ssh_private_key_file) names a key, `user` (ansible_user) the user"]
    if password is None and _PASSWORD & set(login.methods or ()):
        hints.append("log in by a password with `password`")
    return hints
