"""What `run --check` shows; nobody is contacted."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Say


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["--", "ls -l | wc"], "ls -l | wc"),
        (["--", "ls", "-l", "my file"], "ls -l 'my file'"),
        (["uptime"], "uptime"),
        (["--check", "uptime", "now"], "uptime now"),
        (["--", "git", "log", "--", "x"], "git log -- x"),
    ],
)
def test_check_shows_the_command_and_where_it_would_go(say: Say, words: list[str], command: str) -> None:
    code, out, err = say("-i", "web1,web2", "run", "web1", "--check", *words)
    assert (code, err) == (0, f"would run on 1 host: {command}\n")
    assert out.splitlines()[1].split() == ["web1", "web1"]


@pytest.mark.parametrize("share", ["0", "0%", "101%", "-1", "nan", "9" * 5000])
def test_check_refuses_what_the_run_would_refuse(say: Say, share: str) -> None:
    code, out, err = say("-i", "web1,web2", "run", "all", "--check", "--batch", share, "--", "true")
    assert (code, out) == (2, "")
    assert len(err) < 300
