"""The values of ansible.cfg and `ANSIBLE_*`: texts made into words, numbers, lists and paths as Ansible makes them."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

__all__ = [
    "FALSE",
    "TRUE",
    "CfgText",
    "Convert",
    "absolute",
    "flag",
    "items",
    "number",
    "path",
    "paths",
    "text",
    "word",
]

TRUE = frozenset({"y", "yes", "on", "1", "true", "t", "1.0"})
FALSE = frozenset({"n", "no", "off", "0", "false", "f", "0.0", ""})
"""With `TRUE`, the words that Ansible takes for a boolean, in lower case."""


class CfgText(NamedTuple):
    """A text, and where it stands: the directory that its relative paths count from, the working directory, the
    environment, and whether it stands in the file."""

    text: str
    directory: Path
    working: Path
    environ: Mapping[str, str]
    in_file: bool


Convert = Callable[[CfgText], Any]


def unquoted(text: str) -> str:
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" and text[-2] != "\\"
    return text[1:-1] if quoted else text


def text(value: CfgText) -> str:
    return unquoted(value.text) if value.in_file else value.text


def flag(value: CfgText) -> bool:
    """As Ansible's lenient reading: what is not true is false."""
    return value.text.strip().lower() in TRUE


def number(least: int, most: int) -> Convert:
    def convert(value: CfgText) -> int:
        from decimal import Decimal, DecimalException

        with contextlib.suppress(DecimalException):
            number = Decimal(value.text)
            # Only then: the whole number of 1e999999999 fills the memory.
            if least <= number <= most and number == int(number):
                return int(number)
        raise ValueError(f"a whole number from {least} to {most} is needed, not {value.text!r:.80}")

    return convert


def items(value: CfgText) -> tuple[str, ...]:
    return tuple(unquoted(item.strip()) for item in value.text.split(","))


def _expanded(text: str, environ: Mapping[str, str]) -> str:
    """`$NAME`, `${NAME}` and `~`, by the environment that is given."""

    def variable(match: re.Match[str]) -> str:
        return environ.get(match[1] or match[2], str(match[0]))

    text = re.sub(r"\$(?:(\w+)|\{([^}]*)\})", variable, text, flags=re.ASCII)
    if text == "~" or text.startswith("~/"):
        home = environ.get("HOME")
        return home + text[1:] if home else os.path.expanduser(text)
    return os.path.expanduser(text)


def absolute(text: str, directory: Path, environ: Mapping[str, str], working: Path | None = None) -> str:
    """An absolute path; `{{CWD}}` in it is the working directory, else it counts from `directory`."""
    text = _expanded(text.replace("{{CWD}}", os.path.abspath(working or directory)), environ)
    return os.path.normpath(os.path.join(os.path.abspath(directory), text))


def path(value: CfgText) -> str:
    resolved = absolute(value.text, value.directory, value.environ, value.working)
    return unquoted(resolved) if value.in_file else resolved


def paths(value: CfgText) -> tuple[str, ...]:
    """What stands between commas; Ansible takes an empty place for the directory of the file itself."""
    texts = [text.strip() for text in value.text.split(",")]
    return tuple(absolute(text, value.directory, value.environ, value.working) for text in texts if text)


def word(*words: str) -> Convert:
    def convert(value: CfgText) -> str:
        given = text(value)
        if given not in words:
            raise ValueError(f"{' or '.join(words)} is needed, not {given!r}")
        return given

    return convert
