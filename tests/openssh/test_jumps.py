"""ProxyJump, and the ProxyCommand that is one in other words."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentless.openssh.jumps import Jump, Way, jump_of_command, parse_jumps, way


@pytest.mark.parametrize(
    ("text", "hops"),
    [
        ("", ()),
        ("none", ()),
        ("bastion", (Jump("bastion"),)),
        ("ada@a:23,ssh://b:24", (Jump("a", "ada", 23), Jump("b", None, 24))),
        ("[fe80::1]:22", (Jump("fe80::1", None, 22),)),
        ("ada@fe80::1", (Jump("fe80::1", "ada"),)),
        ("a@corp@host", (Jump("host", "a@corp"),)),
        ("ssh://a%40corp;fingerprint=x@host:23/", (Jump("host", "a@corp", 23),)),
        ("u:p@host", (Jump("host", "u:p"),)),
        (" a,b ", (Jump("a"), Jump("b"))),
    ],
)
def test_jumps_are_read_in_the_order_of_the_visit(text: str, hops: tuple[Jump, ...]) -> None:
    assert parse_jumps(text) == hops


@pytest.mark.parametrize(
    ("command", "hop"),
    [
        ("exec /usr/bin/ssh -W 10.0.0.1:22 bastion", Jump("bastion")),
        ("corkscrew proxy 8080 10.0.0.1 22", None),
        ("ssh -W 10.0.0.1:22 b | tee log", None),
        ("ssh b exec nc -w 10 10.0.0.1 22", Jump("b")),
        ("ssh -W 10.0.0.1:22 -q user@bastion", Jump("bastion", "user")),
        ("ssh user@bastion -W 10.0.0.1:22", Jump("bastion", "user")),
        ("ssh -qW '[10.0.0.1]:22' -p 2222 user@bastion", Jump("bastion", "user", 2222)),
        ("ssh -p2222 -W10.0.0.1:22 -l admin bastion", Jump("bastion", "admin", 2222)),
        ("ssh -o Port=2222 -oUser=admin -W 10.0.0.1:22 bastion", Jump("bastion", "admin", 2222)),
        ("ssh -p 2222 -W 10.0.0.1:22 user@2001:db8::1", Jump("2001:db8::1", "user", 2222)),
        (
            "ssh -i ~/one -o IdentityFile=two -W 10.0.0.1:22 u@b",
            Jump("b", "u", None, ("~/one", "two")),
        ),
        ("/usr/bin/ssh -A -W 10.0.0.1:22 -o ControlMaster=auto -o ControlPersist=60s u@b", Jump("b", "u")),
        ("exec ssh -W 10.0.0.1:22 u@b", Jump("b", "u")),
        ("ssh -J first -W 10.0.0.1:22 second", Jump("second", options=(("proxyjump", ("first",)),))),
        (
            "ssh -o ProxyCommand='ssh -W %h:%p first' -W 10.0.0.1:22 second",
            Jump("second", options=(("proxycommand", ("ssh -W %h:%p first",)),)),
        ),
        ("ssh -F cfg -W 10.0.0.1:22 b", Jump("b", config_file="cfg")),
        (
            "ssh -o StrictHostKeyChecking=no -W 10.0.0.1:22 u@b",
            Jump("b", "u", options=(("stricthostkeychecking", ("no",)),)),
        ),
        ("ssh -o ForwardAgent=yes -W 10.0.0.1:22 u@b", Jump("b", "u")),
        ("sh -c 'ssh -q -W 10.0.0.1:22 u@b'", Jump("b", "u")),
        ("ssh -i $KEYS/one -W 10.0.0.1:22 -p 2222 ${LOGIN}@b", Jump("b", "ada", 2222, ("/my/keys/one",))),
        (
            "ssh -i ~/.ssh/k -o 'StrictHostKeyChecking no' -oBatchMode=yes -p 2222 -W 10.0.0.1:22 -q u@b",
            Jump("b", "u", 2222, ("~/.ssh/k",), (("stricthostkeychecking", ("no",)),)),
        ),
        ("ssh -q u@b nc -w 10 10.0.0.1 22 2>/dev/null", Jump("b", "u")),
        ("ssh -p 22 u@b exec /bin/netcat 10.0.0.1 22", Jump("b", "u", 22)),
        ("ssh u@b socat - TCP:10.0.0.1:22", Jump("b", "u")),
        # Not what it looks like, or with what only ssh can do.
        ("ssh -K -W 10.0.0.1:22 b", None),
        ("ssh -W other:22 b", None),
        ("ssh -W 10.0.0.1:22", None),
        ("ssh b", None),
        ("ssh b hostname", None),
        ("ssh -W 10.0.0.1:22 u@b; date", None),
        ("ssh -W 10.0.0.1:22 $NO_SUCH_VARIABLE", None),
        ("ssh -W 10.0.0.1:22 $SPACED", None),
        ("ssh -W 10.0.0.1:22 '$LOGIN'", None),
        ("ssh -W 10.0.0.1:22 'b", None),
        ("nc -X 5 -x proxy:1080 10.0.0.1 22", None),
        ("cloudflared access ssh --hostname 10.0.0.1", None),
    ],
)
def test_a_proxy_command_that_is_a_jump_is_seen_as_one(
    command: str, hop: Jump | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("KEYS", "/my/keys"), ("LOGIN", "ada"), ("SPACED", "b; id")):
        monkeypatch.setenv(name, value)
    assert jump_of_command(command, "10.0.0.1", 22) == hop


@pytest.mark.parametrize(
    "text",
    [
        *(
            "a;touch${IFS}x",
            "-oProxyCommand=x",
            "a:0",
            "a:99999",
            ",",
            "a,",
            ",a",
            "$(id)@a",
            "@a",
            "a@",
            "a b",
            "a,b c",
        ),
        *("[a", "[a]b", "a/b", "ssh://a/b", "ssh://@a", "ssh://a:/", "ssh://%zz@a", "ssh://u@a@b", "ssh://a..b"),
    ],
)
def test_a_hop_that_ssh_would_refuse_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_jumps(text)


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        ({}, Way("", "")),
        ({"proxyjump": ["a"], "proxycommand": ["nc %h %p"]}, Way("proxyjump", "a")),
        ({"proxycommand": ["nc %h %p"], "proxyjump": ["a"]}, Way("proxycommand", "nc %h %p")),
        ({"proxycommand": ["none"], "proxyjump": ["a"]}, Way("", "")),
        ({"proxyjump": ["none"], "proxycommand": ["nc %h %p"]}, Way("proxycommand", "nc %h %p")),
    ],
)
def test_what_was_said_first_counts(options: dict[str, list[str]], chosen: Way) -> None:
    assert way(options) == chosen


def test_the_last_hop_is_the_bastion() -> None:
    assert way({"proxyjump": ["a,b:22"]}).bastion == "b"
    assert way({"proxycommand": ["ssh -W %h:%p b"]}).bastion == ""


@given(st.text())
def test_any_command_and_any_jump_is_a_value_or_an_error_that_names_it(text: str) -> None:
    hop = jump_of_command(text, "h", 22)
    assert hop is None or hop.host
    with contextlib.suppress(ValueError):
        assert all(hop.host for hop in parse_jumps(text))
