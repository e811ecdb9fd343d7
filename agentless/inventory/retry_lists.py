"""Retry lists: the hosts of a job that failed, or were not reached, as a limit and a target name them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeGuard

from agentless.model.job import Report
from agentless.model.states import HostResult, State

__all__ = ["RETRY_LISTS", "is_retry_list", "not_ended", "picked_of"]

RETRY_LISTS: Mapping[str, Callable[[HostResult], bool]] = {
    "@failed": lambda result: result.failed or result.state in (State.LOST, State.NOT_STARTED),
    "@unreachable": lambda result: result.state is State.UNREACHABLE,
}


def is_retry_list(word: str | None) -> TypeGuard[str]:
    """Whether a word names one: `@failed:JID`."""
    kind, colon, _ = (word or "").partition(":")
    return bool(colon) and kind in RETRY_LISTS


def picked_of(word: str, report: Report) -> frozenset[str]:
    """The hosts of a job that are on the retry list which a word names."""
    picks = RETRY_LISTS[word.partition(":")[0]]
    return frozenset(name for name, result in report.results.items() if picks(result))


def not_ended(report: Report) -> str:
    """What a retry list can't know yet, and how to learn it; empty where all is known."""
    count = sum(not result.settled for result in report.results.values())
    if not count:
        return ""
    hosts = "1 host has" if count == 1 else f"{count} hosts have"
    jid = report.job.jid
    return f"of job {jid}, {hosts} not ended as far as is known here; to know first: agentless jobs wait {jid}"
