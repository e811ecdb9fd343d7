"""Each class is made twice, by the library and by ours, and nobody can tell one from the other."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import operator
import pickle
from collections.abc import Callable
from dataclasses import field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentless import values

OURS: Any = values.dataclass
LIBRARY: Any = dataclasses.dataclass


def shapes(dataclass: Any) -> dict[str, Any]:
    """Classes of every shape that there is in agentless."""

    @dataclass(frozen=True, slots=True)
    class Plain:
        """A value."""

        a: int
        b: str = "b"
        c: list[int] = field(default_factory=list)
        line: int = field(default=0, compare=False)

        @property
        def twice(self) -> int:
            return self.a * 2

    @dataclass(frozen=True, slots=True)
    class Checked(Plain):
        d: int = 4

        def __post_init__(self) -> None:
            if self.a < 0:
                raise ValueError("negative")

    @dataclass(frozen=True, slots=True)
    class One:
        only: float

    @dataclass(frozen=True, slots=True)
    class Empty:
        pass

    @dataclass(slots=True)
    class Changing:
        a: int
        b: dict[str, int] = field(default_factory=dict)

    @dataclass(frozen=True, slots=True, eq=False)
    class Same:
        a: int

    @dataclass(frozen=True, slots=True, repr=False)
    class Hidden:
        a: int

        def __repr__(self) -> str:
            return "hidden"

    @dataclass(frozen=True, eq=False)
    class Open:
        a: int

    classes: list[Any] = [Plain, Checked, One, Empty, Changing, Same, Hidden, Open]
    return {cls.__name__: cls for cls in classes}


ours, library = shapes(OURS), shapes(LIBRARY)
NAMES = sorted(ours)
CALLS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((), {}),
    ((1,), {}),
    ((-1,), {}),
    ((1, {"x": 1}), {}),
    ((1, "x"), {"line": 7}),
    ((), {"a": 1}),
    ((), {"only": 1.5}),
    ((1, 2, [3], 4, 5, 6), {}),
    ((1,), {"nonsense": 1}),
]


def outcome(call: Callable[[], Any]) -> Any:
    """What a call gives, as text, or the type of what it raises."""
    try:
        value = call()
    except (TypeError, ValueError) as error:
        return type(error)
    return value if isinstance(value, (bool, int, type(None))) else repr(value)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_made_of_the_same_arguments_shown_alike_and_replaced_alike(name: str) -> None:
    for arguments, keywords in CALLS:
        assert outcome(lambda: ours[name](*arguments, **keywords)) == outcome(  # noqa: B023
            lambda: library[name](*arguments, **keywords)  # noqa: B023
        )
        for change in ({"a": 5}, {"line": 5}, {"nonsense": 5}):
            assert outcome(lambda: dataclasses.replace(ours[name](*arguments, **keywords), **change)) == outcome(  # noqa: B023
                lambda: dataclasses.replace(library[name](*arguments, **keywords), **change)  # noqa: B023
            )


@pytest.mark.parametrize("name", NAMES)
def test_the_hundredth_value_is_made_as_the_first(name: str) -> None:
    for arguments, keywords in CALLS:
        made = shapes(OURS)[name]
        assert len({outcome(lambda: made(*arguments, **keywords)) for _ in range(100)}) == 1  # noqa: B023


def test_a_field_may_have_any_name() -> None:
    @OURS(frozen=True, slots=True)
    class Odd:
        value: int
        given: int = 1
        named: int = 2

    assert repr(Odd(value=1, named=3)).endswith("Odd(value=1, given=1, named=3)")  # type: ignore[call-arg]


@pytest.mark.parametrize("name", NAMES)
def test_a_stranger_sees_the_same_class(name: str) -> None:
    mine, theirs = ours[name], library[name]
    assert str(inspect.signature(mine)) == str(inspect.signature(theirs))
    assert mine.__match_args__ == theirs.__match_args__
    assert getattr(mine, "__slots__", None) == getattr(theirs, "__slots__", None)
    described = [
        [(each.name, each.type, each.default, each.compare) for each in dataclasses.fields(cls)]
        for cls in (mine, theirs)
    ]
    assert described[0] == described[1]
    assert (mine.__hash__ is None) is (theirs.__hash__ is None)


@given(first=st.integers(0, 2), second=st.integers(0, 2), lines=st.tuples(st.integers(0, 1), st.integers(0, 1)))
def test_equal_and_hashed_alike(first: int, second: int, lines: tuple[int, int]) -> None:
    for name in ("Plain", "Checked", "Changing", "Same", "Hidden"):
        more = [{"line": line} if name in ("Plain", "Checked") else {} for line in lines]
        for tell in (operator.eq, operator.ne):
            assert tell(ours[name](first, **more[0]), ours[name](second, **more[1])) == tell(
                library[name](first, **more[0]), library[name](second, **more[1])
            )
    assert ours["Plain"](1) != library["Plain"](1)
    assert ours["Plain"](1, c=[1]) != ours["Checked"](1, c=[1])
    one = ours["One"]
    assert len({one(first), one(second)}) == len({first, second})
    with pytest.raises(TypeError):
        hash(ours["Plain"](1))  # of a list, as the library's
    with pytest.raises(TypeError):
        hash(ours["Changing"](1))


@pytest.mark.parametrize("name", ["Plain", "Checked", "Hidden", "Same", "Open"])
def test_nobody_changes_what_is_frozen(name: str) -> None:
    value: Any = ours[name](1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        value.a = 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        value.z = 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        del value.a
    assert value.a == 1


def test_a_default_is_made_anew_for_each() -> None:
    first, second = ours["Changing"](1), ours["Changing"](1)
    first.b["x"] = 1
    assert second.b == {}


@OURS(frozen=True, slots=True)
class Sent:
    a: int
    b: tuple[int, ...] = (1,)
    line: int = field(default=0, compare=False)


def test_it_is_copied_and_pickled() -> None:
    value: Any = Sent(1, (2,), 3)  # type: ignore[call-arg]
    for again in (copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
        assert again == value
        assert again.line == 3
        assert again is not value


def test_a_class_is_described_when_somebody_asks() -> None:
    made = shapes(OURS)
    fields = "__dataclass_fields__"
    assert not isinstance(vars(made["Checked"])[fields], dict)
    assert [field.name for field in dataclasses.fields(made["Checked"])] == ["a", "b", "c", "line", "d"]
    assert isinstance(vars(made["Checked"])[fields], dict)
    assert not isinstance(vars(made["Plain"])[fields], dict)
    assert dataclasses.is_dataclass(made["Plain"])


def test_no_values_share_a_default_that_changes() -> None:
    for dataclass in (OURS, LIBRARY):
        with pytest.raises(ValueError, match="mutable default"):

            @dataclass(slots=True)
            class Shared:
                a: list[int] = []  # noqa: RUF012
