"""One field of a host's answer: a value of the type that is asked for, whatever the host sent."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentless.model.problem import Problem
from agentless.runner import frame_fields
from agentless.values import dataclass

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    size: int
    pid: int | None
    at: float | None
    whole: bool
    local: bool | None
    zone: str | None
    why: Problem | None
    words: tuple[str, ...]


NOTHING = Row("", 0, None, None, whole=False, local=None, zone=None, why=None, words=())


@given(JSON)
def test_any_value_is_read_as_the_type_that_the_field_has(value: object) -> None:
    row = frame_fields.build(Row, dict.fromkeys(Row.__slots__, value))
    assert isinstance(row.name, str)
    assert isinstance(row.size, int)
    assert row.size >= 0
    assert row.pid is None or -(2**63) < row.pid < 2**63
    assert row.at is None or (math.isfinite(row.at) and 0 <= row.at < 2**33)
    assert isinstance(row.whole, bool)
    assert row.local in (None, True, False)
    assert row.zone is None or row.zone
    assert row.why is None or isinstance(row.why, Problem)
    assert all(isinstance(word, str) for word in row.words)


def test_a_field_that_is_missing_is_that_type_s_nothing() -> None:
    assert frame_fields.build(Row, {}) == NOTHING


def test_what_is_known_already_is_not_taken_from_the_host() -> None:
    assert frame_fields.build(Row, {"name": "of the host"}, name="of the inventory").name == "of the inventory"


def test_a_field_that_the_type_does_not_have_is_passed_over() -> None:
    """A newer helper may say more."""
    assert frame_fields.build(Row, {"invented": 1}) == NOTHING


@pytest.mark.parametrize("value", [True, "7", 7.0, 2**63, -(2**63), None, [7]])
def test_no_number_is_made_of_what_is_none_or_too_large(value: object) -> None:
    assert frame_fields.number({"n": value}, "n") is None
    assert frame_fields.count({"n": value}, "n") == 0


def test_a_negative_count_is_none() -> None:
    assert (frame_fields.number({"n": -7}, "n"), frame_fields.count({"n": -7}, "n")) == (-7, 0)


@pytest.mark.parametrize("value", [-1, 2**33, math.inf, -math.inf, math.nan, True, "1.5", None])
def test_a_time_outside_of_the_calendar_is_none(value: object) -> None:
    assert frame_fields.stamp({"at": value}, "at") is None


def test_a_pattern_has_to_match_the_whole_text() -> None:
    digits = re.compile(r"\d{2}", re.ASCII)
    assert [frame_fields.matched(digits, {"jid": value}, "jid") for value in ("12", "12\n", "123", 12)] == [
        "12", None, None, None,
    ]  # fmt: skip


def test_of_a_list_only_texts_are_taken_and_of_a_mapping_every_value_as_text() -> None:
    assert frame_fields.texts({"a": ["x", 1, None, ["y"]]}, "a") == ("x",)
    assert frame_fields.pairs({"m": {"a": 1, "b": None}}, "m") == {"a": "1", "b": "None"}
    assert frame_fields.pairs({"m": ["a"]}, "m") == {}


@pytest.mark.parametrize("value", [[], ["kind", "message"], ["a", "b", "c", "d"], "abc", {"kind": "x"}])
def test_a_problem_is_three_words(value: object) -> None:
    assert frame_fields.problem_in({"why": value}, "why") is None


def test_a_word_of_a_problem_that_is_no_text_is_empty() -> None:
    assert frame_fields.problem_in({"why": ["disk-full", 7, None]}, "why") == Problem("disk-full", "", "")
