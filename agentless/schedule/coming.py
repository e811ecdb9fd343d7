"""The fires to come, as the machine that fires will see them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from agentless.remote import clock, evaluator
from agentless.schedule.document import Entry, Schedule

__all__ = ["Coming", "coming", "offset"]


@dataclass(frozen=True, slots=True)
class Coming:
    """A fire to come.

    Args:
        nominal: the schedule's time, Unix seconds.
        at: when it fires, Unix seconds: `splay` seconds later.
        shift: seconds by which the zone is ahead of UTC at `at`.
        zone: the entry's time zone; None is the local one of the machine that fires, shown as this one's.
        reason: why it will be skipped, one of the evaluator's words; None when it will run.
        jid: of the fire.
    """

    nominal: int
    at: int
    shift: int
    zone: str | None
    reason: str | None
    jid: str

    @property
    def splay(self) -> int:
        """Seconds between the schedule's time and the fire."""
        return self.at - self.nominal

    @property
    def wall(self) -> datetime:
        """When it fires, as a clock in its zone shows it."""
        return datetime.fromtimestamp(self.at, timezone(timedelta(seconds=self.shift)))


def offset(schedule: Schedule, entry: Entry) -> Callable[[int], int]:
    """The zone of an entry; the local one of this machine where it names none."""
    return clock.local if entry.timezone is None else clock.Zone(schedule.zones[entry.timezone])


def coming(
    schedule: Schedule,
    entry: Entry,
    count: int,
    *,
    now: float,
    host: str,
    history: Mapping[str, Any] | None = None,
    zone: Callable[[int], int] | None = None,
) -> tuple[Coming, ...]:
    """The next fires of an entry, skips among them with their reason; fewer than `count` where no more come.

    Args:
        now: Unix seconds.
        host: the inventory name that the splay is drawn for; the controller's own fires have its name.
        history: the evaluator's for this entry there; None is an entry that starts now.
        zone: the local zone of the machine that fires, where it is another than this one's.
    """
    where = zone if zone is not None and entry.timezone is None else offset(schedule, entry)
    planned = evaluator.plan(dict(entry.timing), history, now, host, where)
    return tuple(
        Coming(
            nominal=each.nominal,
            at=each.at,
            shift=where(each.at),
            zone=entry.timezone,
            reason=each.reason,
            jid=evaluator.jid(dict(entry.timing), each.nominal),
        )
        for each in itertools.islice(planned, count)
    )
