"""The one door for text from outside: what hosts, inventories and files say, made safe to show to a person.

A terminal obeys control characters: they move the cursor, set titles, answer queries, or hide text. Others are
invisible, or reorder what they stand in. A job's output may colour (SGR), end lines and tab; everything else becomes
visible instead: `^[`, `^H`, `\\x9b`, `\\u202e`. A carriage return ends a line, so that nothing is written over what
stands there. Bytes that are not UTF-8 become `\\xNN`.

| function | for | colours | lines |
| --- | --- | --- | --- |
| `Printable`, `printable` | a job's output on a terminal | the host's | kept |
| `plain`, `plain_pieces` | texts of several lines: JUnit, tracebacks | none | kept |
| `note` | what we say on stderr | ours only | one |
| `one_line` | names, messages, cells | none | one |
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from agentless.regex import regex

__all__ = ["COLOURS", "RESET", "Printable", "note", "one_line", "plain", "plain_pieces", "printable"]

RESET = "\x1b[0m"

# Bytes.
_PIECE = 1 << 18

_SGR = r"\x1b\[[0-9;:]{0,64}m"
# The colours of `text.paint`.
_OUR_SGR = r"\x1b\[(?:0|2|3[1236])m"
_CONTROL = (
    # C0 but tab, newline and carriage return; DEL and C1.
    "\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f"
    # What is invisible: soft hyphen, joiners, fillers, byte order mark, annotations, tags.
    "\\xad\\u034f\\u115f\\u1160\\u17b4\\u17b5\\u180e\\u200b-\\u200d\\u2060-\\u2065\\u3164\\ufeff\\uffa0\\ufff9-\\ufffb"
    "\\U0001bca0-\\U0001bca3\\U0001d173-\\U0001d17a\\U000e0000-\\U000e007f"
    # What reorders text (Trojan source), and what ends lines in some programs only.
    "\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u206f"
    # What no encoding (lone surrogates) or no XML 1.0 document (section 2.2) can hold.
    "\\ud800-\\udfff\\ufffe\\uffff"
)
COLOURS = regex(_SGR)
"""Colours and the like, as `Printable` leaves them in an output."""
_OUTPUT = regex(f"{_SGR}|[{_CONTROL}]")
_PLAIN = regex(f"[{_CONTROL}]")
_LINE = regex(rf"[{_CONTROL}\t\n\r]")
_NOTE = regex(rf"{_OUR_SGR}|[{_CONTROL}\t\n\r]")
_RETURN = regex(r"\r\n?")
# The end of a piece that may be the beginning of a colour or of a line's end.
_UNFINISHED = regex(r"(?:\x1b(?:\[[0-9;:]{0,64})?|\r)$")
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
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


class Printable:
    """An incremental filter for one stream of output: pieces may end inside a character, a colour or a line's end.

    Args:
        colours: whether the host's colours stay.
    """

    def __init__(self, *, colours: bool = True) -> None:
        self._shown = _OUTPUT if colours else _PLAIN
        self._decode = codecs.getincrementaldecoder("utf-8")("backslashreplace").decode
        self._held = ""

    def feed(self, data: bytes, *, final: bool = False) -> str:
        """The printable form of the next piece; `final` gives out what was held back."""
        text = self._held + self._decode(data, final)
        self._held = ""
        if not final and (cut := _UNFINISHED.search(text)):
            text, self._held = text[: cut.start()], text[cut.start() :]
        return self._shown.sub(_visible, _RETURN.sub("\n", text))


def printable(data: bytes) -> str:
    """A whole stream's printable form; colours that it leaves switched on are switched off at its end."""
    text = Printable().feed(data, final=True)
    return text + RESET if "\x1b" in text and not text.rstrip("\n").endswith(RESET) else text


def plain(text: str) -> str:
    """A text of several lines without colours or any character that XML 1.0 can't hold."""
    return _PLAIN.sub(_visible, _RETURN.sub("\n", text))


def plain_pieces(data: bytes) -> Iterator[str]:
    """`plain` of a whole stream, in pieces: most of it is never in memory as text."""
    feed = Printable(colours=False).feed
    for start in range(0, len(data), _PIECE):
        yield feed(data[start : start + _PIECE])
    yield feed(b"", final=True)


def note(text: str) -> str:
    """A line of ours, in which parts may be painted."""
    return text if text.isprintable() and text.isascii() else _NOTE.sub(_visible, text)


def one_line(text: str) -> str:
    """A name or message as one line without any control character or colour."""
    # A long table has ten thousands of cells, and hardly any needs the expression.
    return text if text.isprintable() and text.isascii() else _LINE.sub(_visible, text)
