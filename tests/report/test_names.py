"""Many host names in little space."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentless.report.names import fold, shorten
from tests.report.values import plain_names, quick, texts


def unfold(text: str) -> list[str]:
    """The names behind a folded text, as ClusterShell reads it."""
    names: list[str] = []
    for stem, ranges, after in re.findall(r"([^\[\],]*)(?:\[([0-9,-]+)\]([^\[\],]*))?(?:,|$)", text):
        for part in ranges.split(","):
            low, dash, high = part.partition("-")
            width = len(low) if low.startswith("0") else 0
            digits = [f"{value:0{width}d}" for value in range(int(low), int(high) + 1)] if dash else [low]
            names += [f"{stem}{each}{after}" for each in digits]
    # Every name has at least one character; the last match is the empty one at the end.
    return [name for name in names if name]


@pytest.mark.parametrize(
    ("names", "folded"),
    [
        ([], ""),
        (["db1"], "db1"),
        (["web01", "web02", "web03", "web15", "db1"], "web[01-03,15],db1"),
        (["web9", "web10"], "web[9-10]"),
        (["web1-node1", "web1-node2"], "web1-node[1-2]"),
        (["rack1-a", "rack2-a"], "rack[1-2]-a"),
        (["10.0.0.1", "10.0.0.2"], "10.0.0.[1-2]"),
        (["a[1]", "b,c"], "a[1],b,c"),
        (["web1", "web1"], "web1"),
        ([f"web{i}.example.com" for i in range(8, 13)], "web[8-12].example.com"),
        (["web08", "web09", "web10"], "web[08-10]"),
        (["dc1-web1", "dc1-web2", "dc2-web1"], "dc1-web[1-2],dc2-web1"),
    ],
)
def test_runs_of_numbers_are_folded(names: list[str], folded: str) -> None:
    assert fold(names) == folded


def test_a_long_list_is_shortened_and_counted() -> None:
    assert shorten(["a", "b", "c"]) == "a, b, c"
    assert shorten(["a", "b", "c", "d"]) == "a, b and 2 more"
    assert shorten([]) == ""


@quick
@given(st.lists(plain_names))
def test_folded_names_unfold_to_the_same_set(names: list[str]) -> None:
    unfolded = unfold(fold(names))
    assert sorted(unfolded) == sorted(set(names))


@quick
@given(st.lists(texts))
def test_any_names_fold_without_loss_of_a_bracketed_one(names: list[str]) -> None:
    folded = fold(names)
    assert all(name in folded for name in names if set(name) & set("[],"))
