"""The keywords of ssh_config(5) and their values."""

from __future__ import annotations

import pytest

from agentless.openssh.keywords import known, read, unhonoured


@pytest.mark.parametrize(
    ("keyword", "text", "value"),
    [
        ("port", "22", ("port", ("22",))),
        ("userknownhostsfile", "a b", ("userknownhostsfile", ("a", "b"))),
        ("proxycommand", "ssh -W '%h:%p' b # not a comment", ("proxycommand", ("ssh -W '%h:%p' b # not a comment",))),
        ("proxyjump", "a,b # a comment", ("proxyjump", ("a,b",))),
        ("dsaauthentication", "no", ("pubkeyauthentication", ("no",))),
        ("identityfile2", "k", ("identityfile", ("k",))),
    ],
)
def test_a_value_is_its_words_or_a_whole_command(keyword: str, text: str, value: tuple[str, tuple[str, ...]]) -> None:
    assert known(keyword)
    assert read(keyword, text) == value


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("port", ""),
        ("port", "22 23"),
        ("port", "http/x"),
        ("batchmode", "maybe"),
        ("userknownhostsfile", "none a"),
        ("connecttimeout", "soon"),
        ("canonicalizemaxdots", "many"),
        ("user", '"a'),
    ],
)
def test_a_value_that_ssh_refuses_is_an_error(keyword: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read(keyword, text)


def test_no_value_that_switches_something_off_is_unhonoured() -> None:
    assert unhonoured("gssapiauthentication", ("no",)) == ""
    assert not known("nosuchkeyword")
