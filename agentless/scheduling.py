"""Salt's `schedule`: the file and its edits, and what of it is on hosts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentless import schedule
from agentless.config import config_dir
from agentless.errors import ScheduleError, TargetError

if TYPE_CHECKING:
    from agentless.endpoint import Endpoint
    from agentless.fleet import Fleet
    from agentless.runner.contact import Contact
    from agentless.runner.run import Run
    from agentless.runner.schedules import Pushed, Seen
    from agentless.schedule import Entry, Schedule

__all__ = ["Access", "Scheduling", "find"]

NAME = "schedule.yaml"


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
        cap: bytes of output that a record keeps.
        clock: Unix seconds.
    """

    fleet: Fleet
    contact: Callable[[], Contact]
    selects: Callable[[str], Iterable[str]]
    user: str
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
    def _targets(self, found: Schedule) -> dict[str, tuple[str, ...]]:
        """The hosts of each entry; a target that selects none refuses the file, before anything is touched."""
        targets = {}
        for entry in found.entries.values():
            if entry.target is not None:
                try:
                    targets[entry.name] = tuple(self._access.selects(entry.target))
                except TargetError as error:
                    message = f"{entry.key}: target: {error.message}"
                    raise ScheduleError(message, error.hint, file=found.file, line=entry.line) from error
        return targets

    def push(self, target: str | None = None, *, check: bool = False) -> Pushed:
        """Bring hosts to what the file says; pushing again changes nothing.

        Args:
            target: the hosts; None is all, since an entry may have left any of them.
            check: only tell what would change.
        """
        from agentless.runner import schedules

        access = self._access
        found = self.file
        endpoints = access.fleet.endpoints(target)
        shipment = schedules.Shipment(found, self._targets(found), user=access.user, cap=access.cap, now=access.clock())
        return schedules.push(access.contact(), endpoints, shipment, check=check)

    def purge(self, target: str | None = None, *, check: bool = False) -> Pushed:
        """Take the schedule and its line in the crontab away from hosts; None is all."""
        from agentless.runner import schedules

        return schedules.purge(self._access.contact(), self._endpoints(target), check=check)

    def status(self, target: str | None = None, *, plan: int = 1, log: int = 50) -> Seen:
        """What hosts have, what their ticks did (`log` events), and what they will fire (`plan` of each entry)."""
        from agentless.runner import schedules

        return schedules.show(self._access.contact(), self._endpoints(target), plan=plan, log=log)

    def _endpoints(self, target: str | None) -> Mapping[str, Endpoint]:
        return self._access.fleet.endpoints(target)

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
