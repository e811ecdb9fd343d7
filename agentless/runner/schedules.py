"""The verbs on a schedule file: its edits, the fires to come, what of it is on hosts, and an entry run now."""

from __future__ import annotations

import contextlib
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentless.config import cache_dir, config_dir
from agentless.errors import InventoryError, ScheduleError, TargetError, UsageError
from agentless.files import read_file
from agentless.later import lazy
from agentless.model.jid import JID
from agentless.model.job import JobRow
from agentless.model.job_spec import Delivery
from agentless.model.states import State
from agentless.runner.parts import Parts
from agentless.schedule import schedule_file
from agentless.schedule.coming import Upcoming, coming, first, forecast
from agentless.schedule.editing import Editor
from agentless.schedule.history import Histories, Past
from agentless.schedule.host_schedule import Pushed, Seen
from agentless.schedule.overview import Overview
from agentless.schedule.pushes import Pushes
from agentless.schedule.schedule_file import Entry, Schedule

# `schedule list` reads the file and the cache: it is not to wait for what contacts hosts.
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from agentless.runner import controller_functions, lookup
    from agentless.runner import shipment as shipments
    from agentless.runner.dispatcher import PreparedJob
    from agentless.runner.run import Run
    from agentless.runner.shipment import Shipment
    from agentless.schedule import salt_import
else:
    controller_functions, lookup, shipments = lazy("agentless.runner", "controller_functions", "lookup", "shipment")
    (salt_import,) = lazy("agentless.schedule", "salt_import")

__all__ = ["Schedules", "find"]

NAME = "schedule.yaml"
AT_ONCE = Delivery()


def find(parts: Parts, path: str | Path | None) -> Path:
    """The schedule file: `path`, else what the configuration names, else beside an inventory, else in the user's config
    directory; where there is none, the place for a new one."""
    given = path or parts.config.schedule_file
    if given is not None:
        return Path(given)
    # Host lists such as `web1,web2` are beside nothing.
    beside = [Path(source).parent / NAME for source in parts.selection.sources.names if "," not in source]
    places = [*beside, config_dir() / NAME]
    return next((place for place in places if place.exists()), places[0])


