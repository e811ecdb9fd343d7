"""The output of many hosts, side by side: whole lines, each behind the name of its host.

`host1  | a line`, and `host10 | stderr: a line` of its stderr. A line that is too long to be waited for is given in
pieces, of which all but the first stand behind `host1  + `.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from agentless.regex import regex
from agentless.report.cells import cells, padded
from agentless.report.printable import RESET, Printable, one_line
from agentless.report.text import Look, paint

__all__ = ["HostPrefixes", "Lines"]

# Of a line that has no end: more is not held back.
_LINE_MAX = 64 << 10
# Longer names stand out of the column: what is printed must have room, too.
_NAME_MAX = 32
_SGR = regex("\x1b\\[([0-9;:]*)m")
# What no colour of an output is longer than when it goes on over several lines.
_KEPT_COLOUR = 256
_PALETTE = ("\x1b[36m", "\x1b[33m", "\x1b[32m", "\x1b[35m", "\x1b[34m")


class HostPrefixes:
    """What stands before the lines of each host: aligned, and on a terminal each host in a colour of its own.

    Args:
        hosts: all hosts of the job.
    """

    def __init__(self, hosts: Iterable[str]) -> None:
        names = {host: one_line(host) for host in hosts}
        self._width = min(max(map(cells, names.values()), default=0), _NAME_MAX)
        self._places: Mapping[str, int] = {host: place for place, host in enumerate(names)}

    def mark(self, host: str, look: Look, *, goes_on: bool = False) -> str:
        """`host1  | `, or `host1  + ` where the line before goes on."""
        text = f"{padded(one_line(host), self._width)} {'+' if goes_on else '|'} "
        if not look.colour:
            return text
        return f"{_PALETTE[self._places.get(host, 0) % len(_PALETTE)]}{text.rstrip()}{RESET} "


class Lines:
    """One stream of one host, in pieces as they come, as whole lines behind its mark.

    On a terminal its text is made harmless, and a colour that it leaves on is taken up in its next line, so that lines
    of other hosts between them keep theirs. Elsewhere its bytes stay as they are; behind each carriage return the mark
    stands again, so that nothing is written over the name.

    Args:
        marks: of all hosts.
        host: its name.
        stream: 1 is stdout, 2 stderr.
        look: where the lines go.
    """

    def __init__(self, marks: HostPrefixes, host: str, stream: int, look: Look) -> None:
        mark = paint("stderr:", "red", look) + " " if stream == 2 else ""
        self._filter = Printable() if look.terminal else None
        self._first = self._raw(marks.mark(host, look) + mark)
        self._next = self._raw(marks.mark(host, look, goes_on=True) + mark)
        self._colour = ""
        self._open = ""
        self._goes_on = False

    def feed(self, data: bytes) -> bytes:
        """The lines that have come to their end, or that are too long to be waited for."""
        text = self._filter.feed(data) if self._filter else data.decode("latin-1")
        *lines, last = (self._open + text).split("\n")
        pieces = [self._line(line) for line in lines]
        self._open = self._without_full_pieces(last, pieces)
        return self._encoded("".join(pieces))

    def finish(self) -> bytes:
        """The line that no newline ended, as one that is ended."""
        rest = self._filter.feed(b"", final=True) if self._filter else ""
        *lines, last = (self._open + rest).split("\n")
        self._open = ""
        pieces = [self._line(line) for line in lines]
        if last or self._goes_on:
            pieces.append(self._line(last))
        return self._encoded("".join(pieces))

    def _line(self, line: str) -> str:
        pieces: list[str] = []
        line = self._without_full_pieces(line, pieces)
        if line or not self._goes_on:
            pieces.append(self._piece(line))
        self._goes_on = False
        return "".join(pieces)

    def _without_full_pieces(self, line: str, pieces: list[str]) -> str:
        """What is left of a line when the pieces that it is too long for were added."""
        while len(line) > _LINE_MAX:
            cut = self._cut(line)
            pieces.append(self._piece(line[:cut]))
            self._goes_on = True
            line = line[cut:]
        return line

    def _piece(self, text: str) -> str:
        mark = self._next if self._goes_on else self._first
        if self._filter is None:
            body, end = (text[:-1], "\r\n") if text.endswith("\r") else (text, "\n")
            return mark + body.replace("\r", "\r" + mark) + end
        before = self._colour
        for match in _SGR.finditer(text):
            parameters = match[1].lstrip("0")
            if not parameters:
                self._colour = ""
            elif match[1].startswith("0"):
                self._colour = match.group()
            else:
                together = self._colour + match.group()
                self._colour = together if len(together) <= _KEPT_COLOUR else match.group()
        coloured = before or "\x1b" in text
        return f"{mark}{before}{text}{RESET if coloured else ''}\n"

    def _cut(self, line: str) -> int:
        """Where a line that is too long is cut: not within a character or a colour."""
        if self._filter is None:
            cut = _LINE_MAX
            while cut > _LINE_MAX - 4 and "\x80" <= line[cut] < "\xc0":
                cut -= 1
            return cut
        begin = line.rfind("\x1b", _LINE_MAX - 80, _LINE_MAX)
        return begin if begin > 0 and "m" not in line[begin:_LINE_MAX] else _LINE_MAX

    def _raw(self, mark: str) -> str:
        """A mark among what is not for a terminal: there, each character is a byte."""
        return mark if self._filter else mark.encode("utf-8", "backslashreplace").decode("latin-1")

    def _encoded(self, text: str) -> bytes:
        return text.encode("latin-1") if self._filter is None else text.encode("utf-8", "backslashreplace")
