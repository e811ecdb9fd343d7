"""Ansible's pattern algebra on plain names; `test_generated.py` compares it with Ansible's own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentless.errors import TargetError
from agentless.hostlist import fold
from agentless.inventory.patterns import Names, check, select, split
from tests.report.values import quick

GROUPS = {"all": ["web1", "web2", "web3", "db1"], "web": ["web1", "web2", "web3"], "prod": ["web1", "db1"], "empty": []}


def chosen(pattern: str, unmatched: list[str] | None = None) -> list[str]:
    names = Names(
        dict.fromkeys(GROUPS["all"]),
        GROUPS,
        lambda group: dict.fromkeys(GROUPS[group]),
        lambda name: "localhost" if name == "localhost" else None,
        ([] if unmatched is None else unmatched).append,
    )
    return select(split(pattern, lambda text: False), names)


@pytest.mark.parametrize(
    ("pattern", "hosts"),
    [
        ("all", "web1 web2 web3 db1"),
        ("web", "web1 web2 web3"),
        ("db1,web1", "db1 web1"),
        ("db1:web1", "db1 web1"),
        ("web*:&prod", "web1"),
        ("web:!web3", "web1 web2"),
        ("!web3", "web1 web2 db1"),
        ("&prod", "web1 db1"),
        ("~(web|db)1$", "web1 db1"),
        ("web[0]", "web1"),
        ("web[-1]", "web3"),
        ("web[0:1]", "web1 web2"),
        ("web[1:]", "web2 web3"),
        ("web[12]", None),
        ("web?", "web1 web2 web3"),
        ("empty", ""),
        ("localhost", "localhost"),
        ("web1:web1", "web1"),
    ],
)
def test_parts_are_united_then_intersected_then_removed(pattern: str, hosts: str | None) -> None:
    if hosts is None:
        with pytest.raises(TargetError, match="has 3 hosts"):
            chosen(pattern)
    else:
        assert chosen(pattern) == hosts.split()


FLEET = {
    "all": [*(f"web{number}" for number in range(1, 31)), "n01.x", "n02.x", "n10.x", "n1.x", "10.0.0.7", "10.0.0.8"],
    "web": [f"web{number}" for number in range(1, 31)],
}


def of_fleet(pattern: str, unmatched: list[str] | None = None) -> list[str]:
    told = ([] if unmatched is None else unmatched).append
    names = Names(
        dict.fromkeys(FLEET["all"]), FLEET, lambda group: dict.fromkeys(FLEET[group]), lambda name: None, told
    )
    parts = split(pattern, lambda text: False)
    check(parts, "the target")
    return select(parts, names)


@pytest.mark.parametrize(
    ("pattern", "hosts"),
    [
        ("web[1-3]", "web1 web2 web3"),
        ("web[1-2,7],10.0.0.[7-8]", "web1 web2 web7 10.0.0.7 10.0.0.8"),
        ("web[9-11]:!web10", "web9 web11"),
        ("web:&web[29-30]", "web29 web30"),
        ("n[01-02,10].x", "n01.x n02.x n10.x"),
        # Ansible's own: places, and a wildcard.
        ("web[1:3]", "web2 web3 web4"),
        ("web[1]", "web2"),
        ("web[5-]", " ".join(f"web{number}" for number in range(6, 31))),
        ("n[0-1].x", "n1.x"),
    ],
)
def test_folded_names_select_the_hosts_of_these_names(pattern: str, hosts: str) -> None:
    assert of_fleet(pattern) == hosts.split()


def test_folded_names_of_which_some_are_gone_never_select_other_hosts() -> None:
    with pytest.raises(TargetError, match="of which web31 is none") as raised:
        of_fleet("web[28-31]")
    assert "web[28-30]" in raised.value.hint
    unmatched: list[str] = []
    assert of_fleet("web[29,30,31]", unmatched) == ["web29", "web30"]
    assert unmatched == ["web31"]


@quick
@given(st.sets(st.sampled_from(FLEET["all"]), min_size=1))
def test_what_is_folded_selects_the_same_hosts(names: set[str]) -> None:
    assert set(of_fleet(fold(names))) == names
    assert set(of_fleet(f"all,&{part}" if (part := fold(names)).count(",") == 0 else part)) == names


def test_what_matches_nothing_is_told() -> None:
    unmatched: list[str] = []
    assert chosen("web1,nobody,empty", unmatched) == ["web1"]
    assert unmatched == ["nobody"]


def test_an_expression_that_is_none_is_an_error() -> None:
    with pytest.raises(TargetError, match="regular expression"):
        chosen("~(")


@pytest.mark.parametrize(
    ("pattern", "parts"),
    [
        ("a:b,c", ["a:b", "c"]),
        ("a : b", ["a", "b"]),
        ("web[0:2]:db", ["web[0:2]", "db"]),
        (" , ", []),
        ("", []),
    ],
)
def test_commas_part_before_colons(pattern: str, parts: list[str]) -> None:
    assert split(pattern, lambda text: False) == parts


def test_an_address_stays_whole() -> None:
    assert split("2001:db8::1", lambda text: True) == ["2001:db8::1"]


@pytest.mark.parametrize("parts", [[], ["!"], ["web", "&"], ["~"], ["!@file"]])
def test_what_comes_to_nothing_is_an_error_and_never_everybody(parts: list[str]) -> None:
    with pytest.raises(TargetError):
        check(parts, "the target")
