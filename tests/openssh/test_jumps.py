"""The hops before a host, as ProxyJump and ProxyCommand name them."""

from __future__ import annotations

import pytest

from agentless.openssh.jumps import Jump, Way, jump_of_command, parse_jumps, way


@pytest.mark.parametrize(
    ("text", "hops"),
    [
        ("none", ()),
        ("", ()),
        ("bastion", (Jump("bastion"),)),
        ("ada@bastion:2222", (Jump("bastion", "ada", 2222),)),
        ("ssh://ada@bastion:2222/", (Jump("bastion", "ada", 2222),)),
        ("a, b", (Jump("a"), Jump("b"))),
        ("[2001:db8::1]:22", (Jump("2001:db8::1", port=22),)),
    ],
)
def test_proxyjump_names_hops_in_order(text: str, hops: tuple[Jump, ...]) -> None:
    assert parse_jumps(text) == hops


@pytest.mark.parametrize("text", ["a;touch${IFS}x", "-oProxyCommand=x", "a:0", "a:99999", ",", "$(id)@a"])
def test_a_hop_that_ssh_would_refuse_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_jumps(text)


@pytest.mark.parametrize(
    ("found", "chosen"),
    [
        ({}, Way("", "")),
        ({"proxyjump": ["a"], "proxycommand": ["nc %h %p"]}, Way("proxyjump", "a")),
        ({"proxycommand": ["nc %h %p"], "proxyjump": ["a"]}, Way("proxycommand", "nc %h %p")),
        ({"proxycommand": ["none"], "proxyjump": ["a"]}, Way("", "")),
        ({"proxyjump": ["none"], "proxycommand": ["nc %h %p"]}, Way("proxycommand", "nc %h %p")),
    ],
)
def test_what_was_said_first_counts(found: dict[str, list[str]], chosen: Way) -> None:
    assert way(found) == chosen


def test_the_last_hop_is_the_bastion() -> None:
    assert way({"proxyjump": ["a,b:22"]}).bastion == "b"
    assert way({"proxycommand": ["ssh -W %h:%p b"]}).bastion == ""


@pytest.mark.parametrize(
    "command",
    [
        "ssh -W web:22 bastion",
        "exec /usr/bin/ssh -W web:22 bastion",
        "ssh -W [web]:22 bastion 2>/dev/null",
        "ssh bastion nc web 22",
        "ssh bastion exec nc -w 10 web 22",
    ],
)
def test_a_command_that_is_a_hop_in_other_words_is_one(command: str) -> None:
    assert jump_of_command(command, "web", 22) == Jump("bastion")


@pytest.mark.parametrize(
    "command",
    [
        "ssh -W other:22 bastion",
        "ssh -W web:22 bastion | tee log",
        "ssh -W web:22 $(pick)",
        "ssh -W web:22",
        "corkscrew proxy 8080 web 22",
        "ssh bastion nc other 22",
        "ssh -W 'web:22 bastion",
    ],
)
def test_any_other_command_is_left_to_the_shell(command: str) -> None:
    assert jump_of_command(command, "web", 22) is None
