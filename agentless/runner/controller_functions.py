"""The schedule's functions that run on the controller: Salt's jobs runner, done by a fire, and told in one line."""

from __future__ import annotations

from collections.abc import Mapping

from agentless import durations
from agentless.cache import JobFilter
from agentless.model.problem import Problem
from agentless.runner import lookup
from agentless.runner.parts import Parts
from agentless.schedule.schedule_file import Entry

__all__ = ["perform"]

# JIDs that one line names.
_NAMED = 20


def perform(entry: Entry, parts: Parts, now: float) -> str:
    """Do what an entry of the controller says.

    Args:
        entry: its function is one of `work.CONTROLLER_FUNCTIONS`.
        now: Unix seconds, from which `since: 2h` counts.

    Returns:
        what was done, in one line, with the hosts that could not be asked.
    """
    if entry.function == "jobs.prune":
        pruned = parts.cache.prune(force=True)
        return f"removed {len(pruned.jobs)} jobs, {pruned.freed} bytes"
    if entry.function == "jobs.collect":
        return _with_problems("collected", lookup.collect(parts.contact, parts.selection.endpoints(entry.target)))
    if entry.function == "jobs.active":
        active = lookup.active(parts.contact, parts.selection, entry.target)
        running = ", ".join(f"{jid} on {len(job.running)} hosts" for jid, job in active.jobs.items())
        return _with_problems(running or "no job is active", active.problems)
    words = entry.kwargs
    job_filter = JobFilter(
        words.get("function"),
        words.get("target"),
        words.get("by"),
        durations.past(words["since"], now) if "since" in words else None,
        durations.past(words["until"], now) if "until" in words else None,
        words.get("metadata", {}),
        words.get("state"),
    )
    jids = [row.job.jid for row in parts.cache.rows() if job_filter.matches(row)]
    return ", ".join([f"{len(jids)} jobs", *jids[:_NAMED]])


def _with_problems(done: str, problems: Mapping[str, Problem]) -> str:
    unreached = "; ".join(f"{host}: {problem.kind}: {problem.message}" for host, problem in problems.items())
    return f"{done}; not reached: {unreached}" if unreached else done
