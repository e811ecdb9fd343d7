"""Passwords and passphrases."""

from __future__ import annotations

__all__ = ["Secret"]


class Secret:
    """A password: shown by no repr, no str, no traceback; read with `reveal()` where it is sent."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The password itself."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)
