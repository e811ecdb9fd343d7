"""Salt's `schedule`: the file and its edits, and what of it is on hosts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentless import durations, schedule
from agentless.config import cache_dir, config_dir
from agentless.errors import ScheduleError, TargetError
from agentless.model.jid import jid_time
from agentless.model.problem import Problem
from agentless.model.states import State
from agentless.schedule.history import Histories
from agentless.schedule.overview import Ahead, Overview

if TYPE_CHECKING:
    from agentless.cache import JobRow
    from agentless.fleet import Fleet
    from agentless.model.endpoint import Endpoint
    from agentless.runner.contact import Contact
    from agentless.runner.run import Run
    from agentless.schedule import Entry, Schedule
    from agentless.schedule.hosts import Pushed, Seen
    from agentless.scheduler import Scheduler

__all__ = ["Access", "Scheduling", "find"]

NAME = "schedule.yaml"
# The next fire that is not skipped is looked for among so many.
LOOK_AHEAD = 50


def find(given: str | Path | None, sources: Iterable[str | Path]) -> Path:
    """The schedule file: the one that is given, else beside an inventory, else in the user's config directory.

    Args:
        sources: the inventories; host lists such as `web1,web2` are beside nothing.

    Returns:
        Where there is none, the place for a new one.
    """
    if given is not None:
        return Path(given)
    beside = [Path(source).parent / NAME for source in sources if "," not in str(source)]
    places = [*beside, config_dir() / NAME]
    return next((place for place in places if place.exists()), places[0])


@dataclass(frozen=True, slots=True)
class Access:
    """What the schedule needs of a Fleet.

    Args:
        fleet: the fleet.
        contact: asks hosts.
        selects: the hosts of a pattern, whatever narrows this command's targets.
        user: who acts here.
        controller: `USER@CONTROLLER`: the name that splays of the controller's own fires are drawn for.
        cap: bytes of output that a record keeps.
        clock: Unix seconds.
    """

    fleet: Fleet
    contact: Callable[[], Contact]
    selects: Callable[[str], Iterable[str]]
    user: str
    controller: str
    cap: int
    clock: Callable[[], float] = time.time


class Scheduling:
    """A schedule file, and the hosts that fire what is in it.

    Args:
        access: the fleet's side.
        path: the file; it need not be there yet.
    """

    def __init__(self, access: Access, path: str | Path) -> None:
        self.path = Path(path)
        self._access = access

    @property
    def file(self) -> Schedule:
        """The schedule as the file says it.

        Raises:
            ScheduleError: the file cannot be read, or something in it is wrong.
        """
        return schedule.load(self.path, now=self._access.clock())

    @cached_property
    def edit(self) -> schedule.Editor:
        """Edits of the file: add, modify, delete, enable, disable, copy, move, skip, postpone."""
        return schedule.Editor(self.path, now=self._access.clock())

    # --- hosts ---
    def _targets(self, found: Schedule, only: str | None = None) -> dict[str, tuple[str, ...]]:
        """The hosts of each entry; a target that selects none refuses the file, before anything is touched."""
        targets = {}
        for entry in found.entries.values():
            if entry.target is not None and only in (None, entry.name):
                try:
                    targets[entry.name] = tuple(self._access.selects(entry.target))
                except TargetError as error:
                    message = f"schedule: {entry.key}: target: {error.message}"
                    raise ScheduleError(message, error.hint, file=found.file, line=entry.target_line) from error
        return targets

    def push(self, target: str | None = None, *, check: bool = False) -> Pushed:
        """Bring hosts to what the file says; pushing again changes nothing.

        Args:
            target: the hosts; None is all, since an entry may have left any of them.
            check: only tell what would change.
        """
        from agentless.runner import placement as schedules

        access = self._access
        found = self.file
        endpoints = access.fleet.endpoints(target)
        shipment = schedules.Shipment(found, self._targets(found), user=access.user, cap=access.cap, now=access.clock())
        return schedules.push(access.contact(), endpoints, shipment, check=check)

    def purge(self, target: str | None = None, *, check: bool = False) -> Pushed:
        """Take the schedule and its line in the crontab away from hosts; None is all."""
        from agentless.runner import placement as schedules

        return schedules.purge(self._access.contact(), self._endpoints(target), check=check)

    def status(self, target: str | None = None, *, plan: int = 1, log: int = 50) -> Seen:
        """What hosts have, what their ticks did (`log` events), and what they will fire (`plan` of each entry)."""
        from agentless.runner import placement as schedules

        return schedules.show(self._access.contact(), self._endpoints(target), plan=plan, log=log)

    def _endpoints(self, target: str | None) -> Mapping[str, Endpoint]:
        return self._access.fleet.endpoints(target)

    # --- here ---
    def coming(self, name: str | None = None, count: int = 1) -> dict[str, tuple[Ahead, ...]]:
        """The next fires of one entry or of all; nobody is asked.

        An interval goes on from its last fire, as far as that is known here; a `run` by hand is none.
        """
        found = self.file
        entries = found.entries.values() if name is None else (found.entry(name),)
        fired = self._fired(found)
        return {entry.name: self._ahead(found, entry, count, fired.get(entry.name)) for entry in entries}

    def overview(self) -> list[Overview]:
        """Every entry, with what is known of it here; nobody is asked."""
        found = self.file
        fired = self._fired(found)
        rows = []
        for entry in found.entries.values():
            ahead = self._ahead(found, entry, LOOK_AHEAD, fired.get(entry.name))
            row = fired.get(entry.name)
            past = self.history.load(entry) if entry.runs_on == "controller" else None
            fire, skip = (past.last_fire, past.last_skip) if past else (None, None)
            rows.append(
                Overview(
                    entry,
                    next((each for each in ahead if each.reason is None), None),
                    row.job.start_time if row else fire,
                    row.summary if row else None,
                    skip,
                )
            )
        return rows

    @cached_property
    def history(self) -> Histories:
        """What the controller's own evaluator remembers of this file."""
        return Histories(cache_dir() / "scheduler", self.path)

    def _fired(self, found: Schedule) -> dict[str, JobRow]:
        """The newest fire of each entry in the job cache: its JID says of which entry of which schedule it is."""
        ids = {entry.timing["id"]: entry.name for entry in found.entries.values()}
        newest: dict[str, JobRow] = {}
        for row in self._access.fleet.cache.rows():
            name = row.job.schedule
            if name is not None and ids.get(row.job.jid[14:]) == name:
                newest.setdefault(name, row)
        return newest

    def _ahead(self, found: Schedule, entry: Entry, count: int, row: JobRow | None) -> tuple[Ahead, ...]:
        timing = entry.timing
        host = self._access.controller
        history = None
        if entry.runs_on == "controller":
            history = self.history.raw(entry.name)
        else:
            host = next(iter(self._targets(found, entry.name)[entry.name]))
            if row is not None and "every" in timing:
                nominal = int(jid_time(row.job.jid[:14] + "000000"))
                history = {"v": timing["v"], "k": 1, "w": nominal, "n": 0}
        splay = tuple(timing["splay"]) if timing.get("splay") else None
        return tuple(
            Ahead(each.nominal, each.at, each.shift, each.zone, splay, each.reason, host, each.jid)
            for each in schedule.coming(found, entry, count, now=self._access.clock(), host=host, history=history)
        )

    def here(self, entry: Entry) -> str:
        """Do a function of the controller; what it did, in a line."""
        fleet = self._access.fleet
        if entry.function == "jobs.prune":
            pruned = fleet.prune()
            return f"removed {len(pruned.jobs)} jobs, {pruned.freed} bytes"
        if entry.function == "jobs.collect":
            problems = fleet.collect(entry.target)
            return _told("collected", problems)
        if entry.function == "jobs.active":
            active = fleet.active(entry.target)
            jobs = ", ".join(f"{jid} on {len(one.running)} hosts" for jid, one in active.jobs.items())
            return _told(jobs or "no job is active", active.problems)
        now = self._access.clock()
        times = {key: durations.past(entry.kwargs[key], now) for key in ("since", "until") if key in entry.kwargs}
        filters: dict[str, Any] = {**entry.kwargs, **times}
        listed = fleet.list_jobs(**filters)
        return f"{len(listed.rows)} jobs" + "".join(f", {job.jid}" for job, _ in listed.rows[:20])

    def running(self, name: str) -> int:
        """How many jobs of an entry run now: those of the cache that are open, and of which a host says so."""
        fleet = self._access.fleet
        count = 0
        for jid in list(fleet.cache.open_jobs()):
            report = fleet.cache.load(jid, outputs=False)
            if report is None or report.job.schedule != name:
                continue
            if fleet.cache.is_held(jid):
                count += 1
            else:
                count += any(result.state is State.RUNNING for result in fleet.lookup(jid).results.values())
        return count

    def scheduler(self, log: Callable[[str], None]) -> Scheduler:
        """What fires the controller's entries; `log` is told what was fired and skipped, a line each."""
        from agentless.scheduler import Scheduler

        access = self._access
        return Scheduler(self, access.controller, running=self.running, log=log, clock=access.clock)

    # --- now ---
    def run(self, name: str, **options: Any) -> Run:
        """An entry now, as an ordinary job, with the entry's name on it."""
        return self.start(self.file.entry(name), **options)

    def start(self, entry: Entry, **options: Any) -> Run:
        """Send an entry's job; functions of the controller are not jobs of hosts: ScheduleError."""
        if entry.target is None:
            raise ScheduleError(
                f"{entry.name}: {entry.function} runs on the controller, and is no job", file=str(self.path)
            )
        stdin = entry.kwargs.get("stdin")
        return self._access.fleet.start(
            entry.target,
            entry.args if entry.script is None else entry.args[1:],
            script=entry.script,
            timeout=entry.timeout,
            cwd=entry.kwargs.get("cwd"),
            env=entry.kwargs.get("env"),
            stdin=None if stdin is None else str(stdin).encode("utf-8"),
            shell=entry.kwargs.get("shell") or "/bin/sh",
            metadata=entry.metadata,
            schedule=entry.name,
            **options,
        )


def _told(text: str, problems: Mapping[str, Problem]) -> str:
    asked = "; ".join(f"{host}: {problem.kind}: {problem.message}" for host, problem in problems.items())
    return f"{text}; not reached: {asked}" if asked else text
