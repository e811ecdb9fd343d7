"""Durations, and points in time that may be so long ago."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime

import pytest

from agentless.durations import LONGEST_DAYS, parse, past
from agentless.model.times import iso, local

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("1.5m", 90), ("3h", 10_800), ("2 d", 172_800), (" 0 ", 0), (f"{LONGEST_DAYS}d", 864e6)],
)
def test_a_duration_is_a_number_with_its_unit_or_seconds(text: str, seconds: float) -> None:
    assert parse(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "1w", "1h30m", "-1", "+1", "1e3", ".5", "1.", "nan", "inf", "٣s", "1S"])
def test_what_is_no_duration_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration; write seconds, or 90s, 15m, 3h, 2d"):
        parse(text)


@pytest.mark.parametrize("text", [f"{LONGEST_DAYS + 1}d", "9" * 300, "9" * 300 + "d", "999999999h"])
def test_longer_than_clocks_bear_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is longer than 10000d"):
        parse(text)


def test_a_number_of_any_length_is_refused_at_once() -> None:
    with pytest.raises(ValueError):
        parse("9" * 10_000_000)


def test_a_point_in_time_is_iso_or_so_long_ago() -> None:
    assert past("2h", NOW) == NOW - 7200
    assert past("2026-11-22T09:50Z", NOW) == past("2026-11-22T10:50+01:00", NOW) == 1_795_341_000
    assert past(" 2026-11-22 09:50 ", NOW) == datetime(2026, 11, 22, 9, 50).timestamp()


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "hours"),
    [("2h ago", 2), ("2 hours ago", 2), ("1h30m", 1.5), ("1 day, 2 hours ago", 26), ("1w", 168), ("3d04h", 76)],
)
def test_so_long_ago_may_have_words_and_several_units(text: str, hours: float) -> None:
    assert past(text, NOW) == NOW - 3600 * hours


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(
    ("text", "moment"),
    [
        # It is 2027-01-15 09:00 in Berlin.
        ("8:59", "2027-01-15T08:59"),
        ("21:50", "2027-01-14T21:50"),
        ("9:50pm", "2027-01-14T21:50"),
        ("yesterday 08:00", "2027-01-14T08:00"),
        ("today 08:00:30", "2027-01-15T08:00:30"),
        ("yesterday", "2027-01-14T00:00"),
        ("today", "2027-01-15T00:00"),
        ("now", "2027-01-15T09:00"),
        ("2026, Nov 22 09:50:39.579207", "2026-11-22T09:50:39.579207"),
        ("Nov 22 2026 9:50pm", "2026-11-22T21:50"),
        ("2026-11-22 10:50:39+01:00", "2026-11-22T10:50:39"),
        ("2026-11-22T09:50:39.579207Z", "2026-11-22T10:50:39.579207"),
    ],
)
def test_a_time_of_the_day_is_the_last_one_and_dates_are_local_unless_they_say_else(text: str, moment: str) -> None:
    assert past(text, NOW) == datetime.fromisoformat(moment).timestamp()


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize("stamp", [1_795_341_039, 1_781_000_000])
def test_what_we_show_is_taken_back(stamp: int) -> None:
    assert past(local(stamp), NOW) == past(iso(stamp) or "", NOW) == stamp


@pytest.mark.parametrize(
    "text",
    ["", "90", "soon", "2026-13-01", "99999d", "9" * 10_000, "25:00", "13:00pm", "Nov 22", "2 moons ago", "monday"],
)
def test_what_is_no_point_in_time_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time; write 2026-11-22T09:50"):
        past(text, NOW)


def test_a_time_before_the_calendar_begins_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """East of Greenwich, the first day of the calendar begins before it."""
    monkeypatch.setenv("TZ", "EAST-3")
    time.tzset()
    try:
        with pytest.raises(ValueError, match="is not a time"):
            past("0001-01-01", NOW)
    finally:
        monkeypatch.undo()
        time.tzset()
