"""`agentless top` in a real terminal of 80 columns and 24 lines, and where there is none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.cli.emulator import Emulator
from tests.cli.terminal import Terminal, agentless
from tests.hosts import Sshd, children, patience, until


class Screen:
    """What stands on the terminal in which `top` runs."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._emulator = Emulator(80, 24)
        self._fed = 0

    @property
    def text(self) -> str:
        self._emulator.feed(self._terminal.text[self._fed :])
        self._fed = len(self._terminal.text)
        return self._emulator.text

    def until(self, *words: str) -> None:
        deadline = time.monotonic() + patience(60)
        while not all(word in self.text for word in words):
            assert self._terminal._read(), self.text
            assert time.monotonic() < deadline, self.text


@pytest.mark.parametrize("leave", ["q", "\x03", "TERM"])
def test_it_shows_what_runs_and_leaves_the_terminal_and_the_job_as_they_were(sshd: Sshd, leave: str) -> None:
    environ = sshd.client.environ
    jid = agentless("run", "host1,host2", "--detach", "--", "echo begun; sleep 300", environ=environ).stdout.strip()
    with Terminal("top", "--keep", "0", environ=environ) as terminal:
        screen = Screen(terminal)
        screen.until("2 running", "  host1 ", "  host2 ", "begun", "3 hosts ", "q quit")
        assert max(map(len, screen.text.splitlines())) <= 80
        left = children(terminal.pid)
        if leave == "TERM":
            os.kill(terminal.pid, signal.SIGTERM)
        else:
            terminal.type(leave)
        assert terminal.end() == (130 if leave == "TERM" else 0)
        # The alternate screen is left, the cursor is shown, the mouse is let go.
        assert "\x1b[?1049l" in terminal.text
        assert "\x1b[?25h" in terminal.text
        assert "Traceback" not in terminal.text
    until(lambda: not any(child.lives for child in left), "what it had started has ended")
    active = agentless("jobs", "active", "--out", "json", environ=environ)
    assert jid in active.stdout
    agentless("kill-job", jid, environ=environ)


def test_where_there_is_no_terminal_or_no_textual_it_says_what_to_do(sshd: Sshd) -> None:
    done = agentless("top", environ=sshd.client.environ)
    assert (done.returncode, done.stdout) == (2, "")
    assert "needs a terminal" in done.stderr
    assert "jobs active" in done.stderr
    without = "import sys; sys.modules['textual'] = None; from agentless.__main__ import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", without, "top"], env=sshd.client.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "pip install 'agentless-jobs[top]'" in done.stderr
    refused = agentless("top", "--out", "json", environ=sshd.client.environ)
    assert refused.returncode == 2


def test_a_target_that_matches_nothing_ends_it_before_it_draws(sshd: Sshd) -> None:
    with Terminal("top", "nobody", environ=sshd.client.environ) as terminal:
        assert terminal.end() == 2
    assert "nobody" in terminal.text
    assert "\x1b[?1049h" not in terminal.text
