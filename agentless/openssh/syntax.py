"""How ssh_config(5) writes a line, the words of a value, patterns, a time, a port: in a file, and after `-o`."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterable

from agentless.regex import regex

__all__ = ["connect_timeout", "directive", "patterns", "port_number", "seconds", "words"]

_BLANKS = " \t\r\n"
_LINE = regex(r'[ \t\r\n]*(?:"([^"]*)"|([^ \t\r\n="]+))[ \t\r\n]*=?[ \t\r\n]*(.*)', re.DOTALL)
_TIME = regex(r"([0-9]+)([smhdw]?)", re.IGNORECASE | re.ASCII)
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
# Nobody waits longer, and clocks and selectors overflow.
_LONGEST = 86400.0


def directive(line: str) -> tuple[str, str]:
    """The keyword as it is written, and the text behind it; two empty ones for a blank line or a comment."""
    match = _LINE.match(line.rstrip(_BLANKS + "\f"))
    if not match:
        return "", ""
    keyword = match[1] or match[2] or ""
    return ("", "") if keyword.startswith("#") else (keyword, match[3])


def words(text: str) -> list[str]:
    r"""The words of a value: blanks part them, quotes and `\ ` hold them together, `#` begins a comment.

    This is OpenSSH's own rule, not the shell's: a backslash stands for itself except before a quote, another backslash,
    or, outside quotes, a space.

    Raises:
        ValueError: a quote does not close.
    """
    if not any(character in text for character in "\"'\\#"):
        return [word for word in re.split("[ \t]+", text) if word]
    parts: list[str] = []
    position, end = 0, len(text)
    while position < end:
        if text[position] in " \t":
            position += 1
            continue
        if text[position] == "#":
            break
        word, quoted = "", ""
        while position < end:
            character, following = text[position], text[position + 1 : position + 2]
            if character == "\\" and following and (following in "'\"\\" or (following == " " and not quoted)):
                position += 1
                word += following
            elif not quoted and character in " \t":
                break
            elif not quoted and character in "\"'":
                quoted = character
            elif quoted and character == quoted:
                quoted = ""
            else:
                word += character
            position += 1
        if quoted:
            raise ValueError("a quote does not close")
        parts.append(word)
    return parts


def patterns(texts: Iterable[str]) -> Callable[[str], bool]:
    """Whether one of the patterns, with `*` and `?`, matches, and none of those that begin with `!`."""
    wanted: list[str] = []
    unwanted: list[str] = []
    for pattern in texts:
        expression = re.escape(pattern.removeprefix("!")).replace(r"\*", ".*").replace(r"\?", ".")
        (unwanted if pattern.startswith("!") else wanted).append(expression)
    if not wanted:
        return lambda text: False
    yes = re.compile("|".join(wanted), re.DOTALL).fullmatch
    if not unwanted:
        return lambda text: yes(text) is not None
    no = re.compile("|".join(unwanted), re.DOTALL).fullmatch
    return lambda text: yes(text) is not None and no(text) is None


def seconds(text: str) -> float:
    """A time such as `90`, `1m30s` or `2h`, in seconds; at most a day.

    Raises:
        ValueError: it is none.
    """
    parts = _TIME.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is no time such as 90, 30s or 1m")
    return min(float(sum(int(number) * _UNITS[unit.lower()] for number, unit in parts)), _LONGEST)


def connect_timeout(text: str) -> float | None:
    """ConnectTimeout in seconds; None for `none` and 0, where ssh waits as long as the system does.

    Raises:
        ValueError: it is no time.
    """
    return None if text == "none" else seconds(text) or None


def port_number(text: str) -> int:
    """A port, by number or by its service's name.

    Raises:
        ValueError: it is none.
    """
    if text.isascii() and text.isdecimal():
        number = int(text) if len(text) < 9 else 0
    else:
        try:
            number = socket.getservbyname(text, "tcp")
        except (OSError, ValueError):
            number = 0
    if not 0 < number < 65536:
        raise ValueError(f"Port {text!r} is not a port number")
    return number
