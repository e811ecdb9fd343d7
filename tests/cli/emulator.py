"""What stands on a terminal's screen after a program has written to it: as much of xterm as our programs use."""

from __future__ import annotations

import re

_SEQUENCE = re.compile(
    "\x1b(?:\\[(?P<parameters>[0-9;:?<>=]*)[ !\"$']*(?P<final>[@-~])|\\](?:[^\x07\x1b]*)(?:\x07|\x1b\\\\)"
    "|[PX^_][^\x1b]*\x1b\\\\|[()*+#%].|(?P<single>[78=>DEMcHN]))",
    re.DOTALL,
)


class Emulator:
    """A screen of `rows` lines of `columns` characters; colours are not kept.

    Args:
        columns, rows: its size.
    """

    def __init__(self, columns: int = 80, rows: int = 24) -> None:
        self.columns = columns
        self.rows = rows
        self._lines = [[" "] * columns for _ in range(rows)]
        self._row = self._column = 0
        self._wraps = False
        self._saved = (0, 0)
        self._held = ""
        # All that has left the screen at its top.
        self.scrolled: list[str] = []

    def feed(self, text: str) -> None:
        """Take in what was written; a sequence may be cut anywhere."""
        text = self._held + text
        self._held = ""
        at = 0
        while at < len(text):
            char = text[at]
            if char != "\x1b":
                self._character(char)
                at += 1
                continue
            match = _SEQUENCE.match(text, at)
            if match is None:
                if len(text) - at < 4096:
                    self._held = text[at:]
                    return
                at += 1
                continue
            at = match.end()
            if match["final"]:
                self._control(match["parameters"], match["final"])
            elif match["single"] == "7":
                self._saved = (self._row, self._column)
            elif match["single"] == "8":
                self._row, self._column = self._saved
            elif match["single"] == "M":
                self._row = max(0, self._row - 1)

    @property
    def lines(self) -> list[str]:
        """The lines of the screen, without what is blank at their ends."""
        return ["".join(line).rstrip() for line in self._lines]

    @property
    def text(self) -> str:
        """What stands on the screen, without empty lines at its end."""
        return "\n".join(self.lines).rstrip("\n")

    def _character(self, char: str) -> None:
        if char == "\r":
            self._column, self._wraps = 0, False
        elif char == "\n":
            self._feed_line()
        elif char == "\b":
            self._column, self._wraps = max(0, self._column - 1), False
        elif char == "\t":
            self._column = min(self.columns - 1, self._column // 8 * 8 + 8)
        elif char >= " ":
            if self._wraps:
                self._column = 0
                self._feed_line()
            self._lines[self._row][self._column] = char
            self._wraps = self._column == self.columns - 1
            self._column = min(self.columns - 1, self._column + 1)

    def _feed_line(self) -> None:
        self._wraps = False
        if self._row < self.rows - 1:
            self._row += 1
            return
        self.scrolled.append("".join(self._lines.pop(0)).rstrip())
        self._lines.append([" "] * self.columns)

    def _control(self, parameters: str, final: str) -> None:
        if parameters[:1] in ("?", "<", ">", "=") and parameters:
            if final == "h" and parameters in ("?1049", "?47"):
                self._erase(0, self.rows)
            return
        numbers = [int(word) if word.isdigit() else 0 for word in parameters.split(";")]
        count = max(1, numbers[0])
        if final != "m":
            self._wraps = False
        if final == "A":
            self._row = max(0, self._row - count)
        elif final == "B":
            self._row = min(self.rows - 1, self._row + count)
        elif final == "C":
            self._column = min(self.columns - 1, self._column + count)
        elif final == "D":
            self._column = max(0, self._column - count)
        elif final == "G":
            self._column = min(self.columns, count) - 1
        elif final in "Hf":
            self._row = min(self.rows, count) - 1
            self._column = min(self.columns, max(1, (numbers + [1])[1])) - 1
        elif final == "J":
            first = {0: self._row + 1, 1: 0}.get(numbers[0], 0)
            self._erase(first, self._row if numbers[0] == 1 else self.rows)
            if numbers[0] < 2:
                self._control(str(numbers[0]), "K")
        elif final == "K":
            begin = self._column if numbers[0] == 0 else 0
            end = self._column + 1 if numbers[0] == 1 else self.columns
            self._lines[self._row][begin:end] = [" "] * (end - begin)

    def _erase(self, first: int, end: int) -> None:
        for row in range(first, end):
            self._lines[row] = [" "] * self.columns
