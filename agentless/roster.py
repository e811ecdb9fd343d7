"""Which hosts a word selects, and how each of them is reached: the inventory with what the person asked for on top."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from agentless.endpoint import Endpoint
from agentless.errors import TargetError
from agentless.inventory import Host, Inventory, Overrides, load
from agentless.job import HostResult, Job, Problem, Report, State
from agentless.results import Entry, Hosts

__all__ = ["Roster"]

RETRY_LISTS: Mapping[str, Callable[[HostResult], bool]] = {
    "@failed": lambda result: result.failed or result.state in (State.LOST, State.NOT_STARTED),
    "@unreachable": lambda result: result.state is State.UNREACHABLE,
}
GONE_FROM_INVENTORY = Problem(
    "not-in-inventory",
    "the job was sent to this host, and the inventory does not name it any more",
    "Give the inventory that has it with -i.",
)


class Roster:
    """The hosts that this command may act on.

    Args:
        sources: inventories, as `-i` takes them.
        overrides: what the command line and the configuration say about connections.
        limit: a pattern, `@file`, `@failed:JID` or `@unreachable:JID` that narrows every target; None narrows nothing.
        results: where the hosts of a job stand, for the retry lists.
        warn: told what the inventory has to say, one line each.
    """

    def __init__(
        self,
        sources: str | Path | Sequence[str | Path],
        overrides: Overrides,
        limit: str | None,
        results: Callable[[str], Mapping[str, HostResult]],
        warn: Callable[[str], None],
    ) -> None:
        self.sources = [sources] if isinstance(sources, (str, Path)) else list(sources)
        self._overrides = overrides
        self.limit = limit
        self._results = results
        self._warn = warn

    @cached_property
    def inventory(self) -> Inventory:
        """The inventory, read once; raises InventoryError."""
        return load([str(source) for source in self.sources], warn=self._warn)

    def select(self, target: str | None) -> tuple[Host, ...]:
        """The hosts that a pattern or a retry list selects, in the inventory's order; None selects all.

        Raises:
            TargetError: the pattern cannot be read, or selects nothing.
        """
        retry = self._retry_list(target), self._retry_list(self.limit)
        pattern = "all" if target is None or retry[0] is not None else target
        limit = None if retry[1] is not None else self.limit
        selected = self.inventory.select(pattern, limit)
        hosts = tuple(host for host in selected if all(names is None or host.name in names for names in retry))
        if not hosts:
            limited = f" limited to {self.limit!r}" if self.limit is not None else ""
            raise TargetError(f"no host is left of {target or 'all'!r}{limited}")
        return hosts

    def _retry_list(self, word: str | None) -> frozenset[str] | None:
        kind, colon, jid = (word or "").partition(":")
        picks = RETRY_LISTS.get(kind)
        if not colon or picks is None:
            return None
        return frozenset(name for name, result in self._results(jid).items() if picks(result))

    def hosts(self, target: str | None) -> Hosts:
        """What a target selects, with settings, groups and variables; nobody is contacted."""
        entries = {}
        for host in self.select(target):
            entries[host.name] = Entry(self.inventory.endpoint(host, self._overrides), host.groups, host.vars)
        return Hosts(entries)

    def endpoints(self, target: str | None) -> dict[str, Endpoint]:
        """What a target selects, with the connection settings; raises InventoryError where they cannot be resolved."""
        return {host.name: self.inventory.endpoint(host, self._overrides) for host in self.select(target)}

    @property
    def sender(self) -> tuple[str | None, str]:
        """The `login` and `become` of a job that is sent now."""
        asked = self._overrides
        return asked.user, f"{asked.become_method or 'sudo'}:{asked.become_user or 'root'}" if asked.become else ""

    def sent_alike(self, job: Job) -> bool:
        """Whether a job was sent as who would send one now, so that its record lies where we look."""
        return (job.login, job.become) == self.sender

    def places(self, report: Report | None, target: str | None) -> tuple[dict[str, Endpoint], dict[str, Problem]]:
        """The hosts to look for a job on: those that it was sent to, else (it is not known) the target's, else all."""
        return (self.endpoints(target), {}) if report is None else self.of_job(report.job, report.results, target)

    def of_job(
        self, job: Job, names: Iterable[str], target: str | None = None
    ) -> tuple[dict[str, Endpoint], dict[str, Problem]]:
        """Some of a job's hosts, reached as the user that it was sent as, and those that the inventory lacks.

        Args:
            names: hosts of the job.
            target: narrows them further; the limit always does.
        """
        overrides = self._overrides
        if job.login is not None:
            overrides = replace(overrides, user=job.login)
        if job.become is not None:
            method, _, user = job.become.partition(":")
            overrides = replace(overrides, become=bool(method), become_method=method or None, become_user=user or None)
        narrowed = target is not None or self.limit is not None
        selected = {host.name for host in self.select(target)} if narrowed else None
        endpoints: dict[str, Endpoint] = {}
        missing: dict[str, Problem] = {}
        for name in names:
            if selected is not None and name not in selected:
                continue
            host = self.inventory.find(name)
            if host is None:
                missing[name] = GONE_FROM_INVENTORY
            else:
                endpoints[name] = self.inventory.endpoint(host, overrides)
        return endpoints, missing
