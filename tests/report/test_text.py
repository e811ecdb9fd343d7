"""Results as text for people: any report becomes text that a terminal can be given."""

from __future__ import annotations

import re

import pytest
from hypothesis import given

from agentless.model.job import Report, summarize
from agentless.model.problem import Problem
from agentless.model.returns import Return
from agentless.model.states import HostResult, State
from agentless.report.text import PLAIN, Look, block, duration, groups, heading, outcome, states
from tests.report.harmless import harmless
from tests.report.values import plain_names, quick, reports, results, returned, texts
from tests.test_hostlist import unfolded

TERMINAL = Look(terminal=True, colour=True)


@quick
@given(texts, results())
def test_a_block_for_a_terminal_is_harmless_and_ends_its_line(name: str, result: HostResult) -> None:
    text = block(name, result, TERMINAL).decode("utf-8")
    assert harmless(text)
    assert text.endswith("\n")


@quick
@given(texts, results())
def test_a_block_for_a_pipe_holds_the_output_byte_by_byte(name: str, result: HostResult) -> None:
    text = block(name, result, PLAIN)
    if result.ret is not None:
        assert result.ret.stdout in text
        for line in result.ret.stderr.removesuffix(b"\n").split(b"\n"):
            assert not result.ret.stderr or b"stderr: " + line + b"\n" in text


@quick
@given(reports())
def test_groups_of_any_report_are_harmless(some: Report) -> None:
    for text in groups(some.results, TERMINAL):
        assert harmless(text.decode("utf-8"))


@quick
@given(reports(names=plain_names))
def test_every_host_stands_in_exactly_one_group(some: Report) -> None:
    named = [re.split(r" \(\d+\) \| | \| ", text.decode(errors="replace"))[0] for text in groups(some.results)]
    unfolded_names = [name for names in named for name in unfolded(names)]
    assert sorted(unfolded_names) == sorted(some.results)


def test_identical_results_share_a_heading_whatever_time_they_took() -> None:
    alike = {f"web{i}": returned(b"same\n") for i in range(1, 4)}
    assert list(groups({**alike, "db": returned(b"other", b"warned\n", 2)})) == [
        b"web[1-3] (3) | ok\nsame\n",
        b"db | failed (2)\nother\nstderr: warned\n",
    ]


def test_headings_say_state_and_end() -> None:
    gone = HostResult(
        State.UNREACHABLE, problem=Problem("connect-timeout", "no answer from 10.0.0.9 in 10 s", "Is it up?")
    )
    assert heading("web1", returned()) == "web1 | ok | 1.000 s"
    assert heading("web9", gone) == "web9 | unreachable | connect-timeout: no answer from 10.0.0.9 in 10 s"
    assert block("web9", gone).endswith(b"note: Is it up?\n")


@pytest.mark.parametrize(
    ("ret", "text"),
    [
        (Return(0, None, "exit"), "ok"),
        (Return(3, None, "exit"), "failed (3)"),
        (Return(None, 11, "signal"), "killed (SEGV)"),
        (Return(None, 40, "signal"), "killed (40)"),
        (Return(None, 15, "signal-job:ada@laptop"), "killed (TERM) by ada@laptop"),
        (Return(7, None, "signal-job:ada@laptop"), "killed by ada@laptop, exit 7"),
        (Return(0, None, "timeout"), "timed out"),
        (Return(None, 9, "timeout"), "timed out"),
    ],
)
def test_how_a_job_ended_has_a_word_of_people_s(ret: Return, text: str) -> None:
    assert outcome(ret) == text


def test_counts_are_in_the_same_words_and_what_failed_stands_last() -> None:
    counts = summarize([returned(), returned(), returned(retcode=1), HostResult(State.UNREACHABLE)])
    assert states(counts) == "2 ok, 1 unreachable, 1 failed"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0123, "0.012 s"), (12.34, "12.3 s"), (200, "3m 20s"), (7500, "2h 05m"), (59.99, "60.0 s"), (3599.9, "1h 00m")],
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text
