"""Walks of the clock: an entry is evaluated at one reading after the other, its history through JSON each time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from agentless.remote import clock, evaluator
from agentless.schedule import dates
from agentless.schedule.schedule_file import parse

if TYPE_CHECKING:
    from agentless.remote.course import Timing

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo", "UTC")
# Brazil still had its clock changes then, at midnight.
YEAR = 2018
START = int(datetime(YEAR, 1, 1, tzinfo=timezone.utc).timestamp())
END = int(datetime(YEAR + 1, 1, 1, tzinfo=timezone.utc).timestamp())


def utc(_: int) -> int:
    return 0


def table(zone: str) -> clock.Zone:
    return clock.Zone(dates.zone(zone, START))


def timing(keys: str) -> Timing:
    """The evaluator's entry for time keys as a file has them, each on a line."""
    lines = ["schedule:", "  it:", "    function: cmd.run", "    args: [x]", "    target: all"]
    lines += [f"    {line}" for line in keys.strip().splitlines()]
    return parse("\n".join(lines), "/schedule.yaml", now=START).entries["it"].timing


@dataclass
class Walk:
    """An entry on a machine.

    Args:
        entry: the evaluator's.
        offset: the zone.
        running: how many of its fires run, asked at each look.
    """

    entry: Timing
    offset: Callable[[int], int] = utc
    host: str = "web1"
    running: Callable[[], int] = lambda: 0
    history: Any = None
    look: int = 0
    fires: list[evaluator.Fire] = field(default_factory=list)
    skips: list[evaluator.Skip] = field(default_factory=list)
    fired_at: list[tuple[float, int]] = field(default_factory=list)

    def read(self, now: float) -> evaluator.Outcome:
        """The clock shows `now`, and the evaluator looks; everything it kept was on disk meanwhile."""
        before = json.dumps(self.history)
        outcome = evaluator.evaluate(self.entry, self.history, now, self.host, self.offset, self.running())
        assert json.dumps(self.history) == before, "the history given is not changed"
        self.history = json.loads(json.dumps(outcome.history))
        self.look = outcome.look
        self.fires += outcome.fires
        self.skips += outcome.skips
        self.fired_at += [(now, fire.nominal) for fire in outcome.fires]
        return outcome

    def through(self, end: int, late: Iterable[float] = (), start: float | None = None) -> None:
        """Look whenever the evaluator asked to, up to `end`, as much later as `late` says, in turn."""
        lateness = list(late) or [0.0]
        now, count = (start if start is not None else float(self.look)), 0
        while now <= end:
            self.read(now)
            count += 1
            now = max(self.look + lateness[count % len(lateness)], now + 0.25)

    @property
    def nominals(self) -> list[int]:
        return [fire.nominal for fire in self.fires]

    def skipped(self, reason: str) -> int:
        """How many fires were skipped for a reason."""
        return sum(skip.count for skip in self.skips if skip.reason == reason)


def instants(walls: Iterable[datetime], zone: str) -> list[int]:
    """The oracle: when naive wall times come in a zone, by zoneinfo; those skipped, by search, after the gap."""
    info = ZoneInfo(zone)
    found = set()
    for wall in walls:
        stamp = int(wall.replace(tzinfo=info, fold=0).timestamp())
        if datetime.fromtimestamp(stamp, info).replace(tzinfo=None) != wall:
            stamp = next(
                at
                for at in range(stamp - 4 * 3600, stamp + 4 * 3600, 60)
                if datetime.fromtimestamp(at, info).replace(tzinfo=None) >= wall
            )
        found.add(stamp)
    return sorted(found)


def days(year: int = YEAR) -> list[datetime]:
    """Midnights, a day more than the year on either side."""
    return [datetime(year, 1, 1) + timedelta(days=day) for day in range(-1, 367)]
