"""What the silence of a keeper means: nothing on a busy machine, and the end where it was stopped or does nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from agentless.transport.keeper import signs
from agentless.transport.keeper.signs import MODULE, Silence
from tests.hosts import patience, until

Start = Callable[[str], int]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a process that runs Python code, and passes for a keeper; returns its PID."""
    with ExitStack() as ends:

        def start(code: str) -> int:
            process = subprocess.Popen([sys.executable, "-c", f"print(1, flush=True); {code}", MODULE], stdout=-1)
            ends.callback(process.communicate)
            ends.callback(process.kill)
            assert process.stdout is not None
            process.stdout.readline()
            return process.pid

        yield start


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what a process does can end the waiting for it."""
    monkeypatch.setattr(signs, "_PATIENCE", 1e9)


@pytest.mark.usefixtures("patient")
def test_one_that_was_stopped_is_waited_for_no_longer(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signs, "SILENCE", 1e9)
    pid = start("import time; time.sleep(600)")
    silence = Silence(pid)
    assert silence.known
    assert not silence.hopeless
    os.kill(pid, signal.SIGSTOP)
    until(lambda: silence.hopeless, "it is seen to be stopped")
    os.kill(pid, signal.SIGCONT)
    until(lambda: not Silence(pid).hopeless, "it goes on")


@pytest.mark.usefixtures("patient")
def test_one_that_does_nothing_hangs(start: Start) -> None:
    pid = start("import time; time.sleep(600)")
    until(lambda: Silence(pid, signs.SILENCE).hopeless, "a second was enough")
    silence = Silence(pid)
    until(lambda: silence.hopeless, "a second passes")


def test_one_that_has_work_is_waited_for_but_not_for_ever(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    silence = Silence(start("exec('while True: pass')"))
    monkeypatch.setattr(signs, "SILENCE", 0.0)
    monkeypatch.setattr(signs, "_PATIENCE", 1e9)
    # It may have been out of a processor's reach between two looks, and had no time of its own.
    until(lambda: not silence.hopeless, "it is seen to work")
    monkeypatch.setattr(signs, "_PATIENCE", 0.0)
    assert silence.hopeless


def test_one_that_is_being_started_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it listens itself, the command that made the socket counts as the one who does; it may be gone by then."""
    with subprocess.Popen(["true"]) as gone:
        gone.wait(patience(10))
    monkeypatch.setattr(signs, "SILENCE", 0.0)
    for pid in (os.getpid(), gone.pid):
        assert not Silence(pid).hopeless
        assert not Silence(pid).known, "nobody is to kill it"
        assert Silence(pid, signs._PATIENCE).hopeless


def test_where_nothing_is_known_of_it_a_second_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Silence(None, signs.SILENCE).hopeless
    monkeypatch.setattr(signs, "SILENCE", 1e9)
    monkeypatch.setattr(signs, "_PATIENCE", 1e9)
    silence = Silence(None)
    assert not silence.hopeless
