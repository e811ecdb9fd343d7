"""Instants: in UTC for programs, local with their zone for people; and how long ago they were."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

import pytest

from agentless.model.times import Moment, age, iso, local, stamp, utc


def test_an_instant_is_iso_8601_in_utc_with_microseconds() -> None:
    assert iso(0.0) == "1970-01-01T00:00:00.000000Z"
    assert iso(1_763_805_039.5) == "2025-11-22T09:50:39.500000Z"


def test_what_is_unknown_stays_unknown() -> None:
    assert iso(None) is None


def test_people_read_local_time_with_its_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        assert local(1_795_341_039.6) == "2026-11-22 10:50:39+01:00"
        assert local(1_781_000_000.0) == "2026-06-09 12:13:20+02:00"
    finally:
        monkeypatch.undo()
        time.tzset()
    assert local(None) == ""
    assert local(1e30) == "?"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0s"), (59.9, "59s"), (60, "1m00s"), (200, "3m20s"), (3600, "1h00m"), (7500, "2h05m"), (273600, "3d04h")],
)
def test_an_age_has_two_units_at_most(seconds: float, text: str) -> None:
    assert age(seconds) == text


class Walk:
    began_at = Moment("began")

    def __init__(self, began: float | None) -> None:
        self.began = began


def test_an_attribute_in_unix_seconds_is_an_aware_datetime_too() -> None:
    assert Walk(1_763_805_039.5).began_at == datetime(2025, 11, 22, 9, 50, 39, 500_000, timezone.utc)
    assert Walk(None).began_at is None
    assert Walk(1e30).began_at is None
    assert "`began`" in (Walk.began_at.__doc__ or "")


@pytest.mark.parametrize("at", [0.0, 1_763_805_039.5, 4e9])
def test_a_datetime_says_the_instant_that_json_has(at: float) -> None:
    moment = utc(at)
    assert moment is not None
    assert moment.utcoffset() == timedelta(0)
    assert stamp(iso(at) or "") == at == moment.timestamp()
