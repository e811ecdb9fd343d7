"""Signals become one exception, raised only where it can be dealt with."""

from __future__ import annotations

import os
import signal
from importlib import import_module
from pathlib import Path

import pytest

from agentless.cli.interrupts import Interrupted, Interrupts
from tests.hosts import until


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_is_an_exception_that_names_it(number: int) -> None:
    with Interrupts(), pytest.raises(Interrupted) as raised:
        send(number)
    assert raised.value.number == number


def test_a_signal_in_an_import_is_heard_when_that_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "imported_while_a_signal_comes.py").write_text(
        "import os, signal\n"
        "class Part:\n"
        "    def __set_name__(self, owner, name):\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "class Whole:\n"
        "    part = Part()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    def load() -> None:
        assert import_module("imported_while_a_signal_comes").Whole.part
        until(lambda: False, "the signal is heard")

    with Interrupts(), pytest.raises(Interrupted):
        load()


def test_the_first_signal_waits_for_the_end_of_a_held_block_and_the_second_does_not() -> None:
    done = []

    def held(interrupts: Interrupts, *numbers: int) -> None:
        with interrupts.held():
            for number in numbers:
                send(number)
            done.append(len(numbers))

    with Interrupts() as interrupts:
        with pytest.raises(Interrupted):
            held(interrupts, signal.SIGINT)
        with pytest.raises(Interrupted):
            held(interrupts, signal.SIGINT, signal.SIGINT)
        held(interrupts)
    assert done == [1, 0]


def test_the_second_sigterm_of_timeout_is_the_same_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentless.cli.interrupts._TWICE", 1e9)
    with Interrupts():
        with pytest.raises(Interrupted):
            send(signal.SIGTERM)
        send(signal.SIGTERM)
        with pytest.raises(Interrupted):
            send(signal.SIGINT)


def test_what_a_command_ends_with_lets_no_signal_in() -> None:
    with Interrupts() as interrupts:
        with interrupts.ignored():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
                send(number)
        with pytest.raises(Interrupted):
            send(signal.SIGINT)


def test_a_bounded_wait_ends_by_sigalrm_and_what_was_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupts() as interrupts:
            send(signal.SIGHUP)
            with pytest.raises(Interrupted) as raised, interrupts.alarm(0.01):
                # The alarm may ring before a wait for signals has begun, which would then wait for another one.
                until(lambda: False, "the alarm rings")
        assert raised.value.number == signal.SIGALRM
    finally:
        signal.signal(signal.SIGHUP, before)