class Schedules:
    """A schedule file, and the hosts that fire what is in it.

    Args:
        parts: hosts, cache and what sends jobs.
        path: the file; it need not be there yet.
    """

    def __init__(self, parts: Parts, path: str | Path) -> None:
        self.path = Path(path)
        self._parts = parts

    @property
    def file(self) -> Schedule:
        """The schedule as the file says it.

        Raises:
            ScheduleError: the file cannot be read, or something in it is wrong.
        """
        schedule = schedule_file.load(self.path, now=time.time())
        for entry in schedule.entries.values():
            self._check_returners(entry)
        return schedule

    def _check_returners(self, entry: Entry) -> None:
        """Refuse an entry with a returner that the configuration lacks."""
        try:
            self._parts.config.check_returners(entry.returners)
        except UsageError as error:
            message = f"schedule: {entry.key}: returner: {error.message}"
            raise ScheduleError(message, error.hint, file=str(self.path), line=entry.returner_line) from error

    @cached_property
    def edit(self) -> Editor:
        """Edits of the file: add, modify, delete, enable, disable, copy, move, skip, postpone."""
        return Editor(
            self.path, now=time.time(), check_target=self._check_target, check_returners=self._check_returners
        )

    def take(self, path: Path, *, target: str | None = None, skip: Collection[str] = ()) -> Sequence[str]:
        """Add the entries of a schedule of Salt's to the file, all or none.

        Args:
            path: `_schedule.conf`, a pillar, or what `schedule.list` prints of a minion.
            target: the hosts that run them; None takes the minions' ids, where the file names them.
            skip: shell patterns of entries that are left out.

        Returns:
            what was left out or put in another way, a line each.

        Raises:
            ScheduleError: it cannot be read, or something of it cannot be taken: then nothing is.
            TargetError: the target cannot be read, or selects no host.
        """
        try:
            data = read_file(path, 64)
        except OSError as error:
            raise ScheduleError(f"cannot be read: {error.strerror}", file=str(path)) from error
        taken = salt_import.translated(
            data,
            str(path),
            target=target,
            beside=str(self.path),
            now=time.time(),
            skip=skip,
            returners=self._parts.config.returners,
        )
        if target is not None:
            with contextlib.suppress(InventoryError):
                # Nothing can be said of it without an inventory.
                self._parts.selection.inventory.select(target)
        self.edit.add_all(taken.entries, "Leave it out with `skip`, or delete the one that is there.")
        return taken.words

    # --- hosts ---
    def _targets(self, schedule: Schedule, only: str | None = None) -> dict[str, tuple[str, ...]]:
        """The hosts of each entry; a target that selects none refuses the file, before anything is touched."""
        return {
            entry.name: self._selected(entry)
            for entry in schedule.entries.values()
            if entry.target is not None and only in (None, entry.name)
        }

    def _selected(self, entry: Entry) -> tuple[str, ...]:
        """The hosts of an entry's target; ScheduleError where it selects none."""
        assert entry.target is not None
        try:
            return tuple(host.name for host in self._parts.selection.inventory.select(entry.target))
        except TargetError as error:
            message = f"schedule: {entry.key}: target: {error.message}"
            raise ScheduleError(message, error.hint, file=str(self.path), line=entry.target_line) from error

    def _check_target(self, entry: Entry) -> None:
        """Refuse an edit after which a push would refuse the file; nothing can be said without an inventory."""
        try:
            self._selected(entry)
        except InventoryError:
            return

    def push(self, target: str | None = None, *, check: bool = False, diff: bool = False) -> Pushed:
        """Bring hosts to what the file says; pushing again changes nothing.

        Args:
            target: the hosts; None is all, since an entry may have left any of them.
            check: only tell what would change.
            diff: ask them first what they have, and tell what of each entry differs.

        Raises:
            ScheduleError: the file is wrong, or has no `schedule`, as an empty one.
        """
        parts = self._parts
        schedule = self.file
        if not schedule.stated:
            # A file that lost its content is not to take everything from everybody.
            hint = "Where hosts are to have none, write `schedule: {}`; agentless schedule purge takes all away."
            raise ScheduleError("there is no schedule in it", hint, file=schedule.file)
        endpoints = parts.selection.endpoints(target)
        shipment = self._shipment(schedule, self._targets(schedule))
        before = shipments.show(parts.contact, endpoints, plan=0, log=0) if diff else None
        pushed = shipments.push(parts.contact, endpoints, shipment, check=check)
        self._note(pushed, shipment, check)
        return pushed if before is None else shipments.compared(pushed, before, shipment)

    def purge(self, target: str | None = None, *, check: bool = False) -> Pushed:
        """Take the schedule and its line in the crontab away from hosts; None is all."""
        purged = shipments.purge(self._parts.contact, self._parts.selection.endpoints(target), check=check)
        if not check:
            self._pushes.note(self._sender, {host: {} for host in purged.hosts}, time.time(), other={})
        return purged

    def _note(self, pushed: Pushed, shipment: Shipment, check: bool) -> None:
        """Remember what hosts have, for `overview`."""
        had: dict[str, dict[str, str]] = {}
        other: dict[str, dict[str, str]] = {}
        for name, placed in pushed.hosts.items():
            digests = {job.name: shipments.digest_of(job) for job in shipment.jobs.get(name, ())}
            here = digests.keys() if not check else set(placed.unchanged)
            had[name] = {entry: each for entry, each in digests.items() if entry in here}
            if check:
                changed = {entry: digests.get(entry, "") for entry in placed.changed}
                other[name] = {**changed, **dict.fromkeys(placed.added, "")}
        self._pushes.note(self._sender, had, time.time(), other=other)

    def _shipment(self, schedule: Schedule, targets: Mapping[str, tuple[str, ...]]) -> Shipment:
        parts = self._parts
        return shipments.Shipment.of(
            schedule,
            targets,
            user=parts.user,
            sender=parts.selection.sender,
            cap=parts.config.output_cap,
            now=time.time(),
        )

    @property
    def _sender(self) -> str:
        return "/".join(word or "" for word in self._parts.selection.sender)

    @cached_property
    def _pushes(self) -> Pushes:
        return Pushes(cache_dir() / "scheduler", self.path, self._parts.cache.warn)

    def status(self, target: str | None = None, *, plan: int = 1, log: int = 50) -> Seen:
        """What hosts have, what their ticks did (`log` events), and what they will fire (`plan` of each entry)."""
        return shipments.show(self._parts.contact, self._parts.selection.endpoints(target), plan=plan, log=log)

    # --- here ---
    def coming(self, name: str | None = None, count: int = 1) -> dict[str, Upcoming]:
        """The next `count` fires of one entry, or over all that are switched on, by entry; nobody is asked.

        What hosts count themselves is unknown here; `status` asks them.
        """
        schedule, now = self.file, time.time()
        silent = self.silent() if name is None else {}
        upcoming = {}
        for entry in schedule.entries.values() if name is None else (schedule.entry(name),):
            if name is None and (not entry.enabled or entry.name in silent):
                continue
            host, history = self._place(schedule, entry)
            fires = None
            if not entry.counted_on_hosts:
                fires = coming(schedule, entry, count, now=now, host=host, history=history)
            upcoming[entry.name] = Upcoming(entry, host, fires)
        return first(upcoming, count)

    def silent(self) -> dict[str, str]:
        """The entries that are switched on and fire no more, or not for a long time, each with the reason."""
        schedule, now = self.file, time.time()
        silent = {}
        for entry in schedule.entries.values():
            host, history = self._place(schedule, entry)
            if never := forecast(schedule, entry, now=now, host=host, history=history).never:
                silent[entry.name] = never
        return silent

    def overview(self) -> list[Overview]:
        """Every entry, with what is known of it here; nobody is asked."""
        schedule, now = self.file, time.time()
        fired = self._fired(schedule)
        shipment = self._shipment(schedule, self._targets(schedule))
        digests = {job.name: shipments.digest_of(job) for jobs in shipment.jobs.values() for job in jobs}
        rows = []
        for entry in schedule.entries.values():
            host, history = self._place(schedule, entry)
            next_fire = forecast(schedule, entry, now=now, host=host, history=history)
            row = fired.get(entry.name)
            past = self.history.load(entry) if entry.runs_on == "controller" else Past(None, None)
            pushed = None
            if entry.runs_on == "host":
                pushed = self._pushes.of(entry.name, digests[entry.name], self._selected(entry))
            rows.append(
                Overview(
                    entry,
                    host,
                    next_fire,
                    row.job.start_time if row else past.last_fire,
                    row.summary if row else None,
                    past.last_skip,
                    last_result_as_of=row.as_of if row else None,
                    pushed=pushed,
                )
            )
        return rows

    def _place(self, schedule: Schedule, entry: Entry) -> tuple[str, Any]:
        """The name that an entry's splay is drawn for, and the evaluator's history there as far as it lies here."""
        if entry.runs_on == "controller":
            return self._parts.controller, self.history.raw(entry.name)
        return self._targets(schedule, entry.name)[entry.name][0], None

    @cached_property
    def history(self) -> Histories:
        """What the controller's own evaluator remembers of this file."""
        return Histories(cache_dir() / "scheduler", self.path, self._parts.cache.warn)

    def _fired(self, schedule: Schedule) -> dict[str, JobRow]:
        """The newest fire of each entry in the job cache: its JID says of which entry of which schedule it is."""
        ids = {entry.timing["id"]: entry.name for entry in schedule.entries.values()}
        newest: dict[str, JobRow] = {}
        for row in self._parts.cache.rows():
            name = row.job.schedule
            if name is not None and ids.get(row.job.jid[14:]) == name:
                newest.setdefault(name, row)
        return newest

    def perform(self, entry: Entry) -> str:
        """Do an entry's function of the controller; what it did, in a line."""
        return controller_functions.perform(entry, self._parts, time.time())

    def running(self, name: str) -> int:
        """How many jobs of an entry run now: those of the cache that are open, and of which a host says so."""
        parts = self._parts
        count = 0
        for jid in list(parts.cache.open_jobs()):
            report = parts.cache.load(jid, outputs=False)
            if report is None or report.job.schedule != name:
                continue
            if parts.cache.is_held(jid):
                count += 1
            else:
                report_now = lookup.ask_about(parts.contact, parts.selection, report)
                count += any(result.state is State.RUNNING for result in report_now.results.values())
        return count

    # --- now ---
    def run(self, name: str, how: Delivery = AT_ONCE) -> Run:
        """An entry now, as an ordinary job, with the entry's name on it."""
        return self.prepare(self.file.entry(name), how).send()

    def prepare(self, entry: Entry, how: Delivery = AT_ONCE, jid: JID | None = None) -> PreparedJob:
        """An entry's job, ready to be sent; functions of the controller are not jobs of hosts: ScheduleError."""
        if entry.target is None:
            raise ScheduleError(
                f"{entry.name}: {entry.function} runs on the controller, and is no job", file=str(self.path)
            )
        return self._parts.dispatcher.prepare(entry.target, shipments.job_spec(entry, str(self.path)), how, jid)
