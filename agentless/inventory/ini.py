"""Ansible's INI inventories: `[group]`, `[group:children]`, `[group:vars]`, and `host key=value` lines."""

from __future__ import annotations

import ast
import re
import shlex
import warnings
from collections.abc import Callable
from dataclasses import field
from typing import Any

from agentless.errors import InventoryError
from agentless.inventory.address import EMPTY, expand, split_port
from agentless.inventory.group_tree import Tree, VariablePlace
from agentless.inventory.secrets import is_secret
from agentless.regex import regex
from agentless.values import dataclass

__all__ = ["parse"]

_SECTION = regex(r"\[([^:\]\s]+)(?::(\w+))?\]\s*(?:#.*)?")
_GROUP_NAME = regex(r"([^:\]\s]+)\s*(?:#.*)?")
# What literal_eval could only refuse, so that it needs no asking (20,000 hosts ask it 60,000 times).
_PLAIN_WORD = regex(r"(?:[a-zA-Z_/][\w./:@-]*|[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+)", re.ASCII)
_PLAIN_INT = regex(r"0|[1-9][0-9]{0,17}", re.ASCII)
# Python writes no number of more than 4,300 digits.
_BITS = 13_000
_LITERAL_WORDS = frozenset({"True", "False", "None"})
_TOKEN = regex(r"""(?:[^ \t'"]+|'[^']*'|"[^"]*")+""")
_QUOTED = regex(r"""'([^']*)'|"([^"]*)\"""")


@dataclass(slots=True)
class _Pending:
    """A group that `[parent:children]` or `[group:vars]` named before any section declared it."""

    state: str
    line: int
    parents: list[str] = field(default_factory=list)


def parse(tree: Tree, text: str, file: str) -> None:
    """Read `text` into `tree`.

    Raises:
        InventoryError: a line that cannot be read, or a group that no section declares.
    """
    reader = _IniReader(tree, file)
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if line and line[0] not in ";#":
            reader.number = number
            try:
                reader.read(line)
            except ValueError as error:
                raise InventoryError(str(error), file=file, line=number) from None
    reader.finish()


class _IniReader:
    def __init__(self, tree: Tree, file: str) -> None:
        self._tree = tree
        self._file = file
        self._pending: dict[str, _Pending] = {}
        self._group = "ungrouped"
        self._state: Callable[[str], None] = self._host
        self._states = {"hosts": self._host, "vars": self._variable, "children": self._child}
        self.number = 0

    def read(self, line: str) -> None:
        if line[0] == "[":
            if match := _SECTION.fullmatch(line):
                self._section(match[1], match[2] or "hosts")
                return
            if line[-1] == "]" or "]" not in line:
                raise ValueError(f"{line} is no section: [group], [group:children] or [group:vars], without spaces")
        self._state(line)

    def _section(self, name: str, state: str) -> None:
        if state not in self._states:
            raise ValueError(f"[{name}:{state}]: a section holds hosts, children or vars")
        self._group, self._state = name, self._states[state]
        if name not in self._tree.groups:
            if state == "vars" and name not in self._pending:
                self._pending[name] = _Pending(state, self.number)
            self._tree.add_group(name)
        if state != "vars" and name in self._pending:
            if self._pending[name].state == "children":
                self._adopt(name)
            else:
                del self._pending[name]

    def _adopt(self, name: str) -> None:
        for parent in self._pending[name].parents:
            self._tree.add_child(parent, name)
            if parent in self._pending and self._pending[parent].state == "children":
                self._adopt(parent)
        del self._pending[name]

    def _child(self, line: str) -> None:
        match = _GROUP_NAME.fullmatch(line)
        if match is None:
            raise ValueError(f"a group name is expected here, not {line!r}")
        name = match[1]
        if name in self._tree.groups:
            self._tree.add_child(self._group, name)
        else:
            self._pending.setdefault(name, _Pending("children", self.number)).parents.append(self._group)

    def _variable(self, line: str) -> None:
        name, equals, value = line.partition("=")
        if not equals:
            raise ValueError(f"name=value is expected in [{self._group}:vars], not {line!r}")
        place = VariablePlace(self._file, self.number)
        self._tree.set_variable(self._group, name.strip(), _value(value.strip()), place)

    def _host(self, line: str) -> None:
        words = _words(line)
        pattern = words[0]
        name, port = split_port(pattern) or (pattern, None)
        if pattern.endswith(":") or name == "---":
            raise ValueError(
                f"{pattern!r} is no host: YAML is read from files named .yml, .yaml or .json, or without a suffix"
            )
        if "," in name:
            raise ValueError(f"{name!r} is no host: write one a line")
        values: dict[str, Any] = {}
        for word in words[1:]:
            key, equals, text = word.partition("=")
            if not equals:
                # It may be the second word of a password.
                shown = "" if any(map(is_secret, values)) else f", not {word!r}"
                raise ValueError(f"name=value is expected after the host{shown}: a value with blanks needs quotes")
            values[key] = _value(text)
        place = VariablePlace(self._file, self.number)
        hosts = expand(name)
        if not hosts:
            self._tree.warn(f"{self._file}:{self.number}: {pattern!r} is no host: {EMPTY}")
        for host in hosts:
            self._tree.add_host(host, self._group, port)
            for key, value in values.items():
                self._tree.set_variable(host, key, value, place)

    def finish(self) -> None:
        for name, pending in self._pending.items():
            section = f"[{name}:vars]" if pending.state == "vars" else f"[{pending.parents[-1]}:children]"
            raise InventoryError(
                f"{section} speaks of the group {name!r}, which no section declares",
                f"Add a section [{name}], empty if need be.",
                file=self._file,
                line=pending.line,
            )


def _words(line: str) -> list[str]:
    """`shlex.split(line, comments=True)`, whose pace would cost seconds on a large file, for the usual lines."""
    if "\\" in line or "#" in line or not line.isascii():
        return shlex.split(line, comments=True)
    if "'" not in line and '"' not in line:
        return line.split()
    words = []
    position = 0
    while position < len(line):
        if line[position] in " \t":
            position += 1
            continue
        match = _TOKEN.match(line, position)
        if match is None or (match.end() < len(line) and line[match.end()] not in " \t"):
            return shlex.split(line, comments=True)
        words.append(_QUOTED.sub(lambda quoted: quoted[1] if quoted[1] is not None else quoted[2], match[0]))
        position = match.end()
    return words


def _value(text: str) -> Any:
    """The Python literal that `text` is, else `text`: Ansible's rule for INI."""
    if _PLAIN_WORD.fullmatch(text):
        if text not in _LITERAL_WORDS:
            return text
    elif _PLAIN_INT.fullmatch(text):
        return int(text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            return _plain(ast.literal_eval(text))
    except (ValueError, SyntaxError):
        return text
    except (TypeError, MemoryError, RecursionError) as error:
        raise ValueError(f"a value cannot be read: {error}") from None


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple, set)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, int) and value.bit_length() > _BITS:
        raise TypeError("a number of that many digits")
    if isinstance(value, bytes):
        # Ansible trusts no template that came as bytes, and shows it so.
        return {"__ansible_unsafe": value.decode("utf-8", "surrogateescape")}
    if value is ...:
        return "..."
    return str(value) if isinstance(value, complex) else value
