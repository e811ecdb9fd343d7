"""What an answer of a host means for the job it is about, and where that is written down."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Protocol

from agentless.job import Dispatched, HostResult, Job, Problem, Report, State
from agentless.runner.session import Answer, Returned, Stated

__all__ = ["Ledger", "Unrecorded", "bring_home", "settle"]

NO_RECORD = Problem(
    "expired",
    "the host accepted the job, and keeps no record of it now: pruned after keep_returns, or removed",
)


class Ledger(Protocol):
    """Where the results of jobs are kept; the job cache is one."""

    def record(self, jid: str, host: str, result: HostResult) -> None: ...
    def load_states(self, jid: str) -> Report | None: ...
    def wanted(
        self, hosts: Iterable[str], where: Callable[[Job], bool] | None = None
    ) -> Mapping[str, tuple[tuple[str, str], ...]]: ...


class Unrecorded:
    """For a job that this controller doesn't know and can't take in, since not every host could be asked about it."""

    def record(self, jid: str, host: str, result: HostResult) -> None:
        return

    def load_states(self, jid: str) -> Report | None:
        return None

    def wanted(
        self, hosts: Iterable[str], where: Callable[[Job], bool] | None = None
    ) -> Mapping[str, tuple[tuple[str, str], ...]]:
        return {}


def settle(before: HostResult, answer: Returned | Stated) -> HostResult:
    """Where a host stands after this answer about the job.

    A host that has no record of a job that it had accepted has lost it; where the request may never have arrived, the
    host is asked to make that sure first (a tombstone), and `unknown` changes nothing.
    """
    if isinstance(answer, Returned):
        return replace(
            before, state=State.RETURNED, dispatched=Dispatched.YES, ret=answer.ret, pid=answer.ret.pid, problem=None
        )
    if answer.state == "running":
        return replace(
            before,
            state=State.RUNNING,
            dispatched=Dispatched.YES,
            pid=answer.pid,
            started=answer.started,
            problem=answer.problem,
        )
    if answer.state == "lost":
        return replace(before, state=State.LOST, dispatched=Dispatched.YES, problem=answer.problem)
    if answer.state == "not-started":
        return replace(before, state=State.NOT_STARTED, problem=answer.problem)
    if before.dispatched is Dispatched.YES:
        return replace(before, state=State.LOST, problem=NO_RECORD)
    return before


def bring_home(ledger: Ledger, host: str, answer: Answer) -> None:
    """Record an answer about a job other than the one that the host was contacted for.

    `unknown` says nothing here: the job may have been sent as another user, whose records lie elsewhere.
    """
    if not isinstance(answer, (Returned, Stated)) or (isinstance(answer, Stated) and answer.state == "unknown"):
        return
    report = ledger.load_states(answer.jid)
    before = report.results.get(host) if report else None
    if before is None or before.settled:
        return
    after = settle(before, answer)
    if after != before:
        ledger.record(answer.jid, host, after)
