"""Schedules as tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from agentless.model.times import local
from agentless.report.printable import one_line
from agentless.report.tables import Row, cut, error, states

if TYPE_CHECKING:
    from agentless.schedule.coming import Upcoming
    from agentless.schedule.hosts import OnHost, Pushed, ScheduleEvent, Seen
    from agentless.schedule.overview import Overview

ENTRIES = ("NAME", "ENABLED", "NEXT", "LAST", "RESULT", "LAST SKIP", "RUNS ON", "TARGET")


def entries(rows: Iterable[Overview]) -> Iterator[Row]:
    for row in rows:
        skip = f"{row.last_skip[0]} {local(row.last_skip[1])}" if row.last_skip else ""
        result = states(row.last_result) if row.last_result else ""
        yield (
            row.entry.name,
            "yes" if row.entry.enabled else "no",
            _forecast(row),
            local(row.last_fire),
            result,
            skip,
            row.entry.runs_on,
            row.entry.target or "",
        )


def _forecast(row: Overview) -> str:
    if row.forecast.fire is not None:
        return _local(row.forecast.fire.at, row.forecast.fire.shift)
    if row.forecast.searched_until is not None:
        return f"after {local(row.forecast.searched_until)}"
    return "" if row.forecast.known else "known to the hosts"


FIRES = ("NAME", "FIRES", "ZONE", "SPLAY", "SKIPPED")


def fires(by_entry: Mapping[str, Upcoming]) -> Iterator[Row]:
    for name, upcoming in by_entry.items():
        if upcoming.fires is None:
            yield name, "known to the hosts", "", "", ""
        bounds = upcoming.entry.timing.get("splay")
        for fire in upcoming.fires or ():
            splay = f"{fire.at - fire.nominal} s" if bounds else ""
            if bounds and bounds[0] != bounds[1]:
                splay += f" of {bounds[0]} to {bounds[1]}"
            zone = upcoming.entry.timezone or "local"
            yield name, _local(fire.at, fire.shift), zone, splay, fire.reason or ""


PLACED = ("HOST", "ADDED", "CHANGED", "REMOVED", "UNCHANGED", "CRONTAB")


def placed(result: Pushed) -> Iterator[Row]:
    for host, one in result.hosts.items():
        names = (", ".join(names) for names in (one.added, one.changed, one.removed))
        yield host, *names, str(len(one.unchanged)), one.crontab
    for host, problem in result.problems.items():
        yield host, error(problem), "", "", "", ""


STATUS = ("HOST", "LAST TICK", "NAME", "LAST", "LAST SKIP", "NEXT", "RUNNING")


def status(result: Seen) -> Iterator[Row]:
    for host, schedule in result.hosts.items():
        ticked = local(schedule.ticked) if schedule.ticked is not None else "never"
        if schedule.error is not None:
            yield host, error(schedule.error), "", "", "", "", ""
        elif not schedule.entries:
            yield host, ticked, "", "", "", "", ""
        for entry in schedule.entries.values():
            skip = f"{entry.last_skip[0]} {local(entry.last_skip[1])}" if entry.last_skip else ""
            yield host, ticked, entry.name, local(entry.last_fire), skip, _next(entry), str(entry.running or "")
    for host, problem in result.problems.items():
        yield host, error(problem), "", "", "", "", ""


def events(result: Seen) -> Iterator[str]:
    """What ticks wrote down, a line each."""
    for host, schedule in result.hosts.items():
        for event in schedule.events:
            yield f"{one_line(host)}: {local(event.at)} {one_line(event.name)}: {one_line(_event(event))}"


def _event(event: ScheduleEvent) -> str:
    if event.reason is not None:
        return f"skipped, {event.reason}" + (f" ({event.count} times)" if event.count > 1 else "")
    jid = f" {event.jid}" if event.jid else ""
    return f"not started{jid}: {event.error}" if event.error else f"fired{jid}"


ON_HOSTS = ("HOST", "NAME", "ENABLED", "FUNCTION", "COMMAND", "TARGET", "NEXT", "PUSHED BY")


def on_hosts(result: Seen) -> Iterator[Row]:
    for host, schedule in result.hosts.items():
        for entry in schedule.entries.values():
            command = cut(" ".join(entry.arguments), 60)
            enabled = "yes" if entry.enabled else "no"
            by = schedule.pushed_by
            yield host, entry.name, enabled, entry.function, command, entry.target, _next(entry), by
    for host, problem in result.problems.items():
        yield host, error(problem), "", "", "", "", "", ""


def _next(entry: OnHost) -> str:
    if not entry.coming:
        return ""
    first = entry.coming[0]
    return _local(first.at, first.shift) + (f" ({first.reason})" if first.reason else "")


def _local(at: float, shift: int) -> str:
    """As a clock in its zone shows it: `2026-11-22 10:50:39+01:00`."""
    try:
        moment = datetime.fromtimestamp(at, timezone(timedelta(seconds=shift)))
    except (ValueError, OverflowError):
        return "?"
    return moment.isoformat(sep=" ", timespec="seconds")
