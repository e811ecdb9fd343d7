"""No fire is lost and none doubled, wherever the clock walks; a restart changes nothing."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentless.remote import clock, course, evaluator
from tests.hosts.needs import examples, need
from tests.schedule.walking import END, START, ZONES, Walk, days, instants, table, timing, utc

DAY = 86400
LATE = st.lists(st.floats(0, 59.5), min_size=1, max_size=5)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("time", ["00:30", "01:45", "02:30"])
@settings(max_examples=2, deadline=None)
@given(late=LATE)
def test_a_year_fires_every_local_day_once(zone: str, time: str, late: list[float]) -> None:
    """Over both clock changes, with looks that come late within the grace."""
    if (time, zone) not in (("02:30", "Europe/Berlin"), ("02:30", "Australia/Lord_Howe")):
        need("many seconds")
    walk = Walk(timing(f'when: "{time}"'), table(zone))
    walk.through(END, late, START)
    hours, minutes = map(int, time.split(":"))
    expected = instants([day + timedelta(hours=hours, minutes=minutes) for day in days()], zone)
    assert walk.nominals == [at for at in expected if START <= at <= walk.fired_at[-1][0]]
    assert len(walk.nominals) in (364, 365)
    assert walk.skips == []


ENTRIES = {
    "cron": "cron: '*/7 * * * *'",
    "daily": "when: [1:40pm, 1:50pm, Monday 1:45pm]",
    "splayed": "cron: '*/15 * * * *'\nsplay: {start: 10, end: 200}",
}


@pytest.mark.parametrize("name", ENTRIES)
@settings(deadline=None)
@given(steps=st.lists(st.one_of(st.floats(0.1, 300), st.floats(0.1, 2 * DAY)), min_size=1, max_size=12))
def test_forwards_every_nominal_time_fires_once_or_is_recorded(name: str, steps: list[float]) -> None:
    """However long the machine sleeps; what is late beyond the grace is `missed`, with its number up to 500."""
    entry = timing(ENTRIES[name] + "\nmaxrunning: 9")
    walk, now = Walk(entry), float(START)
    walk.read(now)
    for step in steps:
        now += step
        walk.read(now)
    nominal = [each.nominal for each in evaluator_plan(entry, START, now) if each.at <= now]
    fired = walk.nominals
    assert len(set(fired)) == len(fired)
    assert set(fired) <= set(nominal)
    missed = walk.skipped(evaluator.MISSED)
    assert len(fired) + missed == len(nominal) or any(skip.count >= evaluator.COUNT for skip in walk.skips)
    for at, when in walk.fired_at:
        fire = next(fire for fire in walk.fires if fire.nominal == when)
        assert 0 <= at - fire.at <= evaluator.GRACE


def evaluator_plan(entry: course.Timing, start: int, until: float) -> list[evaluator.Fire]:
    found: list[evaluator.Fire] = []
    for each in evaluator.plan(entry, None, start, "web1", utc):
        if each.nominal > until:
            return found
        found.append(each)
    return found


JUMP = st.tuples(st.floats(-30 * DAY, 30 * DAY), st.integers(1, 40), st.floats(1, 59))


@settings(deadline=None, max_examples=examples(100))
@given(jumps=st.lists(JUMP, max_size=4), name=st.sampled_from(["cron", "daily"]))
def test_any_walk_fires_what_it_passes_in_time_exactly_once(jumps: list[tuple[float, int, float]], name: str) -> None:
    """The clock jumps either way, then ticks on: each nominal time that is reached in time has fired once, ever."""
    entry = timing(ENTRIES[name] + "\nmaxrunning: 9")
    walk, now, reached = Walk(entry), float(START), set()
    walk.read(now)
    for jump, ticks, step in [(0.0, 5, 30.0), *jumps]:
        now += jump
        walk.read(now)
        for _ in range(ticks):
            before, now = now, now + step
            walk.read(now)
            for number, rule in enumerate(entry["rules"]):
                at = clock.following(rule, utc, int(before))
                if at is not None and at <= now:
                    reached.add((number, at))
    fired = walk.nominals
    assert len(set(fired)) == len(fired), "none is doubled"
    assert {at for _, at in reached} <= set(fired), "none is lost"


@settings(deadline=None, max_examples=examples(100))
@given(
    every=st.integers(1, 5000),
    jumps=st.lists(st.floats(-30 * DAY, 30 * DAY), max_size=6),
    late=LATE,
)
def test_an_interval_goes_on_within_its_length_after_any_jump(
    every: int, jumps: list[float], late: list[float]
) -> None:
    """A clock set back stops nothing (Salt #64278), and no JID comes a second time."""
    walk, now = Walk(timing(f"seconds: {every}\nmaxrunning: 9")), float(START)
    for jump in [0.0, *jumps]:
        now += jump
        walk.read(now)
        begun, count = now, len(walk.fires)
        walk.through(int(begun) + every + 61, late, begun)
        now = max(begun, walk.fired_at[-1][0])
        if every > 120:
            assert len(walk.fires) > count, "it fired within its length"
    jids = [fire.jid for fire in walk.fires]
    assert len(set(jids)) == len(jids)


def test_a_clock_ten_years_ahead_and_back_stops_nothing() -> None:
    for keys in ("hours: 1", "cron: '0 * * * *'", "when: 12:00"):
        walk = Walk(timing(keys))
        walk.through(START + 3 * DAY, start=START)
        walk.through(START + 3650 * DAY + 2 * DAY, start=START + 3650 * DAY)
        before = len(walk.fires)
        back = START + 3 * DAY + 600
        walk.through(back + 2 * DAY, start=back)
        assert len(walk.fires) - before >= 2
        assert len(set(walk.nominals)) == len(walk.nominals)


@pytest.mark.parametrize("days_ahead", [1, 30, 3650])
def test_an_interval_with_a_range_goes_on_after_a_clock_that_was_ahead_for_two_looks(days_ahead: int) -> None:
    walk = Walk(timing("hours: 1\nrange: {start: 8:00, end: 20:00}"))
    walk.through(START + 3 * DAY, start=START)
    for minutes in (0, 1):
        walk.read(START + (3 + days_ahead) * DAY + 60 * minutes)
    before = len(walk.fires)
    back = START + 3 * DAY + 600
    walk.through(back + 3 * DAY, start=back)
    assert len(walk.fires) - before >= 30
    assert len(set(walk.nominals)) == len(walk.nominals)


def test_a_small_step_back_fires_nothing_again_and_delays_nothing() -> None:
    """A clock that is set back by a second every few minutes."""
    for keys in ("minutes: 10", "cron: '*/10 * * * *'"):
        walk, now = Walk(timing(keys)), float(START)
        for _ in range(1000):
            walk.read(now)
            now += 20
            if int(now) % 300 < 20:
                walk.read(now)
                now -= 1.5
        assert len(set(walk.nominals)) == len(walk.nominals)
        assert len(walk.fires) >= (now - START) // 600 - 1


@settings(deadline=None)
@given(
    keys=st.sampled_from(
        ["seconds: 45\nsplay: 20", "cron: '*/5 * * * *'", "when: [00:10, 00:10:30]", "once: 2018-01-01T00:20:00"]
    ),
    readings=st.lists(st.floats(START, START + 3600), min_size=1, max_size=30).map(sorted),
)
def test_a_look_between_changes_nothing(keys: str, readings: list[float]) -> None:
    """Looks, restarts and ticks that come twice at any point: the fires are those of a machine that looks in time."""
    entry = timing(keys)
    plain = Walk(entry)
    plain.through(START + 3600, start=START)
    busy = Walk(entry)
    busy.read(START)
    for reading in readings:
        busy.through(int(reading))
        busy.read(max(reading, START))
        busy.read(max(reading, START))
    busy.through(START + 3600)
    assert busy.nominals == plain.nominals
    assert [fire.at for fire in busy.fires] == [fire.at for fire in plain.fires]


def test_an_interval_is_anchored_to_the_last_fire_also_over_a_change_of_the_entry() -> None:
    walk = Walk(timing("hours: 1"))
    walk.through(START + 5400, start=START)
    walk.entry = timing("minutes: 90")
    walk.through(START + 3 * 3600, start=START + 5500)
    assert walk.nominals == [START, START + 3600, START + 3600 + 5400]
    assert not walk.skips


def test_a_change_of_the_entry_fires_nothing_that_was_before_it() -> None:
    walk = Walk(timing("hours: 1"))
    walk.through(START + 1800, start=START)
    walk.entry = timing("cron: '29 0 * * *'")
    walk.through(START + 7200, start=START + 1790)
    assert walk.nominals == [START]


@pytest.mark.parametrize("when", ["hours: 1", "cron: '0 * * * *'"])
def test_a_skip_added_for_later_loses_no_fire_that_is_being_splayed(when: str) -> None:
    keys = f"{when}\nsplay: {{start: 300, end: 400}}"
    plain, edited = Walk(timing(keys)), Walk(timing(keys))
    plain.through(START + 4 * 3600, start=START)
    edited.through(START + 3600 + 60, start=START)
    changed = timing(keys + "\nskip_explicit: 2018-01-01T03:00")
    edited.entry = {**changed, "since": START + 3600 + 120}
    edited.through(START + 4 * 3600, start=START + 3600 + 61)
    assert edited.nominals == [at for at in plain.nominals if at != START + 3 * 3600]
    assert edited.skipped(course.SKIP_EXPLICIT) == 1


def test_it_begins_when_who_pushed_says_the_same_on_all_hosts() -> None:
    """`since` is a little ahead, so that hosts with other delays share the fire's JID."""
    entry: course.Timing = {**timing("minutes: 10"), "since": START + 60}
    jids: set[str] = set()
    for delay in (0.5, 7.25, 59.0, 61.5, 110.0):
        walk = Walk(entry)
        walk.through(START + 130, start=START + delay)
        jids.update(fire.jid for fire in walk.fires)
    assert jids == {"20180101000100" + entry["id"]}


def test_the_history_of_a_long_life_stays_small() -> None:
    """A laptop that sleeps each night, its clock set back each week."""
    walk, now = Walk(timing("cron: '*/5 * * * *'")), float(START)
    for day in range(200):
        walk.through(int(now) + 3600, start=now)
        now += DAY - (1.5 * DAY if day % 7 == 0 else 0)
    assert len(json.dumps(walk.history)) < 500
    assert len(set(walk.nominals)) == len(walk.nominals)
