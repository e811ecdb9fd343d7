"""How many columns of a terminal a text takes: a wide character takes two, a combining mark takes none.

rich knows that; it is loaded for texts that are not ASCII, which few are.
"""

from __future__ import annotations

__all__ = ["cells", "padded"]


def cells(text: str) -> int:
    """The columns of a line without control characters."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def padded(text: str, width: int) -> str:
    """The text with spaces behind it, so that it takes at least `width` columns."""
    return text + " " * (width - cells(text))
