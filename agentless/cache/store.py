"""JobCache: the jobs sent from this controller, safe under many processes and under SIGKILL at any instant."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from agentless.cache import file_names
from agentless.cache.cursors import Cursors
from agentless.cache.folder import Folder
from agentless.cache.journal import Journal
from agentless.cache.json_line import DamagedRecord
from agentless.cache.listing import Listing
from agentless.cache.owed import Debt, Delivered, Owed, debt_of
from agentless.cache.pruning import Pruned, is_due, prune, stamp
from agentless.cache.record import merged_job
from agentless.cache.scratch import Scratch
from agentless.cache.sent import decode_sent, encode_sent
from agentless.cache.turns import Turns
from agentless.errors import CacheError, JobExists
from agentless.files import unless_full
from agentless.model.jid import JID, new_jid
from agentless.model.job import Job, JobRow, Origin, Report
from agentless.model.job_spec import Sent
from agentless.model.problem import Problem
from agentless.model.requests import Wanted
from agentless.model.states import LEARNED, Dispatched, HostResult, State

if TYPE_CHECKING:
    from agentless.locks import Lock

__all__ = ["JobCache"]


def _log(message: str) -> None:
    import logging

    logging.getLogger("agentless").warning(message)


class JobCache:
    """The controller's record of jobs and returns, in one directory.

    At most two files a job, and a third as long as it may be sent again.

    All methods may be called from any thread and any number of processes. All raise CacheError where the directory
    cannot be read or written.

    Args:
        root: the directory (`cache_dir(environ) / "jobs"`); made 0700 by the first write.
        keep_jobs: hours for which a job is kept after its last event.
        max_bytes: of disk; above it the oldest finished jobs go first.
        returners: the names of those that get what hosts return, for every job.
        clock: Unix seconds.
        warn: told, in one line, of every file that had to be set aside.

    Attributes:
        cursors: how far the hosts' sequences of scheduled jobs were seen. They lie beside the jobs, which are pruned.
        scratch: where output on its way home lies until it is recorded.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        keep_jobs: float,
        max_bytes: int,
        returners: Iterable[str] = (),
        clock: Callable[[], float] = time.time,
        warn: Callable[[str], None] = _log,
    ) -> None:
        self.keep_jobs = keep_jobs
        self.max_bytes = max_bytes
        self.warn = warn
        self.cursors = Cursors(Path(root).parent / "cursors", warn)
        self.scratch = Scratch(Path(root).parent)
        self._returners = tuple(returners)
        self._owed = Owed(Path(root).parent / "returners")
        self._clock = clock
        self._folder = Folder(root, warn)
        self._journal = Journal(self._folder, warn)
        self._listing = Listing(self._folder, self._journal)
        self._live: dict[JID, Lock] = {}
        self._turns = Turns(self.record_many)

    # --- writing ------------------------------------------------------------------------------------------------
    def create(
        self,
        *,
        function: str,
        arguments: Iterable[str],
        target: str,
        hosts: Iterable[str],
        user: str,
        metadata: Mapping[str, str] | None = None,
        login: str | None = None,
        become: str | None = None,
        schedule: str | None = None,
        keep_returns: float = 168.0,
        returners: Iterable[str] = (),
        retry_of: JID | None = None,
        batch: int | None = None,
        jid: JID | None = None,
        sent: Sent | None = None,
    ) -> Job:
        """Take a JID, and hold it; the job and its hosts, all `pending`, are on disk when this returns.

        The arguments are those of `Job`. The job is held (see `release`) from before anybody can see it, so that nobody
        can take its `pending` hosts for those of a run that is gone.

        Args:
            sent: kept to send it again; None keeps nothing of that.
            jid: exactly this one, so that of many processes that mean the same job one makes it; None takes a new one.

        Raises:
            JobExists: the JID is taken.
        """
        with self._folder.guard("write"), self._folder.locked():
            now = self._clock()
            moment = datetime.fromtimestamp(now, timezone.utc)
            if jid is not None and self._taken(jid):
                raise JobExists(f"there is a job {jid}", f"What became of it: agentless jobs lookup {jid}")
            while self._taken(own := jid or new_jid(moment)):
                moment += timedelta(microseconds=1)
            job = Job(
                own, function, tuple(arguments), target, tuple(dict.fromkeys(hosts)), user, moment.timestamp(),
                dict(metadata or {}), login, become, schedule, keep_returns,
                Origin.RUN if schedule is None else Origin.SCHEDULE,
                tuple(dict.fromkeys((*self._returners, *returners))), retry_of, batch,
            )  # fmt: skip
            self._live[own] = self._folder.take_live(own)
            try:
                if job.origin is Origin.RUN:
                    self._folder.replace(file_names.LAST, f"{own}\n".encode(), sync=False)
                if sent is not None:
                    self._folder.replace(own + file_names.SENT, encode_sent(sent), sync=False)
                self._owe(job)
                self._journal.write(job, now)
            except BaseException:
                self.release(own)
                raise
        return job

    def _owe(self, job: Job) -> None:
        """Note that returners get this job, ahead of the record that says who they are."""
        if job.returners:
            self._owed.begin(job.jid)

    def _taken(self, jid: JID) -> bool:
        return any(
            self._folder.exists(jid + suffix) for suffix in (file_names.OPEN, file_names.FINISHED, file_names.LIVE)
        )

    def adopt(self, job: Job, results: Mapping[str, HostResult]) -> None:
        """Enter a job that another controller or a schedule sent; where it is known, add what is new.

        A job that was sent from here stays as it is: nobody else says what hosts it was sent to.

        Args:
            job: with all of its hosts; the user (`login`) and become that it runs as, where those are known, so that
                later contacts look where it lies. Its origin is `learned`, whatever it says.
            results: where hosts stand, also those that run it. Should this process be killed before that is recorded,
                they are asked for it again. A host without a result is `unreachable`, kind `not-asked`.

        Raises:
            AnotherJob: the JID is that of another job here.
        """
        with self._folder.guard("write", job.jid), self._folder.locked():
            known = self._journal.read(job.jid)
            returners = tuple(dict.fromkeys((*self._returners, *job.returners)))
            learned = replace(job, origin=Origin.LEARNED, returners=returners)
            merged = learned if known is None else merged_job(known.job, learned)
            new = [host for host in merged.hosts if known is None or host not in known.lines]
            # ends follow below, since their output needs a record that is there
            first_results = {host: results.get(host, LEARNED) for host in new}
            first_results = {host: _SENT if result.state.final else result for host, result in first_results.items()}
            if known is None or merged != known.job:
                self._owe(merged)
            if known is None:
                self._journal.write(merged, self._clock(), first_results)
            elif merged != known.job:
                self._journal.rewrite(known, merged, self._clock(), first_results)
        if known_here := {host: result for host, result in results.items() if host in merged.hosts}:
            self.record_many(job.jid, known_here)
        if self._much_is_new():
            self.prune()

    def record(self, jid: JID, host: str, result: HostResult) -> HostResult | None:
        """Enter what was learned about a host; it is on disk when this returns.

        What ends a host (`returned`, `lost`, `not-started`) is final: whatever comes later is ignored. The job is
        finished (see `release`) by the last host that ends.

        Returns:
            the result, with its output where it lies now; None where the host had ended already.

        Raises:
            CacheError: the job is not here.
            ValueError: the host is none of the job's, or the result has a return without being `returned`.
        """
        return self._turns.enter(jid, host, result)

    def record_many(self, jid: JID, results: Mapping[str, HostResult]) -> dict[str, HostResult]:
        """`record` for several hosts in one write; what it returns lacks those that had ended already."""
        for host, result in results.items():
            if (result.ret is not None) != (result.state is State.RETURNED):
                raise ValueError(f"{host}: a result has a return exactly when it is returned, not {result.state.value}")
        # the lock is let go before the disk is waited for, and others can write meanwhile
        with self._folder.guard("write", jid), contextlib.ExitStack() as unsynced, self._folder.locked():
            record = self._journal.opened(jid)
            if record is None and (finished := self._journal.read(jid)) is not None:
                if len(finished.ended(results)) == len(results):
                    return {}
                self._owe(finished.job)
                self._journal.reopen(jid)
                record = self._journal.opened(jid)
            if record is None:
                raise CacheError(f"job {jid} is not in the job cache", "it was pruned, or its file was removed")
            if strange := [host for host in results if host not in record.lines]:
                raise ValueError(f"{strange[0]!r} is no host of job {jid}")
            kept = self._journal.append(jid, results, self._clock(), unsynced)
            if not record.not_final:
                unsynced.close()
                # where the disk is too full to write it anew it stays open, whole and safe, and prune comes back to it
                with unless_full():
                    self._journal.finish(record)
        return kept

    def call_off(self, jid: JID, hosts: Iterable[str], problem: Problem) -> list[str]:
        """Hosts of these that are `pending` in a run that lives, and to which nothing was sent, are `not-started`.

        A run records that a host `maybe` has the request before it sends that, and is told then that it has ended.

        Returns:
            the hosts that this hit.
        """
        with self._folder.guard("write", jid), self._folder.locked():
            record = self._journal.opened(jid)
            off = record.unsent(hosts) if record is not None else []
            if off:
                self.record_many(jid, dict.fromkeys(off, HostResult(State.NOT_STARTED, problem=problem)))
            return off

    def abandon(self, jid: JID) -> bool:
        """Where the run is gone, hosts to which nothing was sent are `not-started`, kind `controller-gone`.

        A host that may have got the request is `unreachable` until it is asked. To look first and to record then would
        not do: between the two the run may have sent the job, and left.

        Returns:
            False where the run lives: its hosts are rightly `pending`, and nothing was changed.
        """
        with self._folder.guard("write", jid), self._folder.locked():
            if self.is_held(jid):
                return False
            record = self._journal.opened(jid)
            if record is not None:
                self.record_many(jid, record.abandoned())
            return True

    # --- the run's lock -----------------------------------------------------------------------------------------
    def release(self, jid: JID) -> None:
        """Say that the run of a job that `create` made is over; harmless where that was said.

        Until then the job is held: by a lock, which is gone by itself when the process is. Where no contact can change
        a host any more (each has ended, or was never reached), the record is finished: written anew for the list.
        """
        lock = self._live.pop(jid, None)
        if lock is None:
            return
        with self._folder.guard("write", jid), self._folder.locked():
            try:
                self._folder.remove(jid + file_names.LIVE)
            finally:
                lock.release()
            with unless_full():
                record = self._journal.opened(jid)
                if record is not None and record.settled():
                    self._journal.finish(record)

    def is_held(self, jid: JID) -> bool:
        """Whether the run of this job lives, here or in another process: its `pending` hosts will still be asked."""
        return jid in self._live or self._folder.is_live(jid)

    # --- reading ------------------------------------------------------------------------------------------------
    def sent(self, jid: JID) -> Sent | None:
        """What was sent with a job; None where that is not kept.

        Raises:
            CacheError: it cannot be read.
        """
        with self._folder.guard("read", jid + file_names.SENT):
            try:
                data = self._folder.read(jid + file_names.SENT)
            except FileNotFoundError:
                return None
            try:
                return decode_sent(data)
            except DamagedRecord as error:
                raise CacheError(f"what was sent with job {jid} cannot be read: {error}") from None

    def load(self, jid: JID, *, outputs: bool = True) -> Report | None:
        """The job, and where each of its hosts stands.

        Args:
            outputs: False leaves stdout and stderr empty, and does not read them.

        Returns:
            None where the job is not here.
        """
        return self._journal.report(jid, outputs=outputs)

    def result(self, jid: JID, host: str) -> HostResult | None:
        """Where a host of a job stands, without its output; None where the cache has no such job, or it no such host.

        Of an open record only what is new is read: each host of thousands is asked about by a call of its own.
        """
        with self._folder.guard("read", jid), self._folder.locked():
            record = self._journal.opened(jid) or self._journal.read(jid)
        line = record.lines.get(host) if record else None
        return None if line is None else line.result

    def current(self, jid: JID, *, outputs: bool = True) -> Report | None:
        """As `load`, after `abandon` where hosts are `pending`; what holds of them holds also on a full disk."""
        report = self.load(jid, outputs=outputs)
        if report is None or all(result.state is not State.PENDING for result in report.results.values()):
            return report
        try:
            return self.load(jid, outputs=outputs) if self.abandon(jid) else report
        except CacheError:
            record = None if self.is_held(jid) else self._journal.read(jid)
            return replace(report, results={**report.results, **record.abandoned()}) if record else report

    def rows(self) -> Iterator[JobRow]:
        """The jobs, newest first; reads nothing of what finished jobs gave back."""
        return self._listing.rows()

    def last(self) -> JID | None:
        """The JID of the newest job that a person or a script sent from here with `run`, or None.

        The one that was made last is the newest, also where the clock was set back before that, and where its record
        cannot be read: the hosts know of it.
        """
        return self._listing.last()

    def open_jobs(self) -> Iterator[JID]:
        """JIDs of the jobs with hosts that have not ended, newest first; reads no finished job."""
        return (jid for jid, _ in self._listing.jobs(only_open=True))

    def wanted(self, hosts: Iterable[str], where: Callable[[Job], bool] | None = None) -> dict[str, tuple[Wanted, ...]]:
        """What every contact with these hosts should bring home.

        Args:
            hosts: inventory names.
            where: only jobs for which this holds (sent as the same login and become user, say: other users' records
                lie elsewhere on the host).

        Returns:
            By host, the jobs that were or may have been sent there and have not ended there, the newest first; hosts
            without any are left out.
        """
        contacted = dict.fromkeys(hosts)
        wanted: dict[str, list[Wanted]] = {}
        for jid in self.open_jobs():
            record = self._journal.readable(jid)
            if record is None or (where is not None and not where(record.job)):
                continue
            here = {host: result for host, result in record.waited_for() if host in contacted}
            held = any(one.dispatched is Dispatched.MAYBE for one in here.values()) and self.is_held(jid)
            for host, result in here.items():
                wanted.setdefault(host, []).append(Wanted.of(jid, result, held=held))
        return {host: tuple(jobs) for host, jobs in wanted.items()}

    # --- returners ----------------------------------------------------------------------------------------------
    def debts(self) -> Iterator[Debt]:
        """What returners have not had yet, of the oldest job first; reads no output.

        Nothing is looked for any more in a job that everybody has had all of.
        """
        for jid in self._owed.jids():
            if (debt := self.debt(jid)) is None:
                continue
            if any(debt.hosts.values()):
                yield debt
            elif debt.complete:
                self._end(jid)

    def debt(self, jid: JID) -> Debt | None:
        """What returners have not had yet of one job; None where the job is not here."""
        held = self.is_held(jid)  # first: a run that ends meanwhile settles its hosts before it lets go
        record = self._journal.readable(jid)
        return None if record is None else debt_of(record, self._owed, held=held)

    def _end(self, jid: JID) -> None:
        with self._folder.guard("write", jid), self._folder.locked():
            debt = self.debt(jid)  # once more, now that nobody writes
            if debt is not None and debt.complete and not any(debt.hosts.values()):
                self._owed.end(jid)

    def delivered(self, jid: JID, had: Iterable[Delivered], failed: Iterable[Delivered] = ()) -> None:
        """Note which returners have had the ends of which hosts, and which could not take them."""
        with self._folder.guard("write", jid):
            self._owed.note(jid, had, failed)

    def returner_lock(self, name: str) -> str:
        """The path of the lock that whoever hands returns over to this returner holds."""
        self._owed.make()
        return self._owed.path(f"{name}.lock")

    # --- pruning ------------------------------------------------------------------------------------------------
    def _much_is_new(self) -> bool:
        return self._journal.appended > self.max_bytes // 20

    def prune(self, *, force: bool = False) -> Pruned:
        """Remove what is over `keep_jobs` or `max_bytes`, and leftovers; cheap enough for every run.

        Args:
            force: even where that was done in the last minutes, and little was written since.
        """
        now = self._clock()
        with self._folder.guard("prune"):
            if not (force or self._much_is_new() or is_due(self._folder, now)) or not self._folder.check():
                return Pruned()
            with self._folder.locked():
                places = self._folder, self._journal, self._listing, self._owed
                pruned, finished = prune(*places, now, keep_jobs=self.keep_jobs, max_bytes=self.max_bytes)
                self._journal.appended = 0
                with unless_full():
                    self._listing.gather(finished)
                    stamp(self._folder, now)
        for where in pruned.set_aside:
            self.warn(f"set aside {where}, which is nothing of the job cache")
        for line in pruned.undelivered:
            self.warn(line)
        return pruned


_SENT = HostResult(State.RUNNING, Dispatched.YES)
