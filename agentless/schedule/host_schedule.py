"""What hosts have of a schedule, and did with it: the results of `schedule push`, `purge`, `pull` and `status`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from agentless.model.problem import Problem
from agentless.model.results import HostAnswers
from agentless.model.times import Moment, iso
from agentless.remote.evaluator import Fire
from agentless.schedule.difference import Change
from agentless.values import dataclass

__all__ = ["HostSchedule", "OnHost", "Placed", "Pushed", "ScheduleEvent", "Seen"]


@dataclass(frozen=True, slots=True)
class Placed:
    """What a push did to one host, or would do: names of entries, and what became of our line in the crontab.

    `differences`, where they were asked for: by entry that is added, changed or removed, its keys that are not the
    same; of one that is changed none where it is something that hosts do not show, such as `env`.
    """

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    crontab: str = "kept"
    warnings: tuple[Problem, ...] = ()
    differences: Mapping[str, tuple[Change, ...]] | None = None

    def to_json(self) -> dict[str, Any]:
        """What a push did to one host, or would do.

        Keys:
            added (list of strings): names of entries.
            changed (list of strings): names of entries.
            removed (list of strings): names of entries.
            unchanged (list of strings): names of entries.
            crontab (string): what became of our line in the crontab: `added`, `changed`, `kept` or `removed`.
            warnings (list of objects): what else is wrong, each with the keys of [error](#error).
            diff (object, only with `--diff`): by entry, its keys that differ, each with `old` and `new` (string or
                null).
        """
        document: dict[str, Any] = {
            "added": list(self.added),
            "changed": list(self.changed),
            "removed": list(self.removed),
            "unchanged": list(self.unchanged),
            "crontab": self.crontab,
            "warnings": [warning.to_json() for warning in self.warnings],
        }
        if self.differences is not None:
            document["diff"] = {
                name: {change.key: {"old": change.old, "new": change.new} for change in changes}
                for name, changes in self.differences.items()
            }
        return document


@dataclass(frozen=True, slots=True)
class Pushed(HostAnswers):
    """`schedule push` and `purge`: by host, and why others were not brought there."""

    hosts: Mapping[str, Placed]


@dataclass(frozen=True, slots=True)
class OnHost:
    """One entry as a host has it.

    Args:
        name, function, arguments, target: as pushed.
        enabled: neither it nor the whole schedule is switched off.
        last_fire: Unix seconds, or None.
        last_skip: the reason and when, or None.
        running: fires that run now.
        coming: what is to come, as many as were asked for.
        timezone: an IANA name, or None for the host's own zone.
        shown: all of it that can be shown, as text by the file's keys.
    """

    name: str
    function: str
    arguments: tuple[str, ...]
    target: str
    enabled: bool
    last_fire: float | None
    last_skip: tuple[str, float] | None
    running: int
    coming: tuple[Fire, ...]
    timezone: str | None
    shown: Mapping[str, str] = field(default_factory=dict, compare=False)

    last_fire_at = Moment("last_fire")

    def to_json(self) -> dict[str, Any]:
        """One entry as a host has it.

        Keys:
            function (string): as pushed.
            arguments (list of strings): as pushed.
            target (string): as pushed.
            enabled (boolean): whether neither it nor the whole schedule is switched off.
            timezone (string or null): an IANA name; null is the host's own zone.
            last_fire (time or null): its newest fire.
            last_skip (object or null): its newest skip: `reason`, `time`.
            running (integer): how many fires run now.
            next (time or null): its next fire.
        """
        return {
            "function": self.function,
            "arguments": list(self.arguments),
            "target": self.target,
            "enabled": self.enabled,
            "timezone": self.timezone,
            "last_fire": iso(self.last_fire),
            "last_skip": {"reason": self.last_skip[0], "time": iso(self.last_skip[1])} if self.last_skip else None,
            "running": self.running,
            "next": iso(self.coming[0].at) if self.coming else None,
        }


@dataclass(frozen=True, slots=True)
class ScheduleEvent:
    """What a tick wrote down: a fire (`jid`), a skip (`reason`, `count` of them), or an error."""

    at: float
    name: str
    jid: str | None
    reason: str | None
    count: int
    error: str | None

    time_at = Moment("at")

    def to_json(self) -> dict[str, Any]:
        """What a tick wrote down.

        Keys:
            time (time or null): when.
            entry (string): whose.
            jid (string or null): of the job that was fired.
            skipped (string or null): why it was not fired.
            count (integer): how many skips in a row this stands for.
            error (string or null): why it could not be fired.
        """
        return {
            "time": iso(self.at),
            "entry": self.name,
            "jid": self.jid,
            "skipped": self.reason,
            "count": self.count,
            "error": self.error,
        }


@dataclass(frozen=True, slots=True)
class HostSchedule:
    """What is on one host, and what its ticks did.

    Args:
        ticked: the last tick, Unix seconds; None is never.
        pushed_by: `USER@CONTROLLER`, or empty where nothing was pushed.
        line: whether the crontab has our line as it should be; None where it cannot be read.
        entries: by name.
        events: oldest first.
        warnings: about the clock, the crontab and the disk.
        error: why nothing fires there, though something was pushed: files or line are gone, cron does not run.
    """

    ticked: float | None
    pushed_by: str
    line: bool | None
    entries: Mapping[str, OnHost]
    events: Sequence[ScheduleEvent]
    warnings: tuple[Problem, ...]
    error: Problem | None = None

    ticked_at = Moment("ticked")

    def to_json(self) -> dict[str, Any]:
        """What is on one host.

        Keys:
            last_tick (time or null): when cron last looked; null is never.
            pushed_by (string or null): `USER@CONTROLLER`.
            crontab (boolean or null): whether the crontab has our line as it should be; null where it cannot be read.
            entries (object): by name, each as below.
            events (list of objects): what its ticks did, oldest first, each as below.
            warnings (list of objects): about clock, crontab and disk, each with the keys of [error](#error).
            error (object or null): why nothing fires there though something was pushed.
        """
        return {
            "last_tick": iso(self.ticked),
            "pushed_by": self.pushed_by or None,
            "crontab": self.line,
            "entries": {name: entry.to_json() for name, entry in self.entries.items()},
            "events": [event.to_json() for event in self.events],
            "warnings": [warning.to_json() for warning in self.warnings],
            "error": self.error.to_json() if self.error else None,
        }


@dataclass(frozen=True, slots=True)
class Seen(HostAnswers):
    """`schedule status` and `pull`: what each host has, and the hosts that could not be asked."""

    hosts: Mapping[str, HostSchedule]

    @property
    def stopped(self) -> dict[str, Problem]:
        """The hosts on which nothing fires though something was pushed, and why."""
        return {host: schedule.error for host, schedule in self.hosts.items() if schedule.error is not None}

    @property
    def exit_code(self) -> int:
        """3 where a host could not be asked, or fires nothing though something was pushed."""
        return 3 if self.problems or self.stopped else 0
