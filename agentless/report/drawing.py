"""Tables on a terminal, drawn with rich: as wide as it is, with states in colour.

Every column has its natural width where the terminal has room. Where it has not, columns that say what others say too
are left out, and those of free text share what is left: hosts and reasons go on over lines, commands are cut with `…`.
What identifies (names, JIDs, times) is never cut: a terminal too narrow for these wraps the lines itself.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from agentless.regex import regex
from agentless.report.printable import RESET, one_line
from agentless.report.tables import Reason, Row
from agentless.report.text import PLAIN, Look, paint

__all__ = ["drawn"]

_GAP = "  "
# Of a column of free text; what is narrower can't be read.
_LEAST = 12
_BOLD = "\x1b[1m"

# Free text that is worth lines of its own, and free text whose beginning says enough.
_WRAPPED = frozenset(
    ("HOSTS", "MESSAGE", "GROUPS", "ADDED", "CHANGED", "REMOVED", "STATE", "RESULT", "LAST SKIP", "WHEN", "PUSHED")
)
_CUT = frozenset({"COMMAND", "OUTPUT", "TARGET", "EXECUTABLE", "STATE DIRECTORY", "SOCKET", "RUNS"})
# Where the columns that are left are too wide all the same, these are, and free text may be as narrow as this.
_LAST_RESORT = ("STATE DIRECTORY", "EXECUTABLE", "PORT", "BECOME", "TARGET", "TIME", "AGE", "ELAPSED")
_LEAST_OF_ALL = 8
# The first goes first.
_SPARE = ("STARTED", "NODE", "LAST SKIP", "SPLAY", "ZONE", "USER", "FUNCTION", "RESULT", "LAST")

_COLOURED = frozenset({"STATE", "SUCCESS", "RESULT"})
_STATES = regex(
    r"\b(?:(?P<green>ok|yes|returned)|(?P<yellow>(?<!not )running|pending)"
    r"|(?P<red>failed|killed|timed out|lost|unreachable|not[- ]started))\b(?: \([0-9]+\))?"
)


def drawn(headers: Row, rows: Iterable[Row], width: int | None, *, colour: bool) -> Iterator[str]:
    """A table under headings, in pieces of whole lines; nothing where there are no rows.

    Args:
        width: columns of the terminal; None lays out whole, each row a line.
        colour: states are painted, headings are bold.
    """
    # No cell is markup: `[red]` in a host's name or in a command is text.
    cells = [[(one_line(cell), isinstance(cell, Reason)) for cell in row] for row in rows]
    if not cells:
        return
    natural = [
        max([cell_len(heading), *(cell_len(text) for text, reason in column if not reason)])
        for heading, *column in zip(headers, *cells, strict=True)
    ]
    shown = _shown(headers, natural, width)
    widths = _widths(headers, natural, shown, width)
    names = [headers[at] for at in shown]
    heading = _line(names, widths, names, PLAIN)
    if any(text and not reason for row in cells for text, reason in row):
        yield f"{_BOLD}{heading}{RESET}\n" if colour else f"{heading}\n"
    console = Console(file=io.StringIO(), color_system=None, force_jupyter=False, _environ={})
    look = Look(colour=colour)
    for row in cells:
        chosen = [row[at] for at in shown]
        fits = _spanned(chosen, widths, width)
        parts = [
            _parts(console, text, fit, whole=reason or name in _WRAPPED)
            for (text, reason), name, fit in zip(chosen, names, fits, strict=True)
        ]
        yield "".join(_line(line, fits, names, look) + "\n" for line in zip_longest(*parts, fillvalue=""))


def _shown(headers: Row, natural: Sequence[int], width: int | None) -> list[int]:
    """The columns that are shown: all, or those that are left when the spare ones made room."""
    shown = list(range(len(headers)))
    if width is None:
        return shown
    for names, least in ((_SPARE, 2 * _LEAST), (_LAST_RESORT, _LEAST)):
        for name in names:
            if _width([min(natural[at], least) if _free(headers, at) else natural[at] for at in shown]) <= width:
                break
            shown = [at for at in shown if headers[at] != name]
    return shown


def _free(headers: Row, at: int) -> bool:
    """Whether a column may be narrower than its longest cell."""
    return at == len(headers) - 1 or headers[at] in _WRAPPED | _CUT


def _widths(headers: Row, natural: Sequence[int], shown: Sequence[int], width: int | None) -> list[int]:
    """A width for each column that is shown; the free ones share evenly what the others leave."""
    widths = [natural[at] for at in shown]
    room = None if width is None else width - len(_GAP) * (len(widths) - 1)
    if room is None or sum(widths) <= room:
        return widths
    free = [place for place, at in enumerate(shown) if _free(headers, at)]
    room -= sum(size for place, size in enumerate(widths) if place not in free)
    least = _LEAST if room >= _LEAST * len(free) else _LEAST_OF_ALL
    for number, place in enumerate(sorted(free, key=lambda place: widths[place])):
        share = max(room // (len(free) - number), least)
        widths[place] = min(widths[place], share)
        room -= widths[place]
    return widths


def _width(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _spanned(row: Sequence[tuple[str, bool]], widths: Sequence[int], width: int | None) -> list[int]:
    """The widths for this row: a reason takes the room of the empty cells before it, up to the terminal's edge."""
    fits = list(widths)
    for place, (_, reason) in enumerate(row):
        if reason and not any(text for text, _ in row[place + 1 :]):
            start = place
            while start and not row[start - 1][0]:
                start -= 1
            fits[start:place] = [0] * (place - start)
            edge = cell_len(row[place][0]) if width is None else width - _width(widths[:start]) - len(_GAP)
            fits[place] = max(edge, _LEAST)
    return fits


def _parts(console: Console, text: str, width: int, *, whole: bool) -> list[str]:
    """A cell as lines of at most this width."""
    if cell_len(text) <= width:
        return [text]
    cell = Text(text)
    if whole:
        return [line.plain.rstrip() for line in cell.wrap(console, width, overflow="fold")]
    cell.truncate(width, overflow="ellipsis")
    return [cell.plain]


def _line(cells: Sequence[str], widths: Sequence[int], names: Row, look: Look) -> str:
    """Cells side by side, those of states painted; nothing stands behind the last one."""
    end = max((place for place, cell in enumerate(cells) if cell), default=0)
    line = ""
    for place, (cell, width) in enumerate(zip(cells[: end + 1], widths, strict=False)):
        painted = cell
        if look.colour and names[place] in _COLOURED:
            painted = _STATES.sub(lambda match: paint(match.group(), match.lastgroup or "", look), cell)
        line += painted if place == end else painted + " " * (width - cell_len(cell)) + _GAP * (width > 0)
    return line
