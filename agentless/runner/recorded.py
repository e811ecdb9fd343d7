"""Jobs as the job cache has them, without asking hosts: the JID that a word means, the job, and the list of jobs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import islice

from agentless.cache import JobCache, JobFilter
from agentless.errors import UnknownJob, UsageError
from agentless.inventory.selection import Selection
from agentless.model.jid import JID
from agentless.model.job import JobRow, Report
from agentless.model.results import Listed
from agentless.model.states import remembered

__all__ = ["jid_of", "last", "listed", "recorded", "shown"]


def jid_of(cache: JobCache, word: str) -> JID:
    """A JID as given, or that of the newest job for `last`.

    Raises:
        UsageError: it is neither.
        UnknownJob: there is no last job.
    """
    if word == "last":
        return last(cache)
    try:
        return JID(word)
    except ValueError as error:
        raise UsageError(str(error), "agentless jobs list shows those of this controller.") from error


def last(cache: JobCache) -> JID:
    """The JID of the newest job that a person or a script sent from here with `run`; UnknownJob where there is none."""
    jid = cache.last()
    if jid is None:
        raise UnknownJob(
            "the job cache has no job that was sent from here with `run`",
            "Send one first: agentless run TARGET -- uptime; or name a JID, which agentless jobs list shows.",
        )
    return jid


def recorded(cache: JobCache, word: str) -> Report:
    """A job as the cache has it; UnknownJob where it does not."""
    jid = jid_of(cache, word)
    report = cache.current(jid)
    if report is None:
        raise UnknownJob(f"job {jid} is not in the job cache", f"To ask the hosts: agentless jobs lookup {jid}")
    return report


def shown(cache: JobCache, selection: Selection, word: str, target: str | None) -> Report:
    """As `recorded`, on the hosts of a target; what ran when it was last heard of says as of when."""
    report = selection.narrow(recorded(cache, word), target)
    return replace(report, results={name: remembered(result) for name, result in report.results.items()})


def listed(
    rows: Iterable[JobRow], wanted: JobFilter, limit: int | None, load: Callable[[JID], Report | None]
) -> Listed:
    """Those of the jobs that are like that, `limit` at most; UsageError where that is below 1.

    Args:
        load: gives the report of a row's job, for where rows do not tell enough.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"a limit of {limit} jobs is none", "Leave it out for all jobs.")

    def matches(row: JobRow) -> bool:
        if not wanted.matches(row):
            return False
        return not wanted.needs_report or ((report := load(row.job.jid)) is not None and wanted.matches_report(report))

    most = None if limit is None else min(limit, sys.maxsize)
    return Listed(list(islice(filter(matches, rows), most)))
