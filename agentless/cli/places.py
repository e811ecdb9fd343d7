"""`TARGET:PATH`, as scp and rsync have it, where a target may itself have colons."""

from __future__ import annotations

import re

from agentless.errors import UsageError
from agentless.regex import regex

__all__ = ["place"]

# A path that is known by its beginning. ~NAME is a home; ~web.*, with anything else in it, is a pattern's expression.
_PATH = regex(r"/|\.{1,2}(?:/|$)|~(?:[A-Za-z_][A-Za-z0-9_.-]*\$?)?(?:/|$)")
# Colons of a subscript (web[0:2]) and of an address in brackets part nothing.
_BRACKETS = regex(r"\[[^\]/]*\]")


def place(word: str) -> tuple[str, str]:
    """The target and the path of a word.

    The path begins behind the colon that is followed by `/`, `./`, `../` or `~`; a word with one colon needs no such
    beginning. What could be read in two ways is refused.

    Raises:
        UsageError: there is no target, no path, or more than one reading.
    """
    bare = _BRACKETS.sub(lambda brackets: "_" * len(brackets[0]), word)
    colons = [match.start() for match in re.finditer(":", bare)]
    if not colons:
        raise UsageError(f"{word!r} has no colon: write TARGET:PATH", "all:PATH where you mean all hosts.")
    # Hosts and groups have no slash: a colon behind one is part of the path.
    known = [at for at in colons if _PATH.match(word, at + 1) and "/" not in word[:at]]
    if not known and len(colons) == 1:
        known = colons
    if len(known) != 1:
        ways = " or ".join(f"{word[:at]!r} and the path {word[at + 1 :]!r}" for at in known or colons)
        raise UsageError(
            f"{word!r} can be read in more than one way: the target {ways}",
            f"Begin the path with / or ./: {word[: colons[-1]]}:./{word[colons[-1] + 1 :]}",
        )
    target, path = word[: known[0]], word[known[0] + 1 :]
    if not target.strip():
        raise UsageError(f"{word!r} names no target before its colon", "Write all: where you mean all hosts.")
    return target, path
