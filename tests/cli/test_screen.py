"""Whatever a host claims reaches a person through one door: each channel of the screen shows it harmlessly."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from agentless.cli.screen import Screen
from agentless.report.text import Look, paint
from tests.cli.emulator import Emulator
from tests.cli.terminal import Terminal
from tests.hosts import Sshd

HOSTILE = "we\x1b[2Jb\u200b1\x1b]0;title\x07\r\u202e\x9b\ud800\ufeff"
SHOWN = "we^[[2Jb\\u200b1^[]0;title^G\\r\\u202e\\x9b\\ud800\\ufeff"
TERMINAL = Look(terminal=True, colour=True)


@pytest.fixture
def screen() -> Screen:
    stderr = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    screen = Screen({}, stdout=io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), stderr=stderr)
    screen.verbose = 1
    return screen


def stderr(screen: Screen) -> str:
    buffer = screen._stderr.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode()


@pytest.mark.parametrize(
    "channel",
    [
        lambda screen: screen.say(HOSTILE),
        lambda screen: screen.detail(HOSTILE),
        lambda screen: screen.warn(HOSTILE),
    ],
)
def test_a_note_shows_what_a_host_claims_on_one_line(channel: Callable[[Screen], None], screen: Screen) -> None:
    channel(screen)
    assert SHOWN in stderr(screen)


def test_an_error_and_a_traceback_show_it_too(screen: Screen) -> None:
    screen.error(HOSTILE, HOSTILE)
    screen.defect(f"Traceback\n  ValueError: {HOSTILE}\n")
    text = stderr(screen)
    assert text.count("^[[2Jb\\u200b1^[]0;title^G") == 3
    assert not set(text) & set("\x1b\x07\r\x9b\u200b\u202e\ufeff")


def test_our_own_colours_pass(screen: Screen) -> None:
    screen.say(f"job: {paint('1 failed', 'red', TERMINAL)}", painted=True)
    assert stderr(screen) == "job: \x1b[31m1 failed\x1b[0m\n"


def test_our_colours_are_ours_also_where_a_host_claims_them(screen: Screen) -> None:
    for tell in (screen.say, screen.detail, screen.warn, screen.error):
        tell("\x1b[2mhidden\x1b[31m")
    assert "\x1b[2m" not in stderr(screen)
    assert "\x1b[31m" not in stderr(screen)


def test_quiet_and_verbose_decide_about_notes_not_about_errors(screen: Screen) -> None:
    screen.quiet, screen.verbose = True, 0
    screen.say("a summary")
    screen.detail("a detail")
    screen.error("an error")
    assert stderr(screen) == "agentless: an error\n"


def test_progress_names_whom_it_waits_for_and_leaves_no_trace(sshd: Sshd) -> None:
    flag = sshd.directory / "go-on"
    command = f"until [ -e {flag} ]; do sleep 0.1; done; echo done"
    with Terminal("run", "all", "--", command, environ=sshd.client.environ) as terminal:
        terminal.until("0/3")
        terminal.until("waiting for host1, host2, host3 · ")
        flag.touch()
        assert terminal.end() == 0
    screen = Emulator()
    screen.feed(terminal.text)
    assert "waiting for" not in screen.text
    assert "0/3" not in screen.text


@pytest.mark.parametrize("term", ["dumb", ""])
def test_on_a_dumb_or_unknown_terminal_nothing_is_drawn_over(term: str, sshd: Sshd) -> None:
    environ = {**sshd.client.environ, "TERM": term}
    with Terminal("run", "all", "--progress", "--", "sleep 1", environ=environ) as terminal:
        assert terminal.end() == 0
    assert "\x1b" not in terminal.text
    assert "━" not in terminal.text
    with Terminal("top", environ=environ) as terminal:
        assert terminal.end() == 2
    assert "top needs a terminal that can be drawn on" in terminal.text


def test_errors_hints_and_warnings_wrap_between_words_on_a_terminal(sshd: Sshd) -> None:
    with Terminal("-i", "nofile.yaml", "run", "all", "--", "id", environ=sshd.client.environ, columns=40) as terminal:
        assert terminal.end() == 2
    lines = terminal.text.split("\r\n")
    assert all(len(line) <= 40 or " " not in line.strip() for line in lines)
    assert "  Name a file, a directory, or hosts" in lines


def test_a_warning_that_results_have_scrolled_away_is_said_again_at_the_end(sshd: Sshd) -> None:
    for count, times in ((3, 1), (100, 2)):
        words = ("run", "-l", "!typo", "host1", "--", f"seq {count}")
        with Terminal(*words, environ=sshd.client.environ, columns=140) as terminal:
            assert terminal.end() == 0
        assert terminal.text.count("'typo' matches no host and no group, so !typo leaves nobody out.") == times


def test_the_overview_fits_a_terminal(sshd: Sshd) -> None:
    with Terminal(environ=sshd.client.environ) as terminal:
        assert terminal.end() == 0
    assert max(map(len, terminal.text.split("\r\n"))) <= 80
    assert terminal.text.count("\r\n") == 13
