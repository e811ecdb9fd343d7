"""Values as they travel between a command and its keeper: frozen dataclasses to JSON and back, field by field.

What a dataclass has is what travels: a field that is added to `Settings` is neither forgotten here nor in the identity
of a connection. What comes in is checked against the types that the fields are declared with.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from agentless.model.secret import Secret

__all__ = ["from_json", "to_json"]

T = TypeVar("T")
_Read = Callable[[object], object]
_PLAIN = (str, int, float, bool)


def to_json(value: object) -> Any:
    """What `json.dumps` takes: an object of a dataclass, a list of a tuple, text of a path and of a secret."""
    if value is None or isinstance(value, _PLAIN):
        return value
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return [to_json(item) for item in value]
    kind: Any = type(value)
    if (names := _names(kind)) is not None:
        return {name: to_json(getattr(value, name)) for name in names}
    raise TypeError(f"a {type(value).__name__} does not travel")


@functools.cache
def _names(kind: Any) -> tuple[str, ...] | None:
    """Those of a dataclass's fields; None of what is none."""
    return tuple(field.name for field in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else None


def from_json(kind: type[T], raw: object) -> T:
    """The value of a dataclass that `to_json` was given.

    Raises:
        ValueError: it is something else; the message names the field, and no value.
    """
    any_kind: Any = kind
    try:
        return typing.cast(T, _reader(any_kind)(raw))
    except ValueError as problem:
        raise ValueError(f"{kind.__name__}{problem}") from None


@functools.cache
def _reader(kind: Any) -> _Read:
    """What reads values of a type; its ValueError goes on from the name of what is read."""
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        (inner,) = (choice for choice in typing.get_args(kind) if choice is not type(None))
        read = _reader(inner)
        return lambda raw: None if raw is None else read(raw)
    if origin is tuple:
        return _tuple(typing.get_args(kind))
    if kind in (Secret, Path):
        text = _reader(str)
        return lambda raw: kind(text(raw))
    return _plain(kind) if kind in _PLAIN else _object(kind)


def _plain(kind: type) -> _Read:
    def read(raw: object) -> object:
        if kind is float and type(raw) is int:
            return float(raw)
        if type(raw) is not kind:
            raise ValueError(f" is no {kind.__name__}")
        return raw

    return read


def _object(kind: Any) -> _Read:
    def read(raw: object) -> object:
        readers = _readers(kind)
        if not isinstance(raw, dict) or raw.keys() != readers.keys():
            raise ValueError(" has other fields")
        values = {}
        for name, value_of in readers.items():
            try:
                values[name] = value_of(raw[name])
            except ValueError as problem:
                raise ValueError(f".{name}{problem}") from None
        return kind(**values)

    return read


@functools.cache
def _readers(kind: Any) -> dict[str, _Read]:
    """Of each field; apart, for a field may be of the type that it is in."""
    return {name: _reader(hint) for name, hint in typing.get_type_hints(kind).items()}


def _tuple(kinds: tuple[Any, ...]) -> _Read:
    def read(raw: object) -> object:
        if not isinstance(raw, list):
            raise ValueError(" is no list")
        wanted = (kinds[0],) * len(raw) if len(kinds) == 2 and kinds[1] is Ellipsis else kinds
        if len(wanted) != len(raw):
            raise ValueError(f" has {len(raw)} items")
        return tuple([_reader(one)(item) for one, item in zip(wanted, raw, strict=True)])

    return read
