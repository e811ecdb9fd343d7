"""What users of other schedulers suffered from, by the number of the report, does not happen here."""

from __future__ import annotations

import pytest

from agentless.remote import course, evaluator
from tests.schedule.walking import START, Walk, timing

MINUTE, HOUR = 60, 3600


def walked(keys: str, hours: float, **options: int) -> Walk:
    walk = Walk(timing(keys), **options)  # type: ignore[arg-type]
    walk.through(int(START + hours * HOUR), start=START + 1)
    return walk


def test_an_interval_with_a_splay_fires_once_in_each_interval() -> None:
    """salt#32712: with minutes and splay it fired in a loop."""
    walk = walked("minutes: 2\nsplay: 30", 2)
    assert [nominal - walk.nominals[0] for nominal in walk.nominals] == [n * 2 * MINUTE for n in range(len(walk.fires))]
    assert 59 <= len(walk.fires) <= 61
    assert all(0 <= fire.at - fire.nominal <= 30 for fire in walk.fires)


def test_a_range_with_a_splay_does_not_send_the_fleet_at_once() -> None:
    """salt#42168: all minions ran when the range began."""
    entry = timing("cron: '0 * * * *'\nsplay: 600\nrange: {start: 1am, end: 5am}")
    first = set()
    for number in range(100):
        walk = Walk(entry, host=f"web{number}")
        walk.through(START + 3 * HOUR, start=START + 1)
        first.add(walk.fires[0].at)
    assert len(first) > 50


def test_an_inverted_range_keeps_splay_and_maxrunning() -> None:
    """salt#65336: both were ignored."""
    keys = "cron: '*/10 * * * *'\nsplay: {start: 60, end: 120}\nrange: {start: 1am, end: 2am, invert: true}"
    walk = walked(keys, 4)
    assert walk.fires
    assert all(60 <= fire.at - fire.nominal <= 120 for fire in walk.fires)
    assert not [fire for fire in walk.fires if HOUR < (fire.at - START) % (24 * HOUR) < 2 * HOUR]
    busy = Walk(timing(keys), running=lambda: 1)
    busy.through(START + 4 * HOUR, start=START + 1)
    assert (busy.fires, busy.skipped(evaluator.MAXRUNNING) > 0) == ([], True)


def test_every_value_of_a_list_of_times_fires() -> None:
    """salt#44181: some were skipped."""
    walk = walked("when: ['1am', '1:01am', '1:30am', 'Monday 2am', '2:00:30am', '3am']\nmaxrunning: 9", 4)
    assert [(nominal - START) // 30 for nominal in walk.nominals] == [120, 122, 180, 240, 241, 360]


@pytest.mark.parametrize("keys", ["minutes: 5", "cron: '*/5 * * * *'"])
def test_a_clock_that_goes_back_stops_nothing(keys: str) -> None:
    """salt#64278: nothing fired until the clock was where it had been."""
    walk = walked(keys, 2)
    before = len(walk.fires)
    walk.through(int(START - 20 * HOUR), start=START - 24 * HOUR)
    assert len(walk.fires) - before >= 40
    assert len(set(walk.nominals)) == len(walk.nominals)


def test_a_restart_resets_no_interval() -> None:
    """salt#34874: history lies on disk, and is all that the evaluator needs."""
    entry = timing("hours: 10")
    walk = Walk(entry)
    walk.read(START)
    again = Walk(entry, history=walk.history)
    again.through(START + 25 * HOUR, start=START + 5 * HOUR)
    assert [nominal - START for nominal in walk.nominals + again.nominals] == [0, 10 * HOUR, 20 * HOUR]


def test_maxrunning_holds_and_each_skip_has_its_reason() -> None:
    """salt#49957: it was ignored."""
    walk = Walk(timing("cron: '* * * * *'\nmaxrunning: 2"), running=lambda: 2)
    walk.through(START + HOUR, start=START + 1)
    assert walk.fires == []
    assert walk.skipped(evaluator.MAXRUNNING) == 60


def test_two_looks_at_one_time_fire_once() -> None:
    """salt#67983: jobs ran twice."""
    walk = Walk(timing("cron: '* * * * *'"))
    for second in (1, 60, 60.0, 60.5, 61, 60, 62):
        walk.read(START + second)
    assert walk.nominals == [START + 60]


def test_a_fire_is_postponed_to_any_time_that_is_to_come() -> None:
    keys = "cron: '0 1 * * *'\nskip_explicit: 2018-01-01T01:00\nrun_explicit: 2018-01-01T01:00:{second:02}"
    for second in range(1, 60, 7):
        walk = walked(keys.format(second=second), 2)
        assert walk.nominals == [START + HOUR + second]
        assert walk.skipped(course.SKIP_EXPLICIT) == 1
