"""`Host` and `Match`."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from agentless.openssh.conditions import Facts, asks_for_final, host, match, passes


def facts(name: str = "web1", **changes: object) -> Facts:
    return Facts(name, "ada", "/home/ada", name, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "holds"),
    [
        (["all"], True),
        (["host", "web*"], True),
        (["host", "WEB1"], True),
        (["host", "db*"], False),
        (["!host", "db*"], True),
        (["host=web1", "user", "ada"], True),
        (["host", "web1", "user", "eve"], False),
        (["originalhost", "web1", "localuser", "ada"], True),
        (["final"], False),
        (["sessiontype", "exec"], True),
    ],
)
def test_all_criteria_of_a_match_have_to_hold(words: list[str], holds: bool) -> None:
    assert match(words, passes)(facts()) is holds


@pytest.mark.parametrize("words", [[], ["all", "host", "x"], ["host"], ["nonsense", "x"]])
def test_what_ssh_does_not_understand_is_an_error(words: list[str]) -> None:
    with pytest.raises(ValueError, match="Match"):
        match(words, passes)


def test_a_criterion_that_is_not_evaluated_is_for_no_host_and_told() -> None:
    asked = facts()
    assert not match(["localnetwork", "10.0.0.0/8"], passes, "config:3")(asked)
    assert asked.unevaluated == ["Match localnetwork (config:3)"]


def test_a_command_is_run_once_and_sees_tokens(tmp_path: Path) -> None:
    log, commands = tmp_path / "log", functools.cache(passes)
    condition = match(["exec", f"echo %h >> {log}"], commands)
    assert condition(facts())
    assert condition(facts())
    assert log.read_text() == "web1\n"
    assert not match(["exec", "false"], commands)(facts())


def test_a_name_that_a_shell_would_misread_reaches_no_command(tmp_path: Path) -> None:
    made = tmp_path / "made"
    with pytest.raises(ValueError, match=r"\w"):
        match(["exec", "true %h"], passes)(facts(f"x;touch${{IFS}}{made}"))
    assert not made.exists()


def test_host_compares_with_the_name_and_final_asks_for_another_pass() -> None:
    assert host(["web*", "!web2"])(facts())
    assert not host(["web*", "!web1"])(facts())
    assert asks_for_final(["FINAL"])
    assert not asks_for_final(["host", "finally"])
