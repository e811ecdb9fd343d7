"""Many host names in little space."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentless.hostlist import fold, parts, shorten, unfold
from tests.report.values import plain_names, quick, texts


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


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("web[1-3]", "web1 web2 web3"),
        ("web[1-3,07]", "web1 web2 web3 web07"),
        ("web[08-10].example.com", "web08.example.com web09.example.com web10.example.com"),
        ("[1,3]", "1 3"),
        # One number or none is a place of a group to Ansible, a colon a range of places, letters a wildcard.
        ("web[12]", ""),
        ("web[1:3]", ""),
        ("web[a-c]", ""),
        ("web[1-]", ""),
        ("web[3-1]", ""),
        ("web[1-2][3-4]", ""),
        ("web1", ""),
        ("web[0-999999999999]", ""),
    ],
)
def test_what_is_folded_unfolds_and_nothing_else(text: str, names: str) -> None:
    assert unfold(text) == tuple(names.split())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("web[1-3,7],db1", ["web[1-3,7]", "db1"]),
        ("a,,b,", ["a", "", "b", ""]),
        ("web[1-3", ["web[1-3"]),
        ("web[a,b]", ["web[a", "b]"]),
        ("", [""]),
    ],
)
def test_commas_between_numbers_in_brackets_part_nothing(text: str, found: list[str]) -> None:
    assert parts(text) == found


def unfolded(text: str) -> list[str]:
    return [name for part in parts(text) for name in unfold(part) or ([part] if part else [])]


@quick
@given(st.lists(plain_names))
def test_folded_names_unfold_to_the_same_set(names: list[str]) -> None:
    assert sorted(unfolded(fold(names))) == sorted(set(names))


@quick
@given(
    st.lists(
        st.builds(
            "{}{}{}".format, st.sampled_from(["web", "r1-n", "0", ""]), st.integers(0, 120), st.sampled_from(["", ".a"])
        )
    )
)
def test_fleets_unfold_to_the_same_set(names: list[str]) -> None:
    assert sorted(unfolded(fold(names))) == sorted(set(names))


@quick
@given(st.lists(texts))
def test_any_names_fold_without_loss_of_a_bracketed_one(names: list[str]) -> None:
    folded = fold(names)
    assert all(name in folded for name in names if set(name) & set("[],"))
