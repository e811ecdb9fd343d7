from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from agentless.inventory.password_file import NoPassword, password_of
from tests.hosts import patience


def test_blanks_around_it_are_no_part_of_a_password(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("  s3cret word\n\n")
    assert password_of(tmp_path / "file", "become").reveal() == "s3cret word"


def test_a_program_prints_it_and_gets_its_arguments(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text('#!/bin/sh\nprintf " %s \\n" "$1"\n')
    program.chmod(0o700)
    assert password_of(program, "become", ["x"]).reveal() == " x "


def test_a_pipe_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o700)
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_text("word\n"), daemon=True)
    writer.start()
    assert password_of(tmp_path / "pipe", "become").reveal() == "word"
    writer.join(patience(10))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "the become password file {} is not there"),
        (lambda path: path.mkdir(), "the become password file {} is a directory"),
        (lambda path: path.write_text(" \n"), "the become password file {} gives an empty password"),
        (
            lambda path: (path.write_text("#!/bin/sh\necho no key >&2; exit 7\n"), path.chmod(0o700)),
            "the become password script {} ended with 7 no key",
        ),
        (
            lambda path: (path.write_text("#!/nowhere\n"), path.chmod(0o700)),
            "the become password file {} cannot be read: No such file or directory",
        ),
    ],
)
def test_what_gives_no_password_says_why(tmp_path: Path, make: object, reason: str) -> None:
    path = tmp_path / "file"
    make(path)  # type: ignore[operator]
    with pytest.raises(NoPassword) as caught:
        password_of(path, "become")
    assert str(caught.value) == reason.format(path)
