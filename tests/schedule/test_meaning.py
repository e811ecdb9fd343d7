"""What the nodes of a schedule file mean."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from agentless.schedule.meaning import braced, fields_of, inline, meaning, null, own, plain

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def node(text: str) -> Any:
    return yaml.compose(text, Loader=yaml.SafeLoader)


def test_what_is_a_mappings_own_counts_before_what_it_merges_and_the_first_that_is_merged() -> None:
    text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: [*a, *b], x: 0}\n"
    merged = fields_of(own(node(text), "c")[1])  # type: ignore[index]
    assert {key: value.value for key, value in merged.items()} == {"x": "0", "y": "1", "z": "2"}


def test_the_same_value_means_the_same_however_it_is_written() -> None:
    block, flow = node("a:\n- 1\n- b: 'x'\n"), node('{a: [1, {b: "x"}]}')
    assert meaning(block) == meaning(flow)
    assert meaning(node("a: 1")) != meaning(node("a: '1'"))


@given(VALUES)
def test_any_value_stands_on_one_line_and_reads_as_itself(value: object) -> None:
    for flow in (False, True):
        line = inline(plain(value), flow)
        assert not set(line) & set("\r\n\x85\u2028\u2029")
        assert yaml.safe_load(f"[{line}]" if flow else f"- {line}\n") == [value]


@pytest.mark.parametrize(("text", "nothing"), [("", True), ("~", True), ("null", True), ("''", False), ("[]", False)])
def test_what_counts_as_nothing(text: str, nothing: bool) -> None:
    assert null(node(text)) is nothing


def test_what_is_in_braces() -> None:
    assert braced(node("{a: 1}"))
    assert not braced(node("a: 1"))
    assert not braced(node("a"))
