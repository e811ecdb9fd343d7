"""What a job asks of its hosts is checked before anything is sent, and speaks of the API's words."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentless.errors import UsageError
from agentless.model.job_spec import Delivery, JobSpec, Script, read_input, shell_text

words = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


@given(st.lists(words, min_size=2))
def test_several_words_reach_the_shell_as_they_were(command: list[str]) -> None:
    assert shlex.split(shell_text(command)) == command


def test_one_word_goes_to_the_shell_as_it_stands() -> None:
    assert shell_text(["echo $HOME; ls *"]) == shell_text("echo $HOME; ls *") == "echo $HOME; ls *"


def test_a_script_is_named_by_its_file_and_its_arguments(tmp_path: Path) -> None:
    path = tmp_path / "deploy.sh"
    path.write_text("#!/bin/sh\n")
    spec = JobSpec(script=Script.read(path, ["--full"]))
    assert (spec.function, spec.arguments) == ("cmd.script", ("deploy.sh", "--full"))


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"command": " "},
        {"command": "true", "script": Script("x", b"")},
        {"command": "true", "timeout": 0},
        {"command": "true", "timeout": float("nan")},
        *({"command": "true", "timeout": value} for value in (10**5000, -1, True, "5", float("inf"))),
        *({"command": "true", "cap": value} for value in (10**5000, -1, 0, True, "5", 1.5, float("nan"))),
        {"command": 5},
        {"command": "true", "cwd": 5},
        {"command": "true", "cwd": ""},
        {"command": "true", "shell": " "},
        {"command": "true", "env": {"A": 1}},
        {"command": "true", "metadata": {"a": float("nan")}},
        {"command": "true", "env": {"A=B": "x"}},
        {"command": "true", "env": {"A": "x\0y"}},
    ],
    ids=lambda wrong: "-".join(wrong),
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        JobSpec(**wrong)
    assert "--" not in caught.value.message + caught.value.hint


def test_a_file_that_cannot_be_read_is_named() -> None:
    for read in (Script.read, read_input):
        with pytest.raises(UsageError, match="/no/such/file"):
            read("/no/such/file")


@pytest.mark.parametrize("wrong", [10**5000, -1, True, "5", float("nan"), float("inf")], ids=lambda _: "wait")
def test_what_is_waited_for_is_a_number_of_seconds(wrong: Any) -> None:
    with pytest.raises(UsageError, match="seconds from 0 on"):
        Delivery(wait=wrong)


def test_a_detached_job_is_not_waited_for() -> None:
    with pytest.raises(UsageError) as caught:
        Delivery(detach=True, wait=3.0)
    assert "--" not in caught.value.message + caught.value.hint
    assert Delivery(detach=True, batch=2).batch == 2


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1, 10**30])
def test_a_time_that_never_comes_is_refused(seconds: float) -> None:
    with pytest.raises(UsageError):
        JobSpec("true", timeout=seconds)
    with pytest.raises(UsageError):
        Delivery(wait=seconds)
