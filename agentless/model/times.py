"""Instants: in UTC as the JSON contract writes them, as datetimes, and in the local zone as people read them; and how
long ago."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from operator import attrgetter
from typing import overload

__all__ = ["Moment", "age", "iso", "local", "stamp", "utc"]


def iso(stamp: float | None) -> str | None:
    """Unix seconds as ISO 8601 in UTC with microseconds and `Z`; None stays None."""
    if stamp is None:
        return None
    return datetime.fromtimestamp(stamp, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def utc(stamp: float | None) -> datetime | None:
    """Unix seconds as an aware datetime in UTC; None stays None, and is what no datetime can be."""
    try:
        return None if stamp is None else datetime.fromtimestamp(stamp, timezone.utc)
    except (ValueError, OverflowError, OSError):
        # A host may tell any number.
        return None


def stamp(text: str) -> float:
    """What `iso` made, in Unix seconds again; raises ValueError where it is no such text."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc).timestamp()


def local(stamp: float | None) -> str:
    """Unix seconds as a clock here shows them, with its zone: `2026-11-22 10:50:39+01:00`; None is empty.

    The command line takes this form back, as it takes that of `iso`.
    """
    if stamp is None:
        return ""
    try:
        return datetime.fromtimestamp(stamp, timezone.utc).astimezone().isoformat(sep=" ", timespec="seconds")
    except (ValueError, OverflowError, OSError):
        # A host may tell any number.
        return "?"


def age(seconds: float) -> str:
    """How long ago, in two units at most: `12s`, `3m20s`, `2h05m`, `3d04h`; what is still to come is `0s`."""
    whole = max(0, int(seconds))
    for size, unit, below, of_below in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= size:
            return f"{whole // size}{unit}{whole % size // below:02d}{of_below}"
    return f"{whole}s"


class Moment:
    """An attribute that gives another one, Unix seconds or None, as a datetime: aware, in UTC.

    Args:
        name: of the other one.
    """

    def __init__(self, name: str) -> None:
        self.__doc__ = f"`{name}` as an aware datetime in UTC; None where it is not known."
        self._stamp: Callable[[object], float | None] = attrgetter(name)

    @overload
    def __get__(self, value: None, owner: type) -> Moment: ...

    @overload
    def __get__(self, value: object, owner: type) -> datetime | None: ...

    def __get__(self, value: object | None, owner: type) -> Moment | datetime | None:
        if value is None:
            return self
        return utc(self._stamp(value))
