"""YAML with its lines: what a file says, each value with the place that an error about it names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from agentless.errors import ScheduleError

__all__ = ["LONGEST", "Item", "near", "root"]

# A hundred years, in seconds; beyond, system calls about time begin to fail.
LONGEST = 100 * 366 * 86400
# More words than that are no hint.
_HINTED = 30
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Item:
    """A value of the file.

    Args:
        key: what leads to it, such as `nightly: range: start`; empty for the whole.
        node: what YAML made of it.
        file: the file, as errors name it.
        loader: turns nodes into values.
        line: where it stands: of a value under a key, the key.
    """

    key: str
    node: yaml.Node
    file: str
    loader: Any
    line: int

    @property
    def value(self) -> Any:
        """The value as YAML understands it."""
        try:
            return self.loader.construct_object(self.node, deep=True)
        except (yaml.YAMLError, ValueError) as error:
            raise self.error(f"not YAML: {str(error).splitlines()[0]}") from error

    @property
    def text(self) -> str:
        """What stands there, untouched: YAML 1.1 takes `17:30` for the number 1050, and a date for a timestamp."""
        if not isinstance(self.node, yaml.ScalarNode) or not self.node.value.strip():
            raise self.error("text is needed")
        return str(self.node.value).strip()

    @property
    def empty(self) -> bool:
        return isinstance(self.node, yaml.ScalarNode) and self.node.tag == "tag:yaml.org,2002:null"

    def error(self, reason: str, hint: str = "") -> ScheduleError:
        """The error that names file, line, key and reason."""
        where = f"{self.key}: " if self.key else ""
        return ScheduleError(where + reason, hint, file=self.file, line=self.line)

    def fields(self) -> dict[str, Item]:
        """A mapping's values by key; `<<` is resolved, a key that stands twice is refused."""
        if not isinstance(self.node, yaml.MappingNode):
            raise self.error("a mapping of keys to values is needed")
        self._refuse_doubles()
        try:
            self.loader.flatten_mapping(self.node)
        except yaml.YAMLError as error:
            raise self.error(f"not YAML: {str(error).splitlines()[0]}") from error
        return {str(key.value): self._child(key, value) for key, value in self.node.value}

    def _refuse_doubles(self) -> None:
        seen = set()
        for key, _ in self.node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise Item(self.key, key, self.file, self.loader, _line(key)).error("a key must be text")
            if key.value in seen and key.value != "<<":
                raise self._child(key, key).error("stands here a second time")
            seen.add(key.value)

    def each(self) -> Iterator[Item]:
        """The values of a list; a single value is a list of one."""
        if isinstance(self.node, yaml.SequenceNode):
            yield from (Item(self.key, node, self.file, self.loader, _line(node)) for node in self.node.value)
        else:
            yield self

    def _child(self, key: yaml.Node, node: yaml.Node) -> Item:
        name = str(key.value)
        return Item(f"{self.key}: {name}" if self.key else name, node, self.file, self.loader, _line(key))

    def flag(self) -> bool:
        if not isinstance(self.value, bool):
            raise self.error(f"true or false is needed, not {self.value!r}")
        return bool(self.value)

    def whole(self, least: int) -> int:
        value = self.value
        if isinstance(value, bool) or not isinstance(value, int) or value < least or value > LONGEST:
            most = f"from {least} to {LONGEST}" if isinstance(value, int) and value > LONGEST else f"from {least} on"
            raise self.error(f"a whole number {most} is needed, not {value!r}")
        return value


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def root(text: str | bytes, file: str) -> Item | None:
    """The document of a file; None where it is empty.

    Raises:
        ScheduleError: it is no YAML, or more than one document.
    """
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            where = bytes(error.object).count(b"\n", 0, error.start) + 1
            raise ScheduleError("it is not UTF-8", "Save it as UTF-8.", file=file, line=where) from error
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line + 1 if mark else None
        raise ScheduleError(f"not YAML: {error.problem or error.context}", file=file, line=line) from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ScheduleError(f"not YAML: {str(error).splitlines()[0]}", file=file) from error
    return None if node is None else Item("", node, file, loader, _line(node))


def near(word: str, known: Iterable[str]) -> str:
    """The hint for a word that is not known; empty where none is near and too many are known to name them."""
    names = list(known)
    found = difflib.get_close_matches(word, names, 1)
    if not found and len(names) > _HINTED:
        return ""
    return f"Did you mean {found[0]}?" if found else f"Known: {', '.join(names)}."
