"""The schedule's functions that run on the controller: Salt's jobs runner, done by a fire, and told in one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from agentless import durations
from agentless.cache import JobCache, JobFilter
from agentless.inventory.selection import Selection
from agentless.model.problem import Problem
from agentless.runner import lookup
from agentless.schedule.document import Entry

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentless.runner.contact import Contact

__all__ = ["perform"]

# JIDs that one line names.
_NAMED = 20


def perform(
    entry: Entry,
    cache: JobCache,
    contact: Callable[[], Contact],
    selection: Callable[[], Selection],
    now: float,
) -> str:
    """Do what an entry of the controller says.

    Args:
        entry: its function is one of `work.CONTROLLER_FUNCTIONS`.
        cache: the job cache that it is about.
        contact, selection: ask hosts, and know them; called only by functions that need hosts.
        now: Unix seconds, from which `since: 2h` counts.

    Returns:
        what was done, in one line, with the hosts that could not be asked.
    """
    if entry.function == "jobs.prune":
        pruned = cache.prune(force=True)
        return f"removed {len(pruned.jobs)} jobs, {pruned.freed} bytes"
    if entry.function == "jobs.collect":
        return _with_problems("collected", lookup.collect(contact(), selection().endpoints(entry.target)))
    if entry.function == "jobs.active":
        active = lookup.active(contact(), selection(), entry.target)
        running = ", ".join(f"{jid} on {len(job.running)} hosts" for jid, job in active.jobs.items())
        return _with_problems(running or "no job is active", active.problems)
    times = {key: durations.past(entry.kwargs[key], now) for key in ("since", "until") if key in entry.kwargs}
    jids = [row.job.jid for row in cache.rows(None, JobFilter(**{**entry.kwargs, **times}).matches)]
    return ", ".join([f"{len(jids)} jobs", *jids[:_NAMED]])


def _with_problems(done: str, problems: Mapping[str, Problem]) -> str:
    unreached = "; ".join(f"{host}: {problem.kind}: {problem.message}" for host, problem in problems.items())
    return f"{done}; not reached: {unreached}" if unreached else done
