"""Host names as an inventory writes them: with ports, IPv6 addresses, and ranges that stand for many hosts.

The grammar is Ansible's (its "Inventory basics" page, and what its parser accepts): `web[01:50:2].example.com`,
`db-[a:f]`, `host:2222`, `[2001:db8::1]:22`.
"""

from __future__ import annotations

import re

from agentless.regex import regex

__all__ = ["EMPTY", "expand", "split_port"]

_RANGE = r"\[(?:[a-z]:[a-z]|[0-9]+:[0-9]+)(?::[0-9]+)?\]"
_LABEL = rf"(?:\w|{_RANGE})(?:[\w-]|{_RANGE})*(?<![_-])"
_HOSTNAME = regex(rf"{_LABEL}(?:\.{_LABEL})*", re.IGNORECASE)

_PIECE = r"(?:[0-9a-f]{1,4}|\[[0-9a-f]+:[0-9a-f]+(?::[0-9]+)?\])"
_PIECES = regex(rf"{_PIECE}(?::{_PIECE})*", re.IGNORECASE)
_FULL_IPV6 = regex(rf"(?:{_PIECE}:){{7}}{_PIECE}", re.IGNORECASE)
_MAPPED_IPV4 = regex(
    rf"(?:(?:0:){{6}}|::(?:ffff:)?|(?:0:){{5}}ffff:)(?:{_PIECE}\.){{3}}{_PIECE}",
    re.IGNORECASE,
)
_PIECE_ONLY = regex(_PIECE, re.IGNORECASE)

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
# More than any fleet has under one name: a slip of the finger shall not fill the memory.
_MOST = 100_000
_BRACKETED_PORT = regex(r"\[(.+)\]:([0-9]{1,9})")
_PORT = regex(r"((?:[^:\[\]]|\[[^\]]*\])*):([0-9]{1,9})")


def split_port(text: str) -> tuple[str, int | None] | None:
    """A host, its ranges unexpanded, and its port; None where `text` is no host at all (`user@host`, `a:b`, `web*`).

    A port behind an IPv6 address needs brackets, as in a URL.
    """
    if _is_plain(text):
        return text, None
    port = None
    for shape in (_BRACKETED_PORT, _PORT):
        if match := shape.fullmatch(text):
            text, port = match[1], int(match[2])
    if _HOSTNAME.fullmatch(text) or _is_ipv6(text):
        return text, port
    return None


def _is_plain(text: str) -> bool:
    """Whether it is a host name without range and port: most are, and what finds the others is long to compile."""
    return all(
        label.replace("-", "0").replace("_", "0").isalnum() and label[0] != "-" and label[-1] not in "_-"
        for label in text.split(".")
    )


def _is_ipv6(text: str) -> bool:
    if _FULL_IPV6.fullmatch(text) or _MAPPED_IPV4.fullmatch(text):
        return True
    left, double_colon, right = text.partition("::")
    if not double_colon:
        return False
    count = 0
    for side in (left, right):
        if side:
            if not _PIECES.fullmatch(side):
                return False
            pieces = len(_PIECE_ONLY.findall(side))
            if pieces > 6:
                return False
            count += pieces
    return count <= 7


EMPTY = "its range is empty"
"""Why a name expands to no host."""


def expand(name: str) -> list[str]:
    """Every host that `name` stands for, ranges counted from left to right; ValueError says what is wrong with one.

    A range is `[begin:end]` or `[begin:end:step]`, both ends included, of numbers (`01` keeps its width) or letters.
    """
    if "[" not in name:
        return [name]
    head, _, rest = name.partition("[")
    inside, closed, tail = rest.partition("]")
    bounds = inside.split(":")
    if not closed or len(bounds) not in (2, 3) or "|" in name:
        raise ValueError(f"{name!r}: a range is written [begin:end] or [begin:end:step]")
    begin, end = bounds[0] or "0", bounds[1]
    if not end:
        raise ValueError(f"{name!r}: the range needs an end")
    width = len(begin) if begin[0] == "0" and len(begin) > 1 else 0
    if width and width != len(end):
        raise ValueError(f"{name!r}: both ends of a range with leading zeros need the same length")
    values = _values(name, begin, end, bounds[2] if len(bounds) == 3 else "1")
    names: list[str] = []
    for value in values:
        further = expand(f"{head}{value.zfill(width)}{tail}")
        if len(further) * len(values) > _MOST:
            raise _too_many(name)
        names.extend(further)
    return names


def _values(name: str, begin: str, end: str, step: str) -> list[str]:
    try:
        if begin in _LETTERS and end in _LETTERS:
            if _LETTERS.index(begin) > _LETTERS.index(end):
                raise ValueError
            return list(_LETTERS[_LETTERS.index(begin) : _LETTERS.index(end) + 1 : int(step)])
        values = range(int(begin), int(end) + 1, int(step))
    except ValueError:
        raise ValueError(
            f"{name!r}: the range [{begin}:{end}:{step}] counts neither numbers nor letters upwards"
        ) from None
    if values[_MOST:]:
        raise _too_many(name)
    return [str(value) for value in values]


def _too_many(name: str) -> ValueError:
    return ValueError(f"{name!r} stands for more than {_MOST:,} hosts")
