"""The hops before a host: ProxyJump, and the ProxyCommand of ssh that is one in other words."""

from __future__ import annotations

import ipaddress
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple
from urllib.parse import unquote_plus

from agentless.model.endpoint import Option
from agentless.openssh import arguments
from agentless.openssh.names import check_host, check_user
from agentless.openssh.syntax import port_number
from agentless.regex import regex
from agentless.values import dataclass

__all__ = ["Jump", "Way", "jump_of_command", "parse_jumps", "way"]

# misc.c, valid_domain: what stands for a host in a URI.
_DOMAIN = regex(r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.))*", re.ASCII)
# What only a shell can do; -W and netcat need none.
_SHELL = regex(r"[$`;|&<>]")
_SHELLS = ("sh", "bash", "dash", "ksh", "zsh")
_QUIET = regex(r"\s+2>\s*/dev/null\s*$")
# An agent forwarded to the bastion serves nothing that runs there.
_HARMLESS = ("-o forwardagent=yes", "-o forwardagent=true")
_VARIABLE = regex(r"\$(?:\w+|\{\w+\})")
# What a shell takes for one word, and for nothing but itself.
_PLAIN = regex(r"[\w./@:+-]+")


@dataclass(frozen=True, slots=True)
class Jump:
    """A host on the way to another: its name in ~/.ssh/config, and what is given beside it; None is not given.

    The other arguments are those of `Endpoint`.
    """

    host: str
    user: str | None = None
    port: int | None = None
    key_files: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    config_file: str | None = None

    def __str__(self) -> str:
        """As ProxyJump has it: `[user@]host[:port]`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (f"{self.user}@" if self.user else "") + host + (f":{self.port}" if self.port else "")


class Way(NamedTuple):
    """By which keyword a host is reached, and its value; both empty where it is reached directly."""

    keyword: str
    value: str

    @property
    def direct(self) -> bool:
        return not self.keyword

    @property
    def bastion(self) -> str:
        """The host of the last hop, for `%j`; empty where there is none."""
        return parse_jumps(self.value)[-1].host if self.keyword == "proxyjump" else ""


def way(options: Mapping[str, Sequence[str]]) -> Way:
    """ProxyJump or ProxyCommand: the one that comes first.

    As with OpenSSH, `ProxyCommand none` stands against a later ProxyJump, but `ProxyJump none` against no command.

    Args:
        options: values by keyword in lower case, in the order in which they were met.
    """
    for keyword, (value, *_) in options.items():
        none = value.lower() == "none"
        if keyword == "proxycommand" or (keyword == "proxyjump" and not none):
            return Way("", "") if none else Way(keyword, value)
    return Way("", "")


def parse_jumps(text: str, config_file: str | None = None) -> tuple[Jump, ...]:
    """The hops of `[user@]host[:port],…` or `ssh://…`, in the order in which they are visited; none for `none`.

    Args:
        config_file: what stands in for ~/.ssh/config where they are looked up.

    Raises:
        ValueError: a hop cannot be read, or ssh would take no such name.
    """
    if not text or text.lower() == "none":
        return ()
    return tuple(replace(_hop(hop), config_file=config_file) for hop in text.strip().split(","))


def _hop(text: str) -> Jump:
    """One hop, as readconf.c and misc.c of OpenSSH take it apart."""
    wrong = ValueError(f"ProxyJump {text!r} is not [user@]host[:port]")
    uri = text.startswith("ssh://")
    if uri:
        user, at, rest = text.removeprefix("ssh://").partition("@")
        user, rest = (_decoded(user.partition(";")[0]), rest) if at else ("", user)
    else:
        user, at, rest = text.rpartition("@")
    end = rest.find("]") + 1 if rest.startswith("[") else re.match("[^:/]*", rest).end()  # type: ignore[union-attr]
    host, delimiter, port = rest[:end], rest[end : end + 1], rest[end + 1 :]
    if not uri and _is_ipv6(rest):
        # What ssh takes for a host and a port that is none.
        host, delimiter, port = rest, "", ""
    if uri and delimiter == ":":
        port, slash, path = port.partition("/")
        if path or (slash and not port):
            raise wrong
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if uri and not _DOMAIN.fullmatch(host) and not _is_ipv6(host):
        raise wrong
    if uri:
        # valid_domain() of misc.c takes the root's dot away.
        host = host.removesuffix(".")
    if not host or (at and not user) or delimiter not in ("", ":", "/" if uri else "") or (delimiter == "/" and port):
        raise wrong
    return Jump(check_host(host), check_user(user) if user else None, port_number(port) if port else None)


def _decoded(text: str) -> str:
    """The user of an `ssh://` URI."""
    if re.search("%(?![0-9A-Fa-f]{2})|%00", text):
        raise ValueError(f"ProxyJump: {text!r} is no part of a URI")
    return unquote_plus(text, errors="surrogateescape")


def _is_ipv6(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).version == 6
    except ValueError:
        return False


def jump_of_command(command: str, host: str, port: int) -> Jump | None:
    """The hop that `ssh … -W %h:%p [user@]bastion` goes by, so that hosts share one connection to it.

    Args:
        command: with its tokens expanded for `host` and `port`.

    Returns:
        None when the command is something else, or uses an option of ssh(1) that a hop can't express.
    """
    command = _with_variables(_QUIET.sub("", command))
    if _SHELL.search(command):
        return None
    try:
        words = shlex.split(command)
        if words[:1] == ["exec"]:
            del words[0]
        if len(words) == 3 and os.path.basename(words[0]) in _SHELLS and words[1] == "-c":
            return jump_of_command(words[2], host, port)
        if not words or os.path.basename(words[0]) != "ssh":
            return None
        inner, (target, *remote) = arguments.read(words[1:])
        hop = parse_jumps(target)[0] if target.startswith("ssh://") else _operand(target)
    except (ValueError, IndexError):
        return None
    if any(ignored.lower() not in _HARMLESS for ignored in inner.ignored):
        return None
    if inner.forward is None:
        if not _is_netcat(" ".join(remote), host, port):
            return None
    elif inner.forward not in (f"{host}:{port}", f"[{host}]:{port}") or remote:
        return None
    return Jump(
        hop.host, inner.user or hop.user, inner.port or hop.port, inner.key_files, inner.options, inner.config_file
    )


def _with_variables(command: str) -> str:
    """The command with `$HOME` and the like as the shell would have them, where their values are plain words."""

    def value(match: re.Match[str]) -> str:
        text = os.path.expandvars(match[0])
        return text if _PLAIN.fullmatch(text) else match[0]

    # Within single quotes, and behind a backslash, a `$` is itself.
    return command if "'" in command or "\\" in command else _VARIABLE.sub(value, command)


def _operand(text: str) -> Jump:
    """`[user@]host` of a command line, which has no place for a port."""
    user, _, host = text.rpartition("@")
    if not host:
        raise ValueError(f"{text!r} names no host")
    return Jump(host, user or None)


def _is_netcat(command: str, host: str, port: int) -> bool:
    where = f"{re.escape(host)}"
    netcat = rf"(?:nc|ncat|netcat)(?:\s+-[a-zA-Z]+(?:\s+[0-9]+)?)*\s+{where}\s+{port}"
    return bool(
        re.fullmatch(
            rf"(?:exec\s+)?(?:\S*/)?(?:{netcat}|socat\s+(?:-|stdio)\s+tcp:{where}:{port})", command, re.IGNORECASE
        )
    )
