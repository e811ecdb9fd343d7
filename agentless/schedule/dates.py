"""Dates as people write them, cron lines and zones, as rules of remote/clock.py."""

from __future__ import annotations

import functools
import re
import zoneinfo
from datetime import datetime, timedelta, timezone

from agentless.remote import clock

__all__ = ["DAILY", "Rule", "cron", "date", "wall", "zone"]

Rule = list[int]

DAILY = 86400
WEEKLY = 7 * DAILY
_EPOCH = datetime(1970, 1, 1)
_ALL_WEEKDAYS = (1 << 7) - 1
_ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
# What a text leaves open, dateutil takes from a default: these differ in year, month, day and weekday, and leap years
# have every date.
_DEFAULTS = (datetime(2004, 1, 5), datetime(2008, 4, 15), datetime(2012, 8, 22), datetime(2016, 11, 10))
# Directives of strptime that make a full date together, one of each word.
_WHOLE_DATES = (("cx",), ("Yy", "j"), ("Yy", "mbB", "d"), ("Yy", "UW", "aAwu"), ("G", "V", "aAwu"))
_YEARS_AHEAD = 20
_FIRST_YEAR, _LAST_YEAR = 1902, 9990
_SCAN = 7 * DAILY


def wall(moment: datetime) -> int:
    """What a clock on the wall shows, in seconds of remote/clock.py."""
    return int((moment.replace(tzinfo=None) - _EPOCH).total_seconds())


def _refuse_far(moment: datetime) -> None:
    """ValueError for a year whose instants no calendar can show in every zone."""
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise ValueError(f"the year {moment.year} is not from {_FIRST_YEAR} to {_LAST_YEAR}")


@functools.lru_cache(maxsize=4096)
def _date(text: str) -> tuple[int, ...]:
    from dateutil import parser

    def known(name: str | None, offset: int | None) -> int | None:
        if offset is None and name is not None:
            raise ValueError(f"the zone {name!r} is ambiguous: write an offset such as +02:00")
        return offset

    try:
        moments = [parser.parse(text, default=default, tzinfos=known) for default in _DEFAULTS]
    except Exception as error:  # what dateutil raises for odd text changes from version to version
        raise ValueError(f"not a date, such as 2026-11-29T10:00 or Monday 5:00pm: {error}") from error
    if any(moment.microsecond for moment in moments):
        raise ValueError("not a date: it has fractions of a second")
    first = moments[0]
    _refuse_far(first)
    complete = len({moment.date() for moment in moments}) == 1
    if first.tzinfo is not None:
        if not complete:
            raise ValueError("a time that recurs has its zone in `timezone`, not with it")
        return (-1, int(first.timestamp()))
    if complete:
        return (0, wall(first))
    if all(moment.date() == default.date() for moment, default in zip(moments, _DEFAULTS, strict=True)):
        return (DAILY, wall(first) % DAILY)
    if len({moment.weekday() for moment in moments}) == 1 and all(
        timedelta(0) <= moment - default < timedelta(8) for moment, default in zip(moments, _DEFAULTS, strict=True)
    ):
        return (WEEKLY, wall(first) % WEEKLY)
    if len({(moment.month, moment.day) for moment in moments}) == 1:
        return (1 << first.minute, 1 << first.hour, 1 << first.day, 1 << first.month, _ALL_WEEKDAYS, 0, first.second)
    raise ValueError("it names neither a time of day, nor a weekday, nor a date of the year; `cron` says the rest")


def date(text: str, fmt: str | None = None) -> Rule:
    """A date string: "1:40pm" comes daily, "Monday 5:00pm" weekly, "24 December 5pm" yearly, a full date once.

    Args:
        text: as dateutil reads it.
        fmt: as strptime knows it; then the text is a full date.

    Raises:
        ValueError: it cannot be read, or says too little.
    """
    if fmt is None:
        return list(_date(text))
    try:
        moment = datetime.strptime(text, fmt)
    except ValueError:
        raise
    except Exception as error:  # a directive that stands there twice is an re.error, and more may come of a format
        raise ValueError(f"{fmt!r} is no format of a date: {error}") from error
    directives = set(re.findall("%[-]?(.)", fmt.replace("%%", "")))
    if not any(all(directives & set(kinds) for kinds in way) for way in _WHOLE_DATES):
        raise ValueError(f"{fmt!r} has no year, month and day")
    _refuse_far(moment)
    if moment.tzinfo is not None:
        return [-1, int(moment.timestamp())]
    return [0, wall(moment)]


@functools.lru_cache(maxsize=4096)
def _cron(text: str) -> tuple[int, ...]:
    from cronsim import CronSim, CronSimError

    line = _ALIASES.get(text.lower(), text)
    if line.startswith("@"):
        raise ValueError(f"{text} is no time; known are {', '.join(_ALIASES)}")
    count = len(line.split())
    if count != 5:
        raise ValueError(f"a cron line has five fields, not {count}: minute, hour, day, month, weekday")
    try:
        sim = CronSim(line, datetime(2024, 1, 1, tzinfo=timezone.utc))
        next(sim)
    except CronSimError as error:
        raise ValueError(f"not a cron line: {error}") from error
    except StopIteration:
        raise ValueError("that day never comes") from None
    if CronSim.LAST_WEEKDAY in sim.days:
        raise ValueError("LW is not known here; L is")
    days = sum(1 << (0 if day == CronSim.LAST else day) for day in sim.days)
    weekdays = 0
    for item in sim.weekdays:
        weekday, nth = item if isinstance(item, tuple) else (item, 0)
        weekdays |= 1 << (weekday % 7 + 7 * (6 if nth == CronSim.LAST else nth))
    minutes, hours, months = (sum(1 << value for value in field) for field in (sim.minutes, sim.hours, sim.months))
    return (minutes, hours, days, months, weekdays, int(not sim.day_and), 0)


def cron(text: str) -> Rule:
    """A cron line of five fields, as Debian's crontab(5) has it, with `L` and `MON#2`, or `@daily` and the like.

    Raises:
        ValueError: cronsim refuses it, or its day never comes.
    """
    return list(_cron(text))


@functools.lru_cache(maxsize=256)
def _zone(name: str, year: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    info = zoneinfo.ZoneInfo(name)

    def offset(instant: int) -> int:
        ahead = datetime.fromtimestamp(instant, info).utcoffset()
        assert ahead is not None
        return round(ahead.total_seconds())

    at, end = wall(datetime(year - 1, 1, 1)), wall(datetime(year + _YEARS_AHEAD, 1, 1))
    changes: list[int] = []
    offsets = [offset(at)]
    while at < end:
        if offset(at + _SCAN) == offsets[-1]:
            at += _SCAN
            continue
        at = clock.change(offset, at, at + _SCAN)
        changes.append(at)
        offsets.append(offset(at))
    return tuple(changes), tuple(offsets)


def zone(name: str, now: float) -> list[list[int]]:
    """The table of a zone for `clock.Zone`: from last year on, for 20 years.

    It depends on the year of `now` alone, so that pushing again changes nothing.

    Raises:
        ValueError: there is no such zone.
    """
    try:
        changes, offsets = _zone(name, (_EPOCH + timedelta(seconds=now)).year)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"there is no time zone {name!r}") from error
    return [list(changes), list(offsets)]
