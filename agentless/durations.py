"""Durations as people write them: `90`, `90s`, `15m`, `3h`, `2d`; and points in time: `2h ago`, `21:50`."""

from __future__ import annotations

import contextlib
import re
from datetime import datetime, timedelta

from agentless.regex import regex

__all__ = ["LONGEST", "LONGEST_DAYS", "UNITS", "parse", "past"]

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
# 27 years: longer than anybody waits, and shorter than what locks, clocks and time_t overflow at.
LONGEST_DAYS = 10_000
LONGEST = float(LONGEST_DAYS * UNITS["d"])
_UNIT_WORDS = {
    "s": "s sec secs second seconds", "m": "m min mins minute minutes", "h": "h hr hrs hour hours",
    "d": "d day days", "w": "w week weeks",
}  # fmt: skip
_UNIT_OF = {word: unit for unit, words in _UNIT_WORDS.items() for word in words.split()}
_PART = regex(r"([0-9]{1,9})\s*([a-z]+),?\s*", re.ASCII)
_CLOCK = regex(r"(?:(today|yesterday)\s+)?(?:at\s+)?([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?\s*([ap]m)?", re.ASCII)
_DURATION = regex(r"([0-9]{1,300}(?:\.[0-9]{1,300})?)\s*([smhd]?)", re.ASCII)


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
    """A point in time that is past, in Unix seconds.

    - ISO 8601, in the local zone unless it names one: `2026-11-22 09:50`, `2026-11-22T09:50:39Z`;
    - so long ago: `2h`, `2h ago`, `1h30m`, `2 days ago`;
    - a time of the day, the last one: `21:50`, `9:50pm`, `yesterday 21:50`; `now`, `today` and `yesterday` (from 0:00);
    - a full date as Salt writes or takes it: `2026, Nov 22 09:50:39.579207`, `Nov 22 2026 9:50pm`.

    Args:
        now: Unix seconds.

    Raises:
        ValueError: it is none of these.
    """
    text = text.strip()
    # No time is longer, and dateutil takes its time with what is.
    if len(text) <= 80:
        for read in (_ago, _clock, _iso, _full):
            with contextlib.suppress(ValueError, OverflowError, OSError):
                # The last two: the year 1 in a zone east of Greenwich, and what a system's time_t does not hold.
                if (moment := read(text, now)) is not None:
                    return moment
    examples = "2026-11-22T09:50 (local), 2026-11-22T09:50Z, 21:50, or 2h ago"
    raise ValueError(f"{text!r:.80} is not a time; write {examples}")


def _ago(text: str, now: float) -> float | None:
    with contextlib.suppress(ValueError):
        return now - parse(text, bare=False)
    words = re.sub(r"\s*\bago$", "", text.lower())
    at, seconds = 0, 0.0
    while part := _PART.match(words, at):
        unit = _UNIT_OF.get(part[2])
        if unit is None:
            return None
        seconds += int(part[1]) * (7 * UNITS["d"] if unit == "w" else UNITS[unit])
        at = part.end()
    return now - seconds if at and at == len(words) and seconds <= LONGEST else None


def _clock(text: str, now: float) -> float | None:
    words = text.lower()
    today = datetime.fromtimestamp(now).replace(hour=0, minute=0, second=0, microsecond=0)
    if words == "now":
        return now
    if words in ("today", "yesterday"):
        return (today - timedelta(days=words == "yesterday")).timestamp()
    match = _CLOCK.fullmatch(words)
    if match is None:
        return None
    day, hour, half = match[1], int(match[2]), match[5]
    if half is not None:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "pm" else 0)
    moment = today.replace(hour=hour, minute=int(match[3]), second=int(match[4] or 0))
    # Without a day it is the last one: what is to come has no jobs.
    if day == "yesterday" or (day is None and moment.timestamp() > now):
        moment -= timedelta(days=1)
    return moment.timestamp()


def _iso(text: str, now: float) -> float:
    return datetime.fromisoformat(re.sub("[zZ]$", "+00:00", text)).timestamp()


def _full(text: str, now: float) -> float | None:
    """A full date in another form; what leaves day, month or year open is none."""
    from dateutil import parser

    defaults = (datetime(2001, 1, 1), datetime(2004, 2, 2))
    try:
        first, second = (parser.parse(text, default=default, tzinfos=_no_zone) for default in defaults)
    except Exception as error:  # what dateutil raises for odd text changes from version to version
        raise ValueError(str(error)) from error
    return first.timestamp() if first == second else None


def _no_zone(name: str | None, offset: int | None) -> int | None:
    if offset is None and name is not None:
        raise ValueError(f"the zone {name!r} is ambiguous")
    return offset
