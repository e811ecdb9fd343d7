"""Results as text for people: any report becomes text that a terminal can be given."""

from __future__ import annotations

import re

import pytest
from hypothesis import given

from agentless.model.job import Report
from agentless.model.problem import Problem
from agentless.model.states import Dispatched, HostResult, State
from agentless.report.text import PLAIN, Look, block, duration, groups, heading, summary
from tests.report.harmless import harmless
from tests.report.values import JID, plain_names, quick, report, reports, results, returned, texts
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
def test_summaries_and_groups_of_any_report_are_harmless(some: Report) -> None:
    for line in summary(some, TERMINAL):
        assert harmless(line)
        assert "\n" not in line
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
        b"web[1-3] (3) | returned | retcode 0\nsame\n",
        b"db | returned | retcode 2\nother\nstderr: warned\n",
    ]


def test_headings_say_state_and_end() -> None:
    gone = HostResult(
        State.UNREACHABLE, problem=Problem("connect-timeout", "no answer from 10.0.0.9 in 10 s", "Is it up?")
    )
    assert heading("web1", returned()) == "web1 | returned | retcode 0 | 1.000 s"
    assert heading("web9", gone) == "web9 | unreachable | connect-timeout: no answer from 10.0.0.9 in 10 s"
    assert block("web9", gone).endswith(b"note: Is it up?\n")


def test_the_summary_counts_names_and_says_what_to_type() -> None:
    gone = HostResult(State.UNREACHABLE, Dispatched.YES, problem=Problem("connection-lost", "reset"))
    some = report(web1=returned(), web2=returned(retcode=1), web3=returned(retcode=1), db=gone)
    assert list(summary(some)) == [
        f"job {JID}: 4 hosts: 1 returned 0, 2 failed, 1 unreachable",
        "  failed: web[2-3]",
        "  unreachable: db",
        f"  to ask the unreachable hosts again: agentless jobs wait {JID}",
        f"  to run it again on those that failed: --limit @failed:{JID}",
    ]
    assert list(summary(report(web1=returned(), web2=returned()))) == [f"job {JID}: 2 hosts: 2 returned 0"]


def test_hosts_that_the_job_never_reached_are_not_waited_for_but_tried_again() -> None:
    gone = HostResult(State.UNREACHABLE, problem=Problem("auth", "permission denied"))
    assert list(summary(report(web1=returned(), db=gone)))[-1] == (
        f"  to run it on those that it did not reach: --limit @unreachable:{JID}"
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0123, "0.012 s"), (12.34, "12.3 s"), (200, "3m 20s"), (7500, "2h 05m"), (59.99, "60.0 s"), (3599.9, "1h 00m")],
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text
