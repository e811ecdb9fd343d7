"""`dataclass` as the standard library has it, for a twentieth of what it costs to make a class.

A command makes some 160 classes of values before it does anything, and of most of them no value or two. The library
compiles up to six methods for each of them, half a millisecond a class. Here, only `__init__` is compiled, once a class
has made a few values; what compares, shows and protects is the same few functions for all. How the library describes
fields, for `fields` and `replace`, it says when it is asked.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

__all__ = ["dataclass"]

T = TypeVar("T")
_set = object.__setattr__
# Values of a class that are made before its `__init__` is compiled, which costs as much as filling twenty.
_FEW = 20
_MISSING = dataclasses.MISSING
# Where a class has its fields: by name, those of its bases first.
_OURS = "__fields_here__"


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
        by_name = _fields(cls)
        # `__doc__`: the library would have a signature here, whose making takes a millisecond.
        more = {"__doc__": cls.__doc__ or cls.__qualname__, "__match_args__": tuple(by_name), _OURS: by_name}
        made: Any = _with_slots(cls, by_name, more) if slots else _with_defaults(cls, by_name, more)
        fields = tuple(by_name.values())
        made.__dataclass_fields__ = _Undescribed(made, fields)
        made.__init__ = _LazyInit(made, fields)
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
            # Only where there is no __dict__ does pickle ask for each attribute.
            if slots:
                names = more["__match_args__"]
                made.__getstate__ = lambda self: [getattr(self, name) for name in names]
                made.__setstate__ = lambda self, state: [
                    _set(self, name, value) for name, value in zip(names, state, strict=True)
                ]
        return made  # type: ignore[no-any-return]

    return make


class _Field:
    """A field of a class.

    Args:
        given: what the class gives it: a default, or what `dataclasses.field` returned; MISSING is nothing.
    """

    __slots__ = ("compare", "default", "default_factory", "given", "name", "repr", "type")

    def __init__(self, name: str, type: object, given: Any) -> None:
        self.name = name
        self.type = type
        self.given = given
        if isinstance(given, dataclasses.Field):
            self.default, self.default_factory = given.default, given.default_factory
            self.repr, self.compare = given.repr, given.compare
        else:
            self.default, self.default_factory = given, _MISSING
            self.repr = self.compare = True
        if self.default.__class__.__hash__ is None:
            raise ValueError(f"mutable default {self.default!r} of field {name}: use default_factory")


def _fields(cls: type) -> dict[str, _Field]:
    """The fields of a class, by name: those of its bases, and those that it annotates."""
    given, fields = vars(cls), {}
    for base in cls.__mro__[-2:0:-1]:
        fields.update(vars(base).get(_OURS, ()))
    for name, annotation in cls.__annotations__.items():
        if not str(annotation).startswith(("ClassVar", "typing.ClassVar")):
            fields[name] = _Field(name, annotation, given.get(name, _MISSING))
    return fields


def _with_slots(cls: type, fields: dict[str, _Field], more: Mapping[str, object]) -> type:
    """The class made anew, with a slot for each field that no base has one for."""
    content = {name: value for name, value in vars(cls).items() if name not in fields}
    content.pop("__dict__", None)
    content.pop("__weakref__", None)
    content |= more
    content["__qualname__"] = cls.__qualname__
    taken = {slot for base in cls.__mro__[1:-1] for slot in vars(base).get("__slots__", ())}
    content["__slots__"] = tuple([name for name in fields if name not in taken])
    return type(cls)(cls.__name__, cls.__bases__, content)


def _with_defaults(cls: type, fields: dict[str, _Field], more: Mapping[str, object]) -> type:
    """The class, with defaults in place of what `dataclasses.field` returned."""
    for field in fields.values():
        if isinstance(vars(cls).get(field.name), dataclasses.Field):
            delattr(cls, field.name)
            if field.default is not _MISSING:
                setattr(cls, field.name, field.default)
    for name, value in more.items():
        setattr(cls, name, value)
    return cls


class _Undescribed:
    """Stands for the library's own description of a class's fields, which is made when somebody asks for it."""

    __slots__ = ("_cls", "_fields")

    def __init__(self, cls: Any, fields: tuple[_Field, ...]) -> None:
        self._cls = cls
        self._fields = fields

    def __get__(self, value: object, owner: type | None = None) -> Any:
        content: dict[str, object] = {field.name: field.given for field in self._fields if field.given is not _MISSING}
        # It takes annotations that are text apart to find a ClassVar.
        content["__annotations__"] = {field.name: object for field in self._fields}
        content["__doc__"] = self._cls.__doc__
        stand_in: Any = type(self._cls.__name__, (), content)
        described = dataclasses.dataclass(init=False, repr=False, eq=False)(stand_in).__dataclass_fields__
        for field in self._fields:
            described[field.name].type = field.type
        # Two threads may make it: one is as good as the other.
        self._cls.__dataclass_fields__ = described
        return described


class _LazyInit:
    """Stands for the `__init__` of a class that has made few values; whoever asks for it gets the real one."""

    __slots__ = ("_cls", "_fields", "_made")

    def __init__(self, cls: Any, fields: tuple[_Field, ...]) -> None:
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
                if field.default is not _MISSING:
                    named[field.name] = field.default
                elif field.default_factory is not _MISSING:
                    named[field.name] = field.default_factory()
        if len(given) > len(fields) or len(named) != len(left) or not all(field.name in named for field in left):
            _init(self._cls, fields)(value, *given, **named)
        for field, one in zip(fields, given, strict=False):
            _set(value, field.name, one)
        for name, one in named.items():
            _set(value, name, one)
        if hasattr(value, "__post_init__"):
            value.__post_init__()


def _init(cls: type, fields: tuple[_Field, ...]) -> Any:
    scope: dict[str, object] = {"_set": _set, "_MADE": _MADE}
    parameters, lines = ["self"], []
    for field in fields:
        name, value = field.name, field.name
        if field.default is not _MISSING:
            scope[f"_default_{name}"] = field.default
            parameters.append(f"{name}=_default_{name}")
        elif field.default_factory is not _MISSING:
            scope[f"_factory_{name}"] = field.default_factory
            parameters.append(f"{name}=_MADE")
            value = f"_factory_{name}() if {name} is _MADE else {name}"
        else:
            parameters.append(name)
        lines.append(f" _set(self, {name!r}, {value})")
    if hasattr(cls, "__post_init__"):
        lines.append(" self.__post_init__()")
    exec(f"def __init__({', '.join(parameters)}):\n" + "\n".join(lines or [" pass"]), scope)
    made: Any = scope["__init__"]
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
