"""Wall times and instants, beside zoneinfo and cronsim."""

from __future__ import annotations

import itertools
import time
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim, CronSimError
from hypothesis import given
from hypothesis import strategies as st

from agentless.remote import clock
from agentless.schedule import dates
from tests.hosts.needs import need
from tests.schedule.walking import END, START, YEAR, ZONES, days, instants, table, utc


@pytest.mark.parametrize("zone", ZONES)
@given(at=st.integers(START - 300 * 86400, START + 15 * 365 * 86400))
def test_a_table_says_what_zoneinfo_says(zone: str, at: int) -> None:
    ahead = datetime.fromtimestamp(at, ZoneInfo(zone)).utcoffset()
    assert ahead is not None
    assert table(zone)(at) == ahead.total_seconds()


def test_a_table_is_the_same_all_year_so_that_a_push_changes_nothing() -> None:
    assert dates.zone("Europe/Berlin", START) == dates.zone("Europe/Berlin", END - 1)


def test_the_local_zone_is_that_of_the_c_library() -> None:
    assert clock.local(START) == time.localtime(START).tm_gmtoff


def wall_cron(line: str) -> list[datetime]:
    """The wall times of a cron line in the year, and a day around it, by cronsim."""
    sim = CronSim(line, datetime(YEAR, 1, 1) - timedelta(days=1, minutes=1))
    found: list[datetime] = []
    for wall in sim:
        if wall > datetime(YEAR + 1, 1, 2):
            return found
        found.append(wall)
    return found


LINES = (
    "30 2 * * *",
    "0,15,30,45 1-3 * * *",
    "*/10 2 * * *",
    "0 0 * * *",
    "30 23 * * 6",
    "15 */2 * * *",
    "0 12 1,15 * *",
    "0 12 13 * 5",
    "5 4 29 2 *",
    "0 9 L * *",
    "0 9 * * MON#2",
    "0 9 * * 5L",
    "0 8-17/3 * 1,7 MON-FRI",
    "*/5 0 */7 * *",
)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("line", LINES)
def test_a_year_of_a_cron_line_is_that_of_cronsim(line: str, zone: str) -> None:
    """Wall times by cronsim; what a clock change skips comes at once after it, what comes twice comes once."""
    rule, offset = dates.cron(line), table(zone)
    expected = [at for at in instants(wall_cron(line), zone) if START < at < END]
    found = []
    at = clock.following(rule, offset, START)
    while at is not None and at < END:
        found.append(at)
        at = clock.following(rule, offset, at)
    assert found == expected


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("line", ["* * * * *", "*/10 * * * *", "30 * * * *", "0 * * * *", "15,45 * 10-30 * *"])
def test_a_line_for_every_hour_keeps_to_the_hours_that_pass(line: str, zone: str) -> None:
    """As cronsim, and Debian's cron: it does not stand still while an hour comes twice."""
    need("many seconds")
    info, offset, rule = ZoneInfo(zone), table(zone), dates.cron(line)
    for change in [*(at for at in offset.changes if START < at < END), START + 10 * 86400]:
        start, end = change - 86400, change + 86400
        expected = set()
        # With a single minute cronsim leaps over half an hour that comes twice.
        minutes = CronSim(line, datetime(YEAR, 1, 1)).minutes
        for moment in CronSim(" ".join(["*", *line.split()[1:]]), datetime.fromtimestamp(start, info)):
            if moment.timestamp() > end:
                break
            if moment.minute in minutes:
                expected.add(int(moment.timestamp()))
        # Beyond cronsim: what a clock change skips comes at once after it.
        first = datetime.fromtimestamp(start, info).replace(tzinfo=None)
        walls = itertools.islice(CronSim(line, first), 3 * 1440)
        expected |= {at for at in instants(walls, zone) if start < at <= end}
        found = []
        at = clock.following(rule, offset, start)
        while at is not None and at <= end:
            found.append(at)
            at = clock.following(rule, offset, at)
        assert found == sorted(expected)


FIELDS = st.tuples(
    st.sampled_from(["*", "0", "*/7", "5,50", "10-20"]),
    st.sampled_from(["*", "0", "2", "*/5", "1,23", "2-3"]),
    st.sampled_from(["*", "1", "31", "*/9", "L", "28-30"]),
    st.sampled_from(["*", "2", "*/3", "3,10", "10-11"]),
    st.sampled_from(["*", "0", "7", "1-5", "SUN#1", "6L"]),
)


@given(fields=FIELDS, after=st.integers(START, END))
def test_any_line_goes_on_as_cronsim_does(fields: tuple[str, ...], after: int) -> None:
    line = " ".join(fields)
    try:
        rule = dates.cron(line)
    except ValueError:
        # 31 February and the like; cronsim says so at once, or never gives one.
        with pytest.raises((CronSimError, StopIteration)):
            next(CronSim(line, datetime.fromtimestamp(after, timezone.utc)))
        return
    sim = CronSim(line, datetime.fromtimestamp(after, timezone.utc))
    at: int | None = after
    for _ in range(5):
        assert at is not None
        at = clock.following(rule, utc, at)
        assert at == next(sim).timestamp()


@pytest.mark.parametrize("zone", ZONES)
def test_every_wall_time_has_one_instant_and_later_ones_later(zone: str) -> None:
    """Around both clock changes of the year, minute by minute."""
    offset = table(zone)
    for change in [at for at in offset.changes if START < at < END]:
        walls = range(change - 20 * 3600, change + 20 * 3600, 60)
        found = [clock.instant(offset, wall) for wall in walls]
        assert found == sorted(found)
        for wall, at in zip(walls, found, strict=True):
            # Shown then, or skipped: then the first instant after the gap shows more.
            assert at + offset(at) == wall or (at + offset(at) > wall and at - 1 + offset(at - 1) < wall)


@pytest.mark.parametrize("zone", ZONES)
def test_a_daily_time_comes_once_on_every_day(zone: str) -> None:
    offset = table(zone)
    for seconds in (0, 1800, 2 * 3600 + 900, 86399):
        expected = instants([day + timedelta(seconds=seconds) for day in days()], zone)
        if seconds == 86399 and zone == "America/Sao_Paulo":
            # The oracle searches by minutes.
            continue
        found, at = [], clock.following([86400, seconds], offset, START)
        while at is not None and at < END:
            found.append(at)
            at = clock.following([86400, seconds], offset, at)
        assert found == [at for at in expected if START < at < END]


@given(
    start=st.integers(0, 86399),
    end=st.integers(0, 86399),
    at=st.integers(START, END),
    zone=st.sampled_from(ZONES),
)
def test_a_range_of_the_day_may_cross_midnight(start: int, end: int, at: int, zone: str) -> None:
    offset = table(zone)
    now = (at + offset(at)) % 86400
    inside = start <= now <= end if start <= end else (now >= start or now <= end)
    assert clock.inside([[86400, start], [86400, end]], offset, at) == inside
    on_edge = now in (start, end)
    if start != end:
        assert clock.inside([[86400, start], [86400, end]], offset, at, True) == (inside and not on_edge)
    if inside and start != end and (end + 1) % 86400 != start:
        left = clock.leave([[86400, start], [86400, end]], offset, at)
        assert at < left <= at + 26 * 3600
