"""`dataclass` as the standard library has it, for a tenth of what it costs to make a class.

A command makes some 160 classes of values before it does anything, and of most of them no value or two. The library
compiles up to six methods for each of them, half a millisecond a class. Here, only `__init__` is compiled, once a class
has made a few values; what compares, shows and protects is the same few functions for all. Fields, slots, defaults,
`replace` and `fields` are the library's.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

__all__ = ["dataclass"]

T = TypeVar("T")
_set = object.__setattr__
# Values of a class that are made before its `__init__` is compiled, which costs as much as filling twenty.
_FEW = 20


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
        made: Any = _with_fields(cls, slots=slots)
        fields = dataclasses.fields(made)
        made.__init__ = _Uncompiled(made, fields)
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


def _with_fields(cls: type, *, slots: bool) -> type:
    """What the library makes of a class.

    It takes annotations that are text apart to find a ClassVar, for a third of its time; so it is shown only those.
    """
    annotations = inspect.get_annotations(cls)
    # Else it parses a signature, for a millisecond.
    cls.__doc__ = cls.__doc__ or cls.__qualname__
    if not annotations:
        return dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots)(cls)
    cls.__annotations__ = {
        name: text if isinstance(text, str) and "Var" in text else object for name, text in annotations.items()
    }
    made: Any = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots)(cls)
    made.__annotations__ = annotations
    for field in dataclasses.fields(made):
        if field.name in annotations:
            field.type = annotations[field.name]
    return made  # type: ignore[no-any-return]


class _Uncompiled:
    """Stands for the `__init__` of a class that has made few values; whoever asks for it gets the real one."""

    __slots__ = ("_cls", "_fields", "_made")

    def __init__(self, cls: Any, fields: tuple[dataclasses.Field[Any], ...]) -> None:
        self._cls = cls
        self._fields = fields
        self._made = 0

    def __get__(self, value: object, owner: type | None = None) -> Any:
        self._made += 1
        if value is not None and self._made < _FEW:
            return partial(self._fill, value)
        # Two threads may compile it: one is as good as the other.
        made = self._cls.__init__ = _init(self._cls, self._fields)
        return made.__get__(value, owner)

    def _fill(self, value: Any, /, *given: object, **named: object) -> None:
        """What the compiled one does; which says what is wrong, too."""
        fields = self._fields
        left = fields[len(given) :]
        for field in left:
            if field.name not in named:
                if field.default is not dataclasses.MISSING:
                    named[field.name] = field.default
                elif field.default_factory is not dataclasses.MISSING:
                    named[field.name] = field.default_factory()
        if len(given) > len(fields) or len(named) != len(left) or not all(field.name in named for field in left):
            _init(self._cls, fields)(value, *given, **named)
        for field, one in zip(fields, given, strict=False):
            _set(value, field.name, one)
        for name, one in named.items():
            _set(value, name, one)
        if hasattr(value, "__post_init__"):
            value.__post_init__()


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
