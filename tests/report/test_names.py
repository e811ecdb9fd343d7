"""Many host names in little space."""

from __future__ import annotations

import re
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentless.report.names import fold, shorten


def unfold(text: str) -> list[str]:
    """The names that a folded text stands for, as ClusterShell reads it."""
    names = []
    for part in re.findall(r"(?:[^,\[]|\[[^]]*\])+", text):
        found = re.fullmatch(r"([^\[]*)\[([^]]*)\](.*)", part)
        if not found:
            names.append([part])
            continue
        numbers: list[str] = []
        for each in found[2].split(","):
            low, _, high = each.partition("-")
            numbers += [f"{n:0{len(low)}d}" for n in range(int(low), int(high or low) + 1)]
        names.append([f"{found[1]}{number}{found[3]}" for number in numbers])
    return list(chain(*names))


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
    ],
)
def test_runs_of_numbers_are_folded(names: list[str], folded: str) -> None:
    assert fold(names) == folded


@given(st.lists(st.from_regex(r"\A(?:web|db-?)[0-9]{0,3}(?:-n[0-9]{1,2})?\Z"), unique=True))
def test_what_is_unfolded_is_the_same_set(names: list[str]) -> None:
    assert sorted(unfold(fold(names))) == sorted(names)


def test_a_long_list_is_shortened_and_counted() -> None:
    assert shorten(["a", "b", "c"]) == "a, b, c"
    assert shorten(["a", "b", "c", "d"]) == "a, b and 2 more"
    assert shorten([]) == ""
