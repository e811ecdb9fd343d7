"""`%h` and `${HOME}` in the values of ssh_config(5): its sections TOKENS and ENVIRONMENT VARIABLES."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping

from agentless.digests import sha1
from agentless.regex import regex

__all__ = ["OF_COMMANDS", "connection_hash", "expand", "expand_path", "table"]

# ProxyCommand and ProxyJump know these alone.
OF_COMMANDS = ("%h", "%k", "%n", "%p", "%r")
_VARIABLE = regex(r"\$\{([^}]*)\}|%(.?)", re.DOTALL)


def table(
    *, home: str, local_user: str, name: str, host: str, port: int, user: str, alias: str, jump: str
) -> dict[str, str]:
    """What each token stands for.

    Args:
        name: the host as it is given, `host` as HostName has it.
        alias: HostKeyAlias, or the name in its stead.
        jump: the host of ProxyJump, empty without one.
    """
    here = socket.gethostname()
    return {
        "%C": connection_hash(here, host, str(port), user, jump),
        "%L": here.partition(".")[0],
        "%d": home,
        "%h": host,
        "%i": str(os.getuid()),
        "%j": jump,
        "%k": alias,
        "%l": here,
        "%n": name,
        "%p": str(port),
        "%r": user,
        "%u": local_user,
    }


def connection_hash(*parts: str) -> str:
    """What `%C` is made of its parts: `%l%h%p%r%j`, in releases of ssh before 9.6 without the last."""
    whole = "".join(parts).encode("utf-8", "surrogateescape")
    return sha1(whole, usedforsecurity=False).hexdigest()


def expand(text: str, tokens: Mapping[str, str], *, variables: bool = False) -> str:
    """The text with its tokens, and with `variables` those of the environment, each expanded once.

    Raises:
        ValueError: a token that is none, a variable that is not set.
    """

    def value(match: re.Match[str]) -> str:
        if match[1] is not None:
            if not variables:
                return match[0]
            # One by one, so that one that is not set does not pass for its own name.
            expanded = os.path.expandvars(match[0])
            if expanded == match[0]:
                raise ValueError(f"{match[0]} of {text!r} is not set in the environment")
            return expanded
        if match[0] == "%%":
            return "%"
        if match[0] not in tokens:
            raise ValueError(f"{match[0]} of {text!r} is no token here")
        return tokens[match[0]]

    return _VARIABLE.sub(value, text)


def expand_path(text: str, tokens: Mapping[str, str], home: str) -> str:
    """A file name with `~`, tokens and variables expanded; empty for `none`.

    Raises:
        ValueError: as `expand`.
    """
    if text.lower() == "none":
        return ""
    if text == "~" or text.startswith("~/"):
        text = home.replace("%", "%%") + text[1:]
    elif text.startswith("~"):
        text = os.path.expanduser(text)
    return expand(text, tokens, variables=True)
