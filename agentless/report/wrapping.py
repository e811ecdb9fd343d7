"""Our own lines on a narrow terminal: they are wrapped between words, and never within a command to be copied."""

from __future__ import annotations

from agentless.regex import regex
from agentless.report.cells import cells
from agentless.report.printable import COLOURS

__all__ = ["wrapped"]

# Narrower terminals wrap for themselves: there is no room to indent in.
_NARROWEST = 20
# A command, whole: with a newline in it, the shell would run half of it. It ends with its clause, or before two spaces.
_PIECE = regex(
    r"`[^`]*`\S*|for \w+ in .*?; done|echo '[^']*' >> \S+|"
    r"(?:agentless|ssh-key(?:gen|scan)|chmod|crontab|(?:system|login)ctl|pipx?) (?:\S*[^\s,;:.)?] (?! ))*\S+|\S+"
)


def wrapped(text: str, width: int | None, indent: str = "  ") -> list[str]:
    """One line as several that fit.

    Args:
        text: it may have our colours; spaces at its beginning are kept.
        width: columns of the terminal; None where there is none.
        indent: of the second line and on, beside the spaces at the beginning.
    """
    if width is None or width < _NARROWEST or _size(text) <= width:
        return [text]
    margin = text[: len(text) - len(text.lstrip(" "))]
    lines = [margin]
    end = 0
    for match in _PIECE.finditer(text):
        gap, piece, line = text[end : match.start()], match.group(), lines[-1]
        end = match.end()
        if len(lines) == 1 and line == margin:
            lines[-1] += piece
        elif _size(line + gap + piece) <= width:
            lines[-1] += gap + piece
        else:
            lines.append(margin + indent + piece)
    return lines


def _size(text: str) -> int:
    return cells(COLOURS.sub("", text))
