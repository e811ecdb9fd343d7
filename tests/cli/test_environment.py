"""Values of a job's environment come from the argument list, from this command's environment, or from a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentless.cli.environment import job_environment, parse_env_file
from agentless.errors import FileError, UsageError
from tests.report.values import quick


def test_a_name_alone_takes_the_value_that_it_has_here() -> None:
    assert job_environment(["A", "B=2", "C="], [], {"A": "a=1"}) == {"A": "a=1", "B": "2", "C": ""}


def test_a_name_that_has_no_value_here_is_an_error_that_names_it() -> None:
    with pytest.raises(UsageError, match="this command's environment has no TOKEN"):
        job_environment(["TOKEN"], [], {})


@pytest.mark.parametrize("word", ["", "=", "=1", "a b=1", "a\0=1"])
def test_what_is_no_variable_is_refused(word: str) -> None:
    with pytest.raises(UsageError):
        job_environment([word], [], {word: "1"})


def test_the_command_line_wins_over_files_and_a_later_file_over_an_earlier(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("A=1\nB=1\nC=1\n")
    second.write_text("B=2\nC=2\n")
    assert job_environment(["C=3"], [first, second], {}) == {"A": "1", "B": "2", "C": "3"}


def test_a_file_is_read_as_docker_and_systemd_write_them() -> None:
    text = """\ufeff# a comment
A=1
  B = two words\x20
C="say \\"hi\\" to \\$HOME, \\n"
D='$HOME \\'
E=a # b
F=
G="first
second"
H=it's
A=last\r
"""
    assert parse_env_file(text, "file") == {
        "A": "last",
        "B": "two words",
        "C": 'say "hi" to $HOME, \\n',
        "D": "$HOME \\",
        "E": "a # b",
        "F": "",
        "G": "first\nsecond",
        "H": "it's",
    }


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("A=1\nB\n", "env:2: not KEY=VALUE: 'B'"),
        ("export A=1", "env:1: not KEY=VALUE: 'export A'"),
        ("=1", "env:1: not KEY=VALUE: ''"),
        ("A=1\nB='open\n\n", "env:2: the value of B has no closing '"),
        ('A="1" 2', "env:1: behind the value of A stands more: '2'"),
        ("A=1\0", "env:1: the value of A has a NUL byte"),
    ],
)
def test_an_error_names_file_and_line(text: str, error: str) -> None:
    with pytest.raises(FileError) as raised:
        parse_env_file(text, "env")
    assert raised.value.message == error


@quick
@given(st.text())
def test_any_text_is_variables_or_an_error(text: str) -> None:
    try:
        variables = parse_env_file(text, "env")
    except FileError:
        return
    assert all("\0" not in name + value and "=" not in name for name, value in variables.items())


@pytest.mark.parametrize("name", ["", "missing", "/dev/zero", "a\0b"])
def test_a_file_that_cannot_be_read_is_an_error_that_names_it(name: str) -> None:
    with pytest.raises(UsageError, match="--env-file"):
        job_environment([], [Path(name)], {})


def test_bytes_that_are_no_utf8_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_bytes(b"A=\xff\n")
    assert job_environment([], [file], {})["A"].encode("utf-8", "surrogateescape") == b"\xff"
