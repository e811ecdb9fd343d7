"""Durations, and points in time that may be so long ago."""

from __future__ import annotations

import time
from datetime import datetime

import pytest

from agentless.durations import LONGEST_DAYS, parse, past

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


@pytest.mark.parametrize("text", ["", "90", "soon", "2026-13-01", "99999d", "9" * 10_000])
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
