"""Ansible's pattern algebra on plain names; `test_generated.py` compares it with Ansible's own."""

from __future__ import annotations

import pytest

from agentless.errors import TargetError
from agentless.inventory.patterns import Names, check, select, split

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
