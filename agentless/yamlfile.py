"""YAML with its lines: what a file says, each value with the place that an error about it names."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator
from itertools import islice
from typing import Any

from agentless.errors import FileError
from agentless.regex import deferred, regex
from agentless.values import dataclass

# The patterns of its pure parser, for which its C parser has no use, take half of its import.
with deferred():
    import yaml

__all__ = ["FAULTS", "LONGEST", "YamlItem", "fault", "line_of", "refuse_deep", "root", "yaml"]

# A hundred years, in seconds; beyond, system calls about time begin to fail.
LONGEST = 100 * 366 * 86400
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# What PyYAML raises for text that is no YAML, or whose tag its content does not fit: `!!int ""` is an IndexError.
FAULTS = (yaml.YAMLError, ValueError, AttributeError, IndexError, KeyError, TypeError, RecursionError)

# Levels that a person's file never has, and that every version of PyYAML reads.
_DEEPEST = 1000
_OPENERS = regex(r"[\[{]|[-?](?=\s)")

_brief = reprlib.Repr()
_brief.maxlevel, _brief.maxstring, _brief.maxlong, _brief.maxother = 2, 80, 80, 80


def fault(error: Exception) -> tuple[str, int | None]:
    """What is wrong, in one line, and the line of the text where that is known; `error` is one of FAULTS."""
    if isinstance(error, RecursionError):
        return "it is nested more deeply than can be read", None
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    reason = getattr(error, "problem", None) or getattr(error, "context", None) or str(error).partition("\n")[0]
    return reason or type(error).__name__, mark.line + 1 if mark else None


def refuse_deep(text: str) -> None:
    """Raise RecursionError where YAML is nested so deeply that PyYAML before 6.0.4 dies of a full stack."""
    # Each level has one of these or is indented more than the one before; few files have as many as would do harm.
    if sum(1 for _ in islice(_OPENERS.finditer(text), 20 * _DEEPEST)) < 20 * _DEEPEST:
        return
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):  # which needs no stack
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                raise RecursionError
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def line_of(node: yaml.Node) -> int:
    """The line in which a node begins, from 1."""
    return int(node.start_mark.line) + 1


@dataclass(frozen=True, slots=True)
class YamlItem:
    """A value of the file.

    Args:
        key: what leads to it, such as `nightly: range: start`; empty for the whole.
        node: what YAML made of it.
        file: the file, as errors name it.
        line: where it stands: of a value under a key, the key.
        raises: the error that says that the file is wrong.
    """

    key: str
    node: yaml.Node
    file: str
    loader: Any
    line: int
    raises: type[FileError]

    @property
    def value(self) -> Any:
        """The value as YAML understands it."""
        try:
            return self.loader.construct_object(self.node, deep=True)
        except FAULTS as error:
            raise self._not_yaml(error) from error

    @property
    def shown(self) -> str:
        """The value as an error quotes it, at most some lines long, however often its aliases repeat it."""
        try:
            return _brief.repr(self.value)
        except ValueError:  # Python writes no number of more than 4,300 digits
            return "a number of that many digits"

    @property
    def text(self) -> str:
        """What stands there, untouched: YAML 1.1 takes `17:30` for the number 1050, and a date for a timestamp."""
        if not isinstance(self.node, yaml.ScalarNode) or not self.node.value.strip():
            raise self.error("text is needed")
        return str(self.node.value).strip()

    @property
    def empty(self) -> bool:
        return isinstance(self.node, yaml.ScalarNode) and self.node.tag == "tag:yaml.org,2002:null"

    def error(self, reason: str, hint: str = "") -> FileError:
        """The error that names file, line, key and reason."""
        where = f"{self.key}: " if self.key else ""
        return self.raises(where + reason, hint, file=self.file, line=self.line)

    def _not_yaml(self, error: Exception) -> FileError:
        return self.error(f"not YAML: {fault(error)[0]}")

    def fields(self) -> dict[str, YamlItem]:
        """A mapping's values by key; `<<` is resolved, a key that stands twice is refused."""
        if not isinstance(self.node, yaml.MappingNode):
            raise self.error("a mapping of keys to values is needed")
        self._refuse_doubles()
        try:
            self.loader.flatten_mapping(self.node)
        except FAULTS as error:
            raise self._not_yaml(error) from error
        return {str(key.value): self._child(key, value) for key, value in self.node.value}

    def _refuse_doubles(self) -> None:
        seen = set()
        for key, _ in self.node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self._at(self.key, key, line_of(key)).error("a key must be text")
            if key.value in seen and key.value != "<<":
                raise self._child(key, key).error("stands here a second time")
            seen.add(key.value)

    def each(self) -> Iterator[YamlItem]:
        """The values of a list; a single value is a list of one."""
        if isinstance(self.node, yaml.SequenceNode):
            yield from (self._at(self.key, node, line_of(node)) for node in self.node.value)
        else:
            yield self

    def _child(self, key: yaml.Node, node: yaml.Node) -> YamlItem:
        name = str(key.value)
        return self._at(f"{self.key}: {name}" if self.key else name, node, line_of(key))

    def _at(self, key: str, node: yaml.Node, line: int) -> YamlItem:
        return YamlItem(key, node, self.file, self.loader, line, self.raises)

    def flag(self) -> bool:
        if not isinstance(self.value, bool):
            raise self.error(f"true or false is needed, not {self.shown}")
        return bool(self.value)

    def whole(self, least: int) -> int:
        value = self.value
        if isinstance(value, bool) or not isinstance(value, int) or value < least or value > LONGEST:
            most = f"from {least} to {LONGEST}" if isinstance(value, int) and value > LONGEST else f"from {least} on"
            raise self.error(f"a whole number {most} is needed, not {self.shown}")
        return value


def root(text: str | bytes, file: str, raises: type[FileError]) -> YamlItem | None:
    """The document of a file; None where it is empty.

    Args:
        file: as errors name it.
        raises: the error to raise where the file is wrong.

    Raises:
        FileError: of that type; the text is no YAML, no UTF-8, or more than one document.
    """
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            line = bytes(error.object).count(b"\n", 0, error.start) + 1
            raise raises("not YAML: it is not UTF-8", "Save it as UTF-8.", file=file, line=line) from error
    try:
        refuse_deep(text)
        loader = _Loader(text)
        node = loader.get_single_node()
    except FAULTS as error:
        reason, at = fault(error)
        raise raises(f"not YAML: {reason}", file=file, line=at) from error
    return None if node is None else YamlItem("", node, file, loader, line_of(node), raises)
