"""What words on the command line may look like."""

from __future__ import annotations

import contextlib
import time

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentless.cli.word_types import DURATION, JID, MOMENT, SHARE, pairs
from tests.report.values import quick


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("3h", 10800), ("2d", 172800), ("0.5", 0.5)]
)
def test_durations(text: str, seconds: float) -> None:
    assert DURATION.convert(text, None, None) == seconds


@quick
@given(st.text())
def test_any_word_is_understood_or_refused(text: str) -> None:
    for kind in (DURATION, SHARE, JID, MOMENT):
        with contextlib.suppress(click.BadParameter):
            kind.convert(text, None, None)


def test_moments_are_local_unless_they_name_a_zone_or_a_duration_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert MOMENT.convert("2026-11-22T09:50", None, None) == MOMENT.convert("2026-11-22T00:50Z", None, None)
        assert MOMENT.convert("2026-11-22", None, None) == MOMENT.convert("2026-11-21T15:00+00:00", None, None)
        before = time.time()
        moment = MOMENT.convert("2h", None, None)
        assert before - 7200 - 1 <= moment <= time.time() - 7200 + 1
    finally:
        monkeypatch.undo()
        time.tzset()


def test_pairs_keep_equals_signs_and_empty_values() -> None:
    assert pairs("--env", ["A=b=c", "B="]) == {"A": "b=c", "B": ""}
