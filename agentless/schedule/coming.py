"""The fires to come, as the machine that fires works them out."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from agentless.model.times import iso, local
from agentless.remote import clock, course, evaluator
from agentless.remote.evaluator import Fire
from agentless.schedule.schedule_file import Entry, Schedule
from agentless.values import dataclass

if TYPE_CHECKING:
    from agentless.remote.course import History

__all__ = ["Fire", "Forecast", "Upcoming", "coming", "fire_json", "first", "forecast", "offset"]

# The next fire that is not skipped is looked for among so many: it takes a tenth of a second.
LOOK_AHEAD = 2000
# What every fire of so long is kept back by is no matter of the hour or the weekday.
LONG = 8 * 86400


@dataclass(frozen=True, slots=True)
class Upcoming:
    """The next fires of one entry.

    Args:
        entry: the entry.
        host: the inventory name that the splay is drawn for; of the controller's own fires its name.
        fires: in order, skips among them with their reason; None where only the hosts know them: an interval counts
            from the last fire on each.
    """

    entry: Entry
    host: str
    fires: tuple[Fire, ...] | None

    @property
    def times(self) -> tuple[datetime, ...]:
        """When each of `fires` comes: aware datetimes, in the offset that the entry's zone has then."""
        return tuple(
            datetime.fromtimestamp(fire.at, timezone(timedelta(seconds=fire.shift))) for fire in self.fires or ()
        )

    def to_json(self) -> list[dict[str, Any]] | None:
        return None if self.fires is None else [fire_json(fire, self.entry, self.host) for fire in self.fires]


@dataclass(frozen=True, slots=True)
class Forecast:
    """The next fire of one entry that is not skipped, as far as it can be known without asking a host.

    Args:
        fire: the fire, or None.
        known: False where `fire` is None and yet the entry may come: only the hosts know when, or all of the next
            fires are skipped.
        searched_until: how far the search went (Unix seconds) where all of those fires are skipped, else None.
        never: why the entry, which is switched on, fires no more, or not for a long time; empty where it does, and
            where that is not known.
    """

    fire: Fire | None
    known: bool = True
    searched_until: int | None = None
    never: str = ""


def fire_json(fire: Fire, entry: Entry, host: str) -> dict[str, Any]:
    """A fire to come as `schedule next` and `list` give it; `zone` null: of the machine that fires, shown as ours.

    Keys:
        nominal (time): when the schedule says.
        time (time): when it is fired: with the splay of `host`.
        utc_offset (integer): of the zone at that time, in seconds.
        zone (string or null): an IANA name; null is that of the machine that fires, shown as this one's.
        splay (integer): seconds.
        host (string): the host that the splay is drawn for.
        skipped (string or null): why it will not be fired.
        jid (string): that the job will have.
    """
    return {
        "nominal": iso(fire.nominal),
        "time": iso(fire.at),
        "utc_offset": fire.shift,
        "zone": entry.timezone,
        "splay": fire.at - fire.nominal,
        "host": host,
        "skipped": fire.reason,
        "jid": fire.jid,
    }


def offset(schedule: Schedule, entry: Entry) -> Callable[[int], int]:
    """The zone of an entry, as remote/clock.py knows zones; the local one of this machine where it names none."""
    return clock.local if entry.timezone is None else clock.Zone(schedule.zones[entry.timezone])


def coming(
    schedule: Schedule, entry: Entry, count: int, *, now: float, host: str, history: History | None = None
) -> tuple[Fire, ...]:
    """The next fires of an entry, skips among them with their reason; fewer than `count` where no more come.

    Args:
        now: Unix seconds.
        host: the inventory name that the splay is drawn for; the controller's own fires have its name.
        history: the evaluator's for this entry there; None is an entry that starts now.
    """
    planned = evaluator.plan(entry.timing, history, now, host, offset(schedule, entry))
    return tuple(itertools.islice(planned, count))


def first(upcoming: Mapping[str, Upcoming], count: int) -> dict[str, Upcoming]:
    """The first `count` fires over all entries, by entry; those of which nothing is among them are left out."""
    every = sorted((fire.at, name, at) for name, each in upcoming.items() for at, fire in enumerate(each.fires or ()))
    chosen: dict[str, int] = {}
    for _, name, _ in every[:count]:
        chosen[name] = chosen.get(name, 0) + 1
    return {
        name: replace(each, fires=None if each.fires is None else each.fires[: chosen[name]])
        for name, each in upcoming.items()
        if each.fires is None or name in chosen
    }


def forecast(schedule: Schedule, entry: Entry, *, now: float, host: str, history: History | None = None) -> Forecast:
    """The next fire of an entry that is not skipped; the arguments are those of `coming`."""
    if not entry.enabled:
        return Forecast(None)
    zone = offset(schedule, entry)
    until = entry.timing.get("until")
    over = until is not None and until[0] <= 0 and clock.moment(until, zone) < now
    if entry.counted_on_hosts:
        return Forecast(None, known=over, never="its `until` is past" if over else "")
    never = "its times are past"
    reasons = set()
    for number, fire in enumerate(evaluator.plan(entry.timing, history, now, host, zone)):
        if fire.reason is None:
            return Forecast(fire)
        reasons.add(fire.reason)
        skipped = ", ".join(sorted(reasons))
        if fire.reason == course.UNTIL_PASSED and until is not None and until[0] <= 0:
            return Forecast(None, never="its `until` is past" if over else f"its fires are skipped: {skipped}")
        if number >= LOOK_AHEAD:
            why = f"all fires until {local(fire.at)} are skipped: {skipped}"
            short = fire.at - now < LONG or course.AFTER_NOT_PASSED in reasons
            return Forecast(None, known=False, searched_until=fire.at, never="" if short else why)
        never = f"its fires are skipped: {skipped}"
    return Forecast(None, never=never)
