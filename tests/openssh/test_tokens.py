"""`%h` and `${HOME}` in the values of ssh_config(5)."""

from __future__ import annotations

import pytest

from agentless.openssh.tokens import OF_COMMANDS, expand, expand_path, table

TOKENS = table(
    home="/home/ada",
    local_user="ada",
    name="web",
    host="web.example.com",
    port=2222,
    user="deploy",
    alias="alias",
    jump="bastion",
)


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("%r@%h:%p", "deploy@web.example.com:2222"),
        ("%n %k %j %u %d", "web alias bastion ada /home/ada"),
        ("100%%", "100%"),
        ("%%h", "%h"),
    ],
)
def test_each_token_is_expanded_once(text: str, expanded: str) -> None:
    assert expand(text, TOKENS) == expanded


@pytest.mark.parametrize("text", ["%x", "%", "a%"])
def test_a_token_that_is_none_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="no token"):
        expand(text, TOKENS)


def test_what_a_token_stands_for_is_not_expanded_again() -> None:
    assert expand("%h", {"%h": "%n"}) == "%n"


def test_variables_are_expanded_where_they_may_stand_and_must_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIR", "/keys")
    monkeypatch.delenv("UNSET", raising=False)
    assert expand("${DIR}/%h", TOKENS, variables=True) == "/keys/web.example.com"
    assert expand("${DIR}", TOKENS) == "${DIR}"
    with pytest.raises(ValueError, match="not set"):
        expand("${UNSET}", TOKENS, variables=True)


def test_a_home_with_a_percent_sign_is_taken_as_it_is() -> None:
    assert expand_path("~/x", TOKENS, "/home/100%h") == "/home/100%h/x"
    assert expand_path("NONE", TOKENS, "/home/ada") == ""


def test_commands_know_fewer_tokens() -> None:
    assert set(OF_COMMANDS) < set(TOKENS)
