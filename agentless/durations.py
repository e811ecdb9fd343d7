"""Durations as people write them: `90`, `90s`, `15m`, `3h`, `2d`; and points in time, which may be so long ago."""

from __future__ import annotations

import contextlib
import re
from datetime import datetime

__all__ = ["LONGEST", "LONGEST_DAYS", "UNITS", "parse", "past"]

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
# 27 years: longer than anybody waits, and shorter than what locks, clocks and time_t overflow at.
LONGEST_DAYS = 10_000
LONGEST = float(LONGEST_DAYS * UNITS["d"])
_DURATION = re.compile(r"([0-9]{1,300}(?:\.[0-9]{1,300})?)\s*([smhd]?)", re.ASCII)


def parse(text: str, *, bare: bool = True) -> float:
    """A duration in seconds: a number with s, m, h or d behind it.

    Args:
        bare: a number alone is one too, in seconds.

    Raises:
        ValueError: it is none, or longer than `LONGEST`.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None or not (bare or match[2]):
        raise ValueError(f"{text!r:.80} is not a duration; write {'seconds, or ' if bare else ''}90s, 15m, 3h, 2d")
    seconds = float(match[1]) * UNITS[match[2] or "s"]
    if seconds > LONGEST:
        raise ValueError(f"{text!r:.80} is longer than {LONGEST_DAYS}d")
    return seconds


def past(text: str, now: float) -> float:
    """A point in time, in Unix seconds: ISO 8601, in the local zone unless it names one, or so long ago: `2h`.

    Args:
        now: Unix seconds.

    Raises:
        ValueError: it is neither.
    """
    text = text.strip()
    with contextlib.suppress(ValueError):
        return now - parse(text, bare=False)
    try:
        return datetime.fromisoformat(re.sub("[zZ]$", "+00:00", text)).timestamp()
    except (ValueError, OverflowError, OSError) as error:
        # The last two: the year 1 in a zone east of Greenwich, and what a system's time_t does not hold.
        known = "2026-11-22T09:50 (local), 2026-11-22T09:50Z, or 2h for two hours ago"
        raise ValueError(f"{text!r:.80} is not a time; write {known}") from error
