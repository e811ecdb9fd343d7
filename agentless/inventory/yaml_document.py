"""YAML and JSON text as plain values, with the line of every key at hand."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any, NoReturn

from agentless.errors import InventoryError
from agentless.yamlfile import fault, line_of, refuse_deep, yaml

__all__ = ["Document", "load_json", "unsafe"]

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_OPEN = object()
# Python writes no number of more than 4,300 digits.
_DIGITS = 4000
_BITS = 13_000
_AMBIGUOUS: Any = _Base.yaml_implicit_resolvers
_RESOLVER: Any = yaml.resolver.Resolver()
_TAG = "tag:yaml.org,2002:"
_STR, _INT, _MAP, _SEQ, _MERGE = _TAG + "str", _TAG + "int", _TAG + "map", _TAG + "seq", _TAG + "merge"


class _Loader(_Base):  # type: ignore[misc]
    """PyYAML's, but quick to see that a plain scalar is text: large inventories have hundreds of thousands of them."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        if kind is yaml.ScalarNode and implicit[0] and value and value[0] not in _AMBIGUOUS:
            return _STR
        return super().resolve(kind, value, implicit)


class Document:
    """One file's content.

    Values are those that `ansible-inventory` shows: dates as ISO 8601 text, sets as lists, `!vault` and `!unsafe` as
    `{"__ansible_vault": …}` and `{"__ansible_unsafe": …}`.

    Args:
        text: JSON, or YAML 1.1.
        file: named in errors.
        warn: told of keys that stand twice, of which the last one counts.

    Raises:
        InventoryError: neither, or no UTF-8; with the line.
        RecursionError: it is nested more deeply than can be read.
    """

    def __init__(self, text: str, file: str, warn: Callable[[str], None]) -> None:
        self.file = file
        self._warn = warn
        self._nodes: dict[int, Any] = {}
        self._built: dict[int, Any] = {}
        self._scalars = yaml.constructor.SafeConstructor()
        self.data: Any
        if text.lstrip()[:1] in ("{", "["):
            # As Ansible: what is JSON is read as JSON, whose numbers differ from YAML's.
            try:
                self.data = load_json(text, file, warn)
                return
            except ValueError:
                pass
        try:
            loader = _Loader(text)
        except UnicodeEncodeError as error:
            line = text.count("\n", 0, error.start) + 1
            raise InventoryError("this is no UTF-8", "Convert it with iconv.", file=file, line=line) from None
        try:
            refuse_deep(text)
            node = loader.get_single_node()
            self.data = None if node is None else self._build(node)
        except yaml.YAMLError as error:
            reason, at = fault(error)
            hint = "Check the indentation and the quotes there."
            raise InventoryError(f"this is no YAML: {reason}", hint, file=file, line=at) from None
        finally:
            loader.dispose()

    def line(self, mapping: Any, key: object) -> int | None:
        """The line, from 1, in which `key` of a mapping of this document stands; None for JSON."""
        node = self._nodes.get(id(mapping))
        if node is not None:
            for key_node, _ in reversed(node.value):
                if key_node.value in (key, str(key)):
                    return line_of(key_node)
        return None

    def _build(self, node: Any) -> Any:
        tag = node.tag
        if tag == _STR:
            return node.value
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        key = id(node)
        if key in self._built:
            if self._built[key] is _OPEN:
                self._fail(node, "an alias that contains itself")
            return self._built[key]
        self._built[key] = _OPEN
        value: Any
        if tag == _MAP:
            value = self._mapping(node)
            self._nodes[id(value)] = node
        elif tag == _SEQ:
            value = [self._build(item) for item in node.value]
        elif tag == _TAG + "set":
            value = list(self._mapping(node))
        elif tag == _TAG + "omap" or tag == _TAG + "pairs":
            value = [self._mapping(item) for item in node.value]
        elif tag == "!unsafe":
            value = unsafe(self._build(self._untagged(node)))
        else:
            self._fail(node, f"could not determine a constructor for the tag {tag!r}")
        self._built[key] = value
        return value

    def _scalar(self, node: Any) -> Any:
        tag, text = node.tag, node.value
        if tag == _INT and text.isdigit() and text[0] != "0" and len(text) < _DIGITS:
            return int(text)
        if tag in ("!vault", "!vault-encrypted"):
            return {"__ansible_vault": text}
        if tag == "!unsafe":
            return unsafe(self._build(self._untagged(node)))
        constructors = self._scalars.yaml_constructors
        if tag not in constructors or not tag.startswith(_TAG):
            self._fail(node, f"could not determine a constructor for the tag {tag!r}")
        try:
            value = constructors[tag](self._scalars, node)
        except (ValueError, AttributeError, IndexError, KeyError):
            self._fail(node, f"{text!r} is no {tag.removeprefix(_TAG)}")
        if isinstance(value, int) and value.bit_length() > _BITS:
            self._fail(node, "a number of that many digits")
        if isinstance(value, bytes):
            return value.decode("utf-8", "backslashreplace")
        return value.isoformat() if hasattr(value, "isoformat") else value

    def _untagged(self, node: Any) -> Any:
        plain = copy.copy(node)
        plain.tag = _RESOLVER.resolve(type(node), node.value, (True, False))
        return plain

    def _mapping(self, node: Any) -> dict[Any, Any]:
        if not isinstance(node, yaml.MappingNode):
            self._fail(node, "a mapping is needed here")
        # As the PyYAML that is installed merges, and Ansible with it: versions differ where a merged mapping merges.
        self._tell_duplicates(node)
        if any(key.tag == _MERGE for key, _ in node.value):
            self._scalars.flatten_mapping(node)
        value: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node)
            try:
                value[key] = self._build(value_node)
            except TypeError:
                jinja = isinstance(key_node, yaml.MappingNode)
                hint = 'If it is Jinja, quote it: "{{ … }}".' if jinja else ""
                self._fail(key_node, "this cannot be a key", hint)
        return value

    def _key(self, node: Any) -> Any:
        return node.value if node.tag in (_STR, _TAG + "value") else self._build(node)

    def _tell_duplicates(self, node: Any) -> None:
        first: dict[Any, int] = {}
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == _MERGE:
                continue
            line = key_node.start_mark.line + 1
            # `1`, `0x1` and `true` are one key, and so are `2026-01-01` and that in quotes.
            if (before := first.setdefault(self._key(key_node), line)) != line:
                self._warn(
                    f"{self.file}:{line}: {key_node.value!r} stands here a second time, after line {before}: only this "
                    "one counts, and what the other one holds is dropped"
                )

    def _fail(self, node: Any, problem: str, hint: str = "") -> NoReturn:
        raise InventoryError(problem, hint, file=self.file, line=line_of(node))


def load_json(text: str, file: str, warn: Callable[[str], None]) -> Any:
    """JSON as plain values; keys that stand twice are told.

    Raises:
        ValueError: the text is no JSON.
        RecursionError: it is nested more deeply than can be read.
    """

    def build(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) != len(pairs):
            names = [name for name, _ in pairs]
            for name in dict.fromkeys(name for name in names if names.count(name) > 1):
                warn(f"{file}: {name!r} stands twice in one object: only the last one counts")
        return value

    return json.loads(text, object_pairs_hook=build)


def unsafe(value: Any) -> Any:
    """The value with every text in it marked as no template, as `ansible-inventory` marks `!unsafe`."""
    if isinstance(value, str):
        return {"__ansible_unsafe": value}
    if isinstance(value, list):
        return [unsafe(item) for item in value]
    if isinstance(value, dict):
        return {key: unsafe(item) for key, item in value.items()}
    return value
