"""Text from machines that may be hostile, made safe to show on a terminal.

A terminal obeys control characters: they move the cursor, set titles, answer queries, or hide text. What hosts send may
colour (SGR), end lines and tab; everything else becomes visible instead: `^[`, `^H`, `\\x9b`, `\\u202e`.
Bytes that are not UTF-8 become `\\xNN`.
"""

from __future__ import annotations

import codecs
import re

__all__ = ["RESET", "Printable", "one_line", "printable"]

RESET = "\x1b[0m"

_SGR = r"\x1b\[[0-9;:]{0,64}m"
# C0 but tab, newline and carriage return; DEL and C1; what reorders text (Trojan source); lone surrogates.
_CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
_OUTPUT = re.compile(f"{_SGR}|{_CONTROL}")
_LINE = re.compile(rf"{_CONTROL}|[\t\n\r]")
_OPEN_SGR = re.compile(r"\x1b(\[[0-9;:]{0,64})?$")
_NAMED = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}


def _visible(match: re.Match[str]) -> str:
    text = match.group()
    if len(text) > 1:
        return text
    code = ord(text)
    if text in _NAMED:
        return _NAMED[text]
    if code < 0x20:
        return "^" + chr(code + 0x40)
    if code == 0x7F:
        return "^?"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


class Printable:
    """An incremental filter for one stream of output: pieces may end inside a character or a colour sequence."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("backslashreplace").decode
        self._held = ""

    def feed(self, data: bytes, *, final: bool = False) -> str:
        """The printable form of the next piece; `final` gives out what was held back."""
        text = self._held + self._decode(data, final)
        self._held = ""
        if not final and (cut := _OPEN_SGR.search(text)):
            text, self._held = text[: cut.start()], text[cut.start() :]
        return _OUTPUT.sub(_visible, text)


def printable(data: bytes) -> str:
    """A whole stream's printable form; colours that it leaves switched on are switched off at its end."""
    text = Printable().feed(data, final=True)
    return text + RESET if "\x1b" in text and not text.rstrip("\n").endswith(RESET) else text


def one_line(text: str) -> str:
    """A name or message as one line without any control character or colour."""
    # A long table has ten thousands of cells, and hardly any needs the expression.
    return text if text.isprintable() else _LINE.sub(_visible, text)
