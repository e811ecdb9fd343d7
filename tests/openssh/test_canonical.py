"""The name of a host in full, with a resolver whose answers are given."""

from __future__ import annotations

import pytest

from agentless.errors import Unreachable
from agentless.openssh.canonical import canonical, wanted
from agentless.openssh.conditions import Facts

ALIASES = {"web1.example.com.": "real.example.net", "web1.corp.": "web1.corp", "short": "long.example.net"}
ON = {"canonicalizehostname": ("yes",), "canonicaldomains": ("none-has-it.test", "example.com")}


def resolved(name: str, **options: tuple[str, ...]) -> str:
    facts = Facts(name, "ada", "/home/ada", name, options=dict(options))
    return canonical(facts, lambda asked, family: ALIASES.get(asked))


@pytest.mark.parametrize(
    ("name", "full"),
    [("127.1", "127.0.0.1"), ("::0001", "::1"), ("WEB1", "web1"), ("fe80::1%lo", "fe80::1%lo")],
)
def test_an_address_has_its_usual_form_and_a_name_is_in_lower_case(name: str, full: str) -> None:
    assert resolved(name) == full


def test_a_name_is_looked_for_in_the_domains_in_their_order() -> None:
    assert resolved("web1", **ON) == "web1.example.com"
    assert resolved("web1", **{**ON, "canonicaldomains": ("corp", "example.com")}) == "web1.corp"


@pytest.mark.parametrize("name", ["web1.sub.deep", "web9"])
def test_a_name_with_dots_enough_or_in_no_domain_stays_as_it_is(name: str) -> None:
    assert resolved(name, **ON) == name


def test_where_no_domain_has_it_and_no_fallback_is_allowed_there_is_no_such_name() -> None:
    with pytest.raises(Unreachable) as caught:
        resolved("web9", **ON, canonicalizefallbacklocal=("no",))
    assert caught.value.kind == "resolve"


@pytest.mark.parametrize(
    ("rule", "full"),
    [
        ("*.example.com:*.example.net", "real.example.net"),
        ("*.example.com:*.org", "web1.example.com"),
        ("*", "real.example.net"),
    ],
)
def test_an_alias_is_followed_where_a_rule_permits_it(rule: str, full: str) -> None:
    assert resolved("web1", **ON, canonicalizepermittedcnames=(rule,)) == full


def test_behind_a_bastion_a_name_is_left_alone_but_where_it_is_always_wanted() -> None:
    assert resolved("web1", **ON, proxyjump=("bastion",)) == "web1"
    assert resolved("web1", **{**ON, "canonicalizehostname": ("always",)}, proxyjump=("bastion",)) == "web1.example.com"


@pytest.mark.parametrize(("value", "on"), [("no", False), ("false", False), ("yes", True), ("always", True)])
def test_it_is_wanted_unless_it_is_switched_off(value: str, on: bool) -> None:
    assert wanted(Facts("a", "ada", "/", "a", options={"canonicalizehostname": (value,)})) is on
    assert not wanted(Facts("a", "ada", "/", "a"))
