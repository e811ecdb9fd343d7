"""A line of time has round numbers, and a bar lies where its job ran, whatever a host's clock says."""

from __future__ import annotations

import pytest

from agentless.model.returns import Return
from agentless.model.states import HostResult, State
from agentless.report.timeline import Bar, Timeline, percent, quarter_of, ticks
from tests.report.values import START, report

NOW = START + 60


def ran(started: float, duration: float | None) -> HostResult:
    return HostResult(State.RETURNED, ret=Return(0, None, "exit", started=started, finished=0.0, duration=duration))


def bar(result: HostResult, now: float = NOW) -> Bar:
    """The bar of the one host of a job that began at START."""
    return Timeline.of(report(a=result), now).bar("a", result)


def lies(result: HostResult, now: float = NOW) -> tuple[str, str]:
    one = bar(result, now)
    return one.at, one.width


def test_a_bar_lies_where_its_job_ran() -> None:
    assert lies(ran(START, 4.0)) == ("0", "100")
    assert lies(ran(START + 1, 2.0)) == ("25", "50")
    assert lies(HostResult(State.RUNNING, started=START + 2), START + 4) == ("50", "50")


def test_a_bar_can_be_seen_however_short_and_late_it_is() -> None:
    results = {"long": ran(START, 1000.0), "short": ran(START + 1000, 0.001)}
    line = Timeline.of(report(**results), START + 1001)
    one = line.bar("short", results["short"])
    assert float(one.width) >= 0.6
    assert float(one.at) + float(one.width) <= 100


def test_where_nobody_knows_when_a_host_worked_it_has_none() -> None:
    for result in (HostResult(State.LOST), HostResult(State.PENDING), HostResult(State.RUNNING)):
        assert bar(result) == Bar()


def test_it_says_from_when_on_for_how_long_and_whether_that_is_over() -> None:
    assert bar(ran(START, 4.0)).text.endswith("for 4.000 s")
    running = bar(HostResult(State.RUNNING, started=START), START + 4)
    assert running.text.startswith("a: running; from ")
    assert running.text.endswith("for 4.000 s, and was not over")


@pytest.mark.parametrize("started", [0.0, START - 86400 * 400, START + 86400 * 400, 1e300, -1e300])
def test_a_host_whose_clock_is_wrong_bends_no_timeline_and_that_is_said(started: float) -> None:
    one = bar(ran(started, 4.0))
    assert (one.at, one.width) == ("0", "100")
    assert one.why.startswith("its clock differs")
    assert bar(ran(START, 4.0)).why == ""


def test_a_return_that_ends_before_it_began_has_no_length() -> None:
    assert lies(ran(START, None)) == ("0", "0.6")


@pytest.mark.parametrize(
    ("seconds", "quarter"), [(0.0, 0.005), (0.012, 0.005), (100, 30.0), (7000, 1800.0), (86400 * 8 + 1, 86400 * 3.0)]
)
def test_a_quarter_is_round_and_four_of_them_are_enough(seconds: float, quarter: float) -> None:
    assert quarter_of(seconds) == quarter
    assert 4 * quarter >= seconds


@pytest.mark.parametrize(
    ("quarter", "texts"),
    [
        (0.005, ["0", "0.005 s", "0.01 s", "0.015 s", "0.02 s"]),
        (30.0, ["0", "30 s", "1 min", "1.5 min", "2 min"]),
        (1800.0, ["0", "30 min", "1 h", "1.5 h", "2 h"]),
        (86400 * 3.0, ["0", "3 d", "6 d", "9 d", "12 d"]),
    ],
)
def test_ticks_are_named_by_round_numbers(quarter: float, texts: list[str]) -> None:
    assert [tick["text"] for tick in ticks(quarter)] == texts
    assert [tick["at"] for tick in ticks(quarter)] == ["0", "25", "50", "75", "100"]


def test_percents_have_no_noughts_at_their_end() -> None:
    assert [percent(share) for share in (0.0, 0.5, 1 / 3, 1.0)] == ["0", "50", "33.333", "100"]
