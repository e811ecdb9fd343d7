"""Instants as the JSON contract writes them."""

from __future__ import annotations

from agentless.model.times import iso


def test_an_instant_is_iso_8601_in_utc_with_microseconds() -> None:
    assert iso(0.0) == "1970-01-01T00:00:00.000000Z"
    assert iso(1_763_805_039.5) == "2025-11-22T09:50:39.500000Z"


def test_what_is_unknown_stays_unknown() -> None:
    assert iso(None) is None
