"""Brings answers home: what a host's answer means for the job it is about is written into the job cache."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from agentless.cache import JobCache
from agentless.errors import AnotherJob, CacheError
from agentless.model.answers import Described, Returned, ScheduleSeen, Stated
from agentless.model.jid import JID, jid_time
from agentless.model.job import Job, Report
from agentless.model.requests import Wanted
from agentless.model.states import Dispatched, HostResult, State, settle
from agentless.runner.reading import Answer

__all__ = ["Homecoming", "Learned", "Ledger", "Unrecorded", "is_to_come", "job_of"]

# More than the helper sends to two users in one call.
PORTION = 400
# Seconds that a host's clock may be ahead: beyond, its fires stay with it. A call may be so long under way.
AHEAD_MAX = 86400.0
AHEAD_UNMEASURED = 120.0

Learned = Callable[[Sequence[str], str], tuple[str, ...]]


class Unrecorded:
    """For a job that this controller doesn't know and can't take in, since not every host could be asked about it."""

    cursors = None

    def record(self, jid: JID, host: str, result: HostResult) -> HostResult | None:
        return result

    def adopt(self, job: Job, results: Mapping[str, HostResult]) -> None:
        return

    def load(self, jid: JID, *, outputs: bool) -> Report | None:
        return None

    def result(self, jid: JID, host: str) -> HostResult | None:
        return None

    def wanted(
        self, hosts: Iterable[str], where: Callable[[Job], bool] | None = None
    ) -> Mapping[str, tuple[Wanted, ...]]:
        return {}

    def is_held(self, jid: JID) -> bool:
        return False

    def warn(self, line: str, /) -> None:
        return


Ledger = JobCache | Unrecorded
"""Where the results of jobs are kept."""


def job_of(jid: JID, described: Described | None, hosts: tuple[str, ...]) -> Job:
    """The job as a host's record tells it; with only a tombstone left, no more than the JID is known."""
    if described is None:
        return Job(jid, "", (), "", hosts, "", jid_time(jid))
    return Job(
        jid=jid,
        function=described.function,
        arguments=described.arguments,
        target=described.target,
        hosts=hosts,
        user=described.user,
        start_time=jid_time(jid),
        metadata=described.metadata or {},
        login=described.login,
        become=described.become,
        schedule=described.schedule,
        returners=described.returners,
    )


def is_to_come(jid: JID, clock: float | None, now: float) -> bool:
    """Whether a JID that a host confirms is of the future, beyond what its clock is ahead of ours (a day at most).

    Args:
        clock: the host's time of its answer, in Unix seconds; None where it doesn't tell.
        now: ours.
    """
    ahead = min(max(0.0, (clock or now) - now), AHEAD_MAX)
    return jid_time(jid) > now + ahead + AHEAD_UNMEASURED


class Homecoming:
    """What one call brings home from one host: the ends of jobs that were waited for, and those of its schedule.

    Args:
        ledger: where it is kept.
        host: its inventory name; what the reply says of names counts for nothing.
        learned: the hosts of the inventory that a job was sent to, by the names that a host tells and by its target.
        clock: Unix seconds.
    """

    def __init__(self, ledger: Ledger, host: str, learned: Learned, *, clock: Callable[[], float] = time.time) -> None:
        self._ledger = ledger
        self._host = host
        self._learned = learned
        self._clock = clock
        self._described: dict[str, Described] = {}
        self._count = 0
        self._kept = True

    def seen(self) -> Mapping[str, int] | None:
        """How far the fires of the host's schedules were seen; None where nobody keeps that."""
        cursors = self._ledger.cursors
        return None if cursors is None else cursors.seen(self._host)

    def take(self, answer: Answer) -> bool:
        """Record an answer about a job other than the one that the host was contacted for; False: it is no such.

        `unknown` says nothing here: the job may have been sent as another user, whose records lie elsewhere.
        """
        if isinstance(answer, Described):
            # A host may say anything, and go on for ever: beyond some portions it is not listened to.
            self._count += 1
            self._described = {answer.jid: answer} if self._count <= PORTION else {}
        elif isinstance(answer, ScheduleSeen):
            if self._ledger.cursors and self._kept:
                try:
                    self._ledger.cursors.advance(self._host, answer.sequence, answer.at)
                except CacheError as error:
                    # What came is kept; the next contact brings it once more.
                    self._ledger.warn(f"what the schedule of {self._host} fired comes again: {error.message}")
        elif isinstance(answer, (Returned, Stated)):
            if not isinstance(answer, Stated) or answer.state != "unknown":
                try:
                    self._ended(answer)
                except CacheError as error:
                    # The host keeps it and the next contact brings it again; what this one is for must not fail for it.
                    self._kept = False
                    self._ledger.warn(f"the return of job {answer.jid} from {self._host} waits there: {error.message}")
        else:
            return False
        return True

    def _ended(self, answer: Returned | Stated) -> None:
        described = self._described.pop(answer.jid, None)
        if described is not None and described.schedule is not None:
            if is_to_come(answer.jid, described.clock, self._clock()):
                self._ledger.warn(
                    f"{self._host} names {answer.jid} as a job of its schedule, which is to come: left out"
                )
                return
            hosts = self._learned(described.hosts, described.target)
            job = job_of(answer.jid, described, hosts if self._host in hosts else (*hosts, self._host))
            before = HostResult(State.RUNNING, Dispatched.YES, nonce=described.nonce)
            after = settle(before, answer, self._clock())
            if not described.keep:
                self._ledger.warn(f"{self._host}: {job.schedule} fired {job.jid}: {_ended_as(after)}")
                return
            try:
                self._ledger.adopt(job, {self._host: after})
            except AnotherJob:
                self._ledger.warn(
                    f"{self._host} names {job.jid} as a job of its schedule, which is another job here: left out"
                )
            return
        known = self._ledger.result(answer.jid, self._host)
        if known is None or known.settled:
            return
        after = settle(known, answer, self._clock())
        if after != known:
            self._ledger.record(answer.jid, self._host, after)


def _ended_as(result: HostResult) -> str:
    """The end of a fire that is not kept, for the only time that it is told."""
    if result.ret is None:
        return result.state.value
    code = f"returned {result.ret.retcode}" if result.ret.signal is None else f"ended by signal {result.ret.signal}"
    return f"{code} (return_job: nocache)"
