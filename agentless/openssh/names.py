"""Names of hosts and users: which of them ssh takes, and what the resolver knows about a host's."""

from __future__ import annotations

import re
import socket
import threading
import time
from typing import Any

from agentless.errors import Unreachable
from agentless.regex import regex

__all__ = ["FAMILIES", "addresses", "canonical_name", "check_host", "check_user"]

# AddressFamily (ssh_config(5)) as socket has it; `any` is none of them.
FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}
# ssh.c, valid_hostname and valid_ruser: %h and %r go into commands unquoted (CVE-2023-51385).
_NOT_IN_HOSTS = regex(r"""['`"$\\;&<>|(){},\s\x00-\x1f\x7f]""")
_NOT_IN_USERS = regex(r"""['`";&<>|(){}\x00-\x1f\x7f]""")


def check_host(name: str) -> str:
    """The name, if ssh would take it for a host's.

    Raises:
        ValueError: it begins with `-`, or holds blanks, control characters, or what means something to a shell.
    """
    if name.startswith("-"):
        raise ValueError(f"host name {name!r} begins with '-', and ssh takes no such name")
    _refuse(f"host name {name!r}", _NOT_IN_HOSTS.search(name))
    return name


def check_user(name: str) -> str:
    """The name, if ssh would take it for a user's.

    Raises:
        ValueError: it begins with `-`, has ` -` inside, ends with a backslash, or holds control characters, quotes, or
            what means something to a shell.
    """
    if name.startswith("-") or re.search(r"\s-", name):
        raise ValueError(f"user name {name!r} holds an option, and ssh takes no such name")
    if name.endswith("\\"):
        raise ValueError(f"user name {name!r} ends with a backslash, and ssh takes no such name")
    _refuse(f"user name {name!r}", _NOT_IN_USERS.search(name))
    return name


def _refuse(what: str, letter: re.Match[str] | None) -> None:
    if letter:
        raise ValueError(f"{what} holds {letter[0]!r}, and ssh takes no such name: a shell would act on it")


def canonical_name(host: str, family: str, deadline: float) -> str | None:
    """Where the CNAMEs of a name lead; None where there is no such name.

    Args:
        family: AddressFamily of ssh_config(5).
        deadline: of `time.monotonic()`.

    Raises:
        Unreachable: `resolve`, where the resolver did not answer before the deadline.
    """
    try:
        infos = addresses(host, 0, FAMILIES.get(family, socket.AF_UNSPEC), deadline, socket.AI_CANONNAME)
    except Unreachable:
        if time.monotonic() >= deadline:
            raise
        return None
    return str(infos[0][3] or host).rstrip(".")


def addresses(host: str, port: int, family: int, deadline: float, flags: int = 0) -> list[Any]:
    """What `socket.getaddrinfo` answers, within a deadline of `time.monotonic()`.

    Args:
        family: an address family of `socket`.

    Raises:
        Unreachable: `resolve`.
    """
    # The C library's resolver has no deadline of its own choosing, so it gets a thread that may be left behind.
    answer: list[Any] = []
    answered = threading.Event()

    def ask() -> None:
        try:
            answer.append(socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, 0, flags))
        except (OSError, ValueError) as problem:
            answer.append(problem)
        answered.set()

    threading.Thread(target=ask, name=f"resolve {host}", daemon=True).start()
    hint = "Does the inventory's ansible_host, or HostName in ~/.ssh/config, name it rightly?"
    if not answered.wait(max(0.0, deadline - time.monotonic())):
        raise Unreachable("resolve", f"{host}: the resolver did not answer in time", hint)
    if isinstance(answer[0], Exception):
        problem = answer[0]
        raise Unreachable("resolve", f"{host}: {getattr(problem, 'strerror', None) or problem}", hint)
    return list(answer[0])
