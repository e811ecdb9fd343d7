"""Values as they travel between a command and its keeper: frozen dataclasses to JSON and back, field by field.

What a dataclass has is what travels: a field that is added to `Settings` is neither forgotten here nor in the identity
of a connection. What comes in is checked against the types that the fields are declared with.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

from agentless.model.secret import Secret

__all__ = ["from_json", "to_json"]

T = TypeVar("T")
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
    return typing.cast(T, _read(kind, raw, kind.__name__))


def _read(kind: Any, raw: object, where: str) -> object:
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        (inner,) = (choice for choice in typing.get_args(kind) if choice is not type(None))
        return None if raw is None else _read(inner, raw, where)
    if origin is tuple:
        return _tuple(typing.get_args(kind), raw, where)
    if kind in (Secret, Path):
        return kind(_read(str, raw, where))
    if kind is float and isinstance(raw, int) and not isinstance(raw, bool):
        return float(raw)
    if kind in _PLAIN:
        if type(raw) is not kind:
            raise ValueError(f"{where} is no {kind.__name__}")
        return raw
    return _object(kind, raw, where)


def _object(kind: Any, raw: object, where: str) -> object:
    hints = _hints(kind)
    if not isinstance(raw, dict) or raw.keys() != hints.keys():
        raise ValueError(f"{where} has other fields")
    return kind(**{name: _read(hint, raw[name], f"{where}.{name}") for name, hint in hints.items()})


def _tuple(kinds: tuple[Any, ...], raw: object, where: str) -> tuple[object, ...]:
    if not isinstance(raw, list):
        raise ValueError(f"{where} is no list")
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        kinds = (kinds[0],) * len(raw)
    if len(kinds) != len(raw):
        raise ValueError(f"{where} has {len(raw)} items")
    return tuple(_read(kind, item, where) for kind, item in zip(kinds, raw, strict=True))


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)
