"""Schedules as tables."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from agentless.hostlist import fold
from agentless.model.times import age, local
from agentless.report.printable import one_line
from agentless.report.tables import Row, ago, cut, error, headed
from agentless.report.text import Look, paint, states

if TYPE_CHECKING:
    from agentless.schedule.coming import Upcoming
    from agentless.schedule.difference import Change
    from agentless.schedule.host_schedule import OnHost, Pushed, ScheduleEvent, Seen
    from agentless.schedule.overview import Overview
    from agentless.schedule.pushes import OnHosts
    from agentless.schedule.schedule_file import Entry

# Of a value that a host told, so much is shown.
_LONGEST = 2000


@headed("NAME", "WHEN", "RUNS", "TARGET", "ENABLED", "PUSHED", "NEXT", "LAST", "RESULT", "LAST SKIP")
def entries(rows: Iterable[Overview], now: float, *, ages: bool = False) -> Iterator[Row]:
    """One row for each entry.

    Args:
        now: Unix seconds.
        ages: how long it is until the next fire, and since the last, instead of when.
    """

    # Only this table needs it, and it brings calendars and zones.
    from agentless.schedule.timing import in_words

    def when(stamp: float | None) -> str:
        return "" if stamp is None else f"{ago(stamp, now)} ago" if ages else local(stamp)

    for row in rows:
        entry = row.entry
        result = states(row.last_result) if row.last_result else ""
        if row.last_result_as_of is not None:
            result += f" ({'' if ages else 'as of '}{when(row.last_result_as_of)})"
        yield (
            entry.name,
            in_words(entry.said),
            runs(entry),
            entry.target or "",
            "yes" if entry.enabled else "no",
            _pushed(row.pushed, when),
            f"in {age(row.forecast.fire.at - now)}" if ages and row.forecast.fire is not None else _forecast(row),
            when(row.last_fire),
            result,
            f"{row.last_skip[0]} {when(row.last_skip[1])}" if row.last_skip else "",
        )


def runs(entry: Entry) -> str:
    """What an entry runs: its command, its script with arguments, or the controller's function."""
    if not entry.args:
        return entry.function
    return entry.args[0] if len(entry.args) == 1 else shlex.join(entry.args)


def _pushed(pushed: OnHosts | None, when: Callable[[float | None], str]) -> str:
    """Whether hosts have an entry as it is in the file: `yes`, `no`, `37 of 40`, and as of when."""
    if pushed is None:
        return "by the controller"
    if not pushed.same:
        return "no"
    count = len(pushed.same) + len(pushed.others)
    return f"{f'{len(pushed.same)} of {count}' if pushed.others else 'yes'} ({when(pushed.as_of)})"


def _forecast(row: Overview) -> str:
    if row.forecast.fire is not None:
        return in_zone(row.forecast.fire.at, row.forecast.fire.shift)
    if row.forecast.searched_until is not None:
        return f"after {local(row.forecast.searched_until)}"
    if row.forecast.known and row.forecast.never:
        return "never"
    return "" if row.forecast.known or not row.entry.enabled else "known to the hosts"


@headed("NEXT", "LEFT", "NAME", "ZONE", "SPLAY", "SKIPPED")
def fires(by_entry: Mapping[str, Upcoming], now: float) -> Iterator[Row]:
    """The fires of all entries by time; then the entries of which only the hosts know it."""
    every = [(fire, upcoming.entry) for upcoming in by_entry.values() for fire in upcoming.fires or ()]
    for fire, entry in sorted(every, key=lambda pair: pair[0].at):
        bounds = entry.timing.get("splay")
        splay = f"{fire.at - fire.nominal} s" if bounds else ""
        if bounds and bounds[0] != bounds[1]:
            splay += f" of {bounds[0]} to {bounds[1]}"
        left = age(fire.at - now)
        yield in_zone(fire.at, fire.shift), left, entry.name, entry.timezone or "local", splay, fire.reason or ""
    for name, upcoming in by_entry.items():
        if upcoming.fires is None:
            yield "known to the hosts", "", name, "", "", ""


@headed("HOST", "ADDED", "CHANGED", "REMOVED", "UNCHANGED", "CRONTAB")
def placed(result: Pushed) -> Iterator[Row]:
    for host, one in result.hosts.items():
        names = (", ".join(names) for names in (one.added, one.changed, one.removed))
        yield host, *names, str(len(one.unchanged)), one.crontab


def changes(result: Pushed, look: Look) -> Iterator[str]:
    """What differs of each entry, its old and new values a line each; hosts on which the same does are folded."""
    alike: dict[tuple[str, str, tuple[Change, ...]], list[str]] = {}
    for host, placed in result.hosts.items():
        for name, differences in (placed.differences or {}).items():
            word = next(word for word in ("added", "changed", "removed") if name in getattr(placed, word))
            alike.setdefault((name, word, differences), []).append(host)
    for (name, word, differences), hosts in alike.items():
        yield f"{one_line(name)} is {word} on {one_line(fold(hosts))}:"
        for change in differences:
            for sign, value, colour in (("-", change.old, "red"), ("+", change.new, "green")):
                if value is not None:
                    yield paint(f"  {sign} {one_line(change.key)}: {one_line(cut(value, _LONGEST))}", colour, look)
        if not differences:
            yield "  in what hosts do not show, such as env"


@headed("HOST", "LAST TICK", "NAME", "LAST", "LAST SKIP", "NEXT", "RUNNING")
def status(result: Seen) -> Iterator[Row]:
    for host, schedule in result.hosts.items():
        ticked = local(schedule.ticked) if schedule.ticked is not None else "never"
        if schedule.error is not None:
            yield host, "", "", "", "", "", error(schedule.error)
        elif not schedule.entries:
            yield host, ticked, "", "", "", "", ""
        for entry in schedule.entries.values():
            skip = f"{entry.last_skip[0]} {local(entry.last_skip[1])}" if entry.last_skip else ""
            yield host, ticked, entry.name, local(entry.last_fire), skip, _next(entry), str(entry.running or "")


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


@headed("HOST", "NAME", "ENABLED", "FUNCTION", "COMMAND", "TARGET", "NEXT", "PUSHED BY")
def on_hosts(result: Seen) -> Iterator[Row]:
    for host, schedule in result.hosts.items():
        for entry in schedule.entries.values():
            command = " ".join(entry.arguments)
            enabled = "yes" if entry.enabled else "no"
            by = schedule.pushed_by
            yield host, entry.name, enabled, entry.function, command, entry.target, _next(entry), by


def _next(entry: OnHost) -> str:
    if not entry.coming:
        return ""
    first = entry.coming[0]
    return in_zone(first.at, first.shift) + (f" ({first.reason})" if first.reason else "")


def in_zone(at: float, shift: int) -> str:
    """As a clock in its zone shows it: `2026-11-22 10:50:39+01:00`."""
    try:
        moment = datetime.fromtimestamp(at, timezone(timedelta(seconds=shift)))
    except (ValueError, OverflowError):
        return "?"
    return moment.isoformat(sep=" ", timespec="seconds")
