"""How many columns of a terminal a text takes: wide characters take two, those that stand over others none.

rich knows that, too, and is not there where nothing is a terminal; a CI server's log is aligned all the same.
"""

from __future__ import annotations

import unicodedata

__all__ = ["cells", "padded"]


def cells(text: str) -> int:
    """The columns of a line without control characters."""
    if text.isascii():
        return len(text)
    return sum(map(_columns, text))


def padded(text: str, width: int) -> str:
    """The text with spaces behind it, so that it takes at least `width` columns."""
    return text + " " * (width - cells(text))


def _columns(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1
