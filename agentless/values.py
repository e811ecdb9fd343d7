"""`dataclass` as the standard library has it, for a tenth of what it costs to make a class.

A command makes some 140 classes of values before it does anything. The library compiles up to six methods for each of
them, half a millisecond a class. Here, only `__init__` is compiled; what compares, shows and protects is the same few
functions for all. Fields, slots, defaults, `replace` and `fields` are the library's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

__all__ = ["dataclass"]

T = TypeVar("T")
_set = object.__setattr__


class _Made:
    """Stands for a default that is made anew for each value, as the library shows it in a signature."""

    def __repr__(self) -> str:
        return "<factory>"


_MADE = _Made()


def _dataclass(
    *, frozen: bool = False, slots: bool = False, eq: bool = True, repr: bool = True
) -> Callable[[type[T]], type[T]]:
    """What of `dataclasses.dataclass` is used here."""

    def make(cls: type[T]) -> type[T]:
        given = vars(cls)
        made: Any = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots)(cls)
        fields = dataclasses.fields(made)
        made.__init__ = _init(made, fields)
        if repr and "__repr__" not in given:
            made.__repr__ = _shown([field.name for field in fields if field.repr])
        if eq:
            key = _key([field.name for field in fields if field.compare])
            if "__eq__" not in given:
                made.__eq__ = _equal(key)
            if "__hash__" not in given or given["__hash__"] is None:
                made.__hash__ = (lambda self: hash(key(self))) if frozen else None
        if frozen:
            made.__setattr__ = made.__delattr__ = _refuse
            names = [field.name for field in fields]
            # Only where there is no __dict__ does pickle ask for each attribute.
            if slots:
                made.__getstate__ = lambda self: [getattr(self, name) for name in names]
                made.__setstate__ = lambda self, state: [
                    _set(self, name, value) for name, value in zip(names, state, strict=True)
                ]
        return made  # type: ignore[no-any-return]

    return make


def _init(cls: type, fields: tuple[dataclasses.Field[Any], ...]) -> Any:
    scope: dict[str, Any] = {"_set": _set, "_MADE": _MADE}
    parameters, lines = ["self"], []
    for field in fields:
        name, value = field.name, field.name
        if field.default is not dataclasses.MISSING:
            scope[f"_default_{name}"] = field.default
            parameters.append(f"{name}=_default_{name}")
        elif field.default_factory is not dataclasses.MISSING:
            scope[f"_factory_{name}"] = field.default_factory
            parameters.append(f"{name}=_MADE")
            value = f"_factory_{name}() if {name} is _MADE else {name}"
        else:
            parameters.append(name)
        lines.append(f" _set(self, {name!r}, {value})")
    if hasattr(cls, "__post_init__"):
        lines.append(" self.__post_init__()")
    exec(f"def __init__({', '.join(parameters)}):\n" + "\n".join(lines or [" pass"]), scope)
    made = scope["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    made.__annotations__ = {**{field.name: field.type for field in fields}, "return": None}
    return made


def _key(names: list[str]) -> Callable[[Any], Any]:
    """What two values are compared by."""
    return attrgetter(*names) if names else lambda self: ()


def _equal(key: Callable[[Any], Any]) -> Callable[[Any, object], Any]:
    def equal(self: Any, other: object) -> Any:
        return key(self) == key(other) if other.__class__ is self.__class__ else NotImplemented

    return equal


def _shown(names: list[str]) -> Callable[[Any], str]:
    def shown(self: Any) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    return shown


def _refuse(self: object, name: str, *value: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot {'assign to' if value else 'delete'} field {name!r}")


if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    dataclass = _dataclass
