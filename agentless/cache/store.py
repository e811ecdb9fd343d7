"""JobCache: the jobs sent from this controller, safe under many processes and under SIGKILL at any instant."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from agentless.cache import folder as names
from agentless.cache.cursors import Cursors
from agentless.cache.folder import Folder
from agentless.cache.listing import Listing
from agentless.cache.pruning import Pruned, prune
from agentless.cache.record import (
    Damaged,
    JobRow,
    Later,
    Raw,
    Record,
    decode_result,
    encode_result,
    head_of,
    is_final,
    line,
    parse,
)
from agentless.errors import CacheError
from agentless.job import Dispatched, HostResult, Job, Problem, Report, State, check_jid, new_jid

if TYPE_CHECKING:
    from filelock import FileLock

__all__ = ["JobCache"]

INLINE = 1024  # bytes of output up to which a host's line has it; beyond, it goes to the job's second file
PRUNE_EVERY = 600.0


def _log(message: str) -> None:
    import logging

    logging.getLogger("agentless").warning(message)


class JobCache:
    """The controller's record of jobs and returns, in one directory, at most two files a job.

    All methods may be called from any thread and any number of processes. All raise CacheError where the directory
    cannot be read or written, and ValueError for a JID that is none.

    Args:
        root: the directory (`cache_dir(environ) / "jobs"`); made 0700 by the first write.
        keep_jobs: hours for which a job is kept after its last event.
        max_bytes: of disk; above it the oldest finished jobs go first.
        clock: Unix seconds.
        warn: told, in one line, of every file that had to be set aside.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        keep_jobs: float,
        max_bytes: int,
        clock: Callable[[], float] = time.time,
        warn: Callable[[str], None] = _log,
    ) -> None:
        self.keep_jobs = keep_jobs
        self.max_bytes = max_bytes
        self._folder = Folder(root)
        self._clock = clock
        self._warn = warn
        self._live: dict[str, FileLock] = {}
        self._tails: dict[str, _Tail] = {}
        self._written = 0  # since this process pruned last
        self._listing = Listing(self._folder, self._fold)
        # Beside the jobs: they are pruned, and the places are not.
        self._cursors = Cursors(Path(root).parent / "cursors")

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
    ) -> Job:
        """Take a new JID, and hold it; the job and its hosts, all `pending`, are on disk when this returns.

        The arguments are those of `Job`. The job is held (see `hold`) from before anybody can see it, so that nobody
        can take its `pending` hosts for those of a run that is gone.
        """
        with self._guard("write"), self._folder.locked():
            now = self._clock()
            moment = datetime.fromtimestamp(now, timezone.utc)
            while self._taken(jid := new_jid(moment)):
                moment += timedelta(microseconds=1)
            job = Job(
                jid, function, tuple(arguments), target, tuple(dict.fromkeys(hosts)), user, moment.timestamp(),
                dict(metadata or {}), login, become, schedule, keep_returns,
            )  # fmt: skip
            self._live[jid] = self._folder.take_live(jid)
            try:
                self._folder.replace(jid + names.OPEN, line(head_of(job, now)), jid + names.TEMPORARY)
                self._folder.sync()
            except BaseException:
                self.release(jid)
                raise
        return job

    def adopt(self, job: Job, *, sent: bool = False) -> None:
        """Enter a job that another controller or a schedule sent; where it is known, add the hosts that are new.

        Args:
            sent: its hosts have it, and are asked for its end should this process be killed before that is recorded.

        Raises:
            CacheError: the JID is that of another job here.
        """
        check_jid(job.jid)
        with self._guard("write", job.jid), self._folder.locked():
            found = self._read(job.jid)
            now = self._clock()
            if found is None:
                data = line(head_of(job, now)) + _lines(job.hosts if sent else (), now)
                self._folder.replace(job.jid + names.OPEN, data, job.jid + names.TEMPORARY)
                self._folder.sync()
                return
            name, record = found
            known = record.job
            if (known.function, known.arguments, known.schedule) != (job.function, job.arguments, job.schedule):
                raise CacheError(f"job {job.jid} is known here as another job: {' '.join(known.arguments)!r}")
            hosts = tuple(dict.fromkeys((*known.hosts, *job.hosts)))
            if hosts == known.hosts:
                return
            data = line(head_of(replace(known, hosts=hosts), now))
            data += b"".join(line({**raw, "at": record.last}) for raw in record.lines.values())
            data += _lines([host for host in hosts if sent and host not in record.lines], now)
            if not name.endswith(names.OPEN):
                self._reopen(job.jid)
            self._folder.replace(job.jid + names.OPEN, data, job.jid + names.TEMPORARY)
            self._folder.sync()

    def welcome(self, job: Job, result: HostResult) -> None:
        """Enter how a job ended on its one host, that a schedule fired there; a JID of another job here is refused."""
        known = self.load_states(job.jid)
        if known is not None and (known.job.function, known.job.arguments, known.job.schedule) != (
            job.function,
            job.arguments,
            job.schedule,
        ):
            self._warn(f"{job.hosts[0]} names {job.jid} as a job of its schedule, which is another job here: left out")
            return
        self.adopt(job, sent=True)
        self.record(job.jid, job.hosts[0], result)

    def seen(self, host: str) -> Mapping[str, int]:
        """How far the sequences of scheduled jobs of a host were seen; see Cursors."""
        return self._cursors.seen(host)

    def advance(self, host: str, sequence: str, at: int) -> None:
        """Note that the first `at` scheduled jobs of a host's sequence are here."""
        self._cursors.advance(host, sequence, at)

    def warn(self, line: str) -> None:
        """Tell whoever listens to this cache's warnings."""
        self._warn(line)

    def record(self, jid: str, host: str, result: HostResult) -> None:
        """Enter what was learned about a host; it is on disk when this returns.

        What ends a host (`returned`, `lost`, `not-started`) is final: whatever comes later is ignored. The job is
        finished (see `finish`) by the last host that ends.

        Raises:
            CacheError: the job is not here.
            ValueError: the host is none of the job's, or the result has a return without being `returned`.
        """
        self.record_many(jid, {host: result})

    def record_many(self, jid: str, results: Mapping[str, HostResult]) -> None:
        """`record` for several hosts in one write."""
        check_jid(jid)
        for host, result in results.items():
            if (result.ret is not None) != (result.state is State.RETURNED):
                raise ValueError(f"{host}: a result has a return exactly when it is returned, not {result.state.value}")
        # the lock is let go before the disk is waited for, and others can write meanwhile
        with self._guard("write", jid), contextlib.ExitStack() as unsynced, self._folder.locked():
            tail = self._tail(jid)
            if tail is None and (found := self._read(jid)) is not None:
                if all(host in found[1].lines and is_final(found[1].lines[host]) for host in results):
                    return
                self._reopen(jid)
                tail = self._tail(jid)
            if tail is None:
                raise CacheError(f"job {jid} is not in the job cache", "it was pruned, or its file was removed")
            if strange := [host for host in results if host not in tail.record.lines]:
                raise ValueError(f"{strange[0]!r} is no host of job {jid}")
            try:
                self._append(tail, results, unsynced)
            except BaseException:
                # it may have taken what did not get into the file: it is read again
                self._tails.pop(jid, None)
                raise
            if not tail.record.not_final:
                unsynced.close()
                # where the disk is too full to write it anew it stays open, whole and safe, and prune comes back to it
                with _unless_full():
                    self._compact(jid, tail.record)

    def _append(self, tail: _Tail, results: Mapping[str, HostResult], unsynced: contextlib.ExitStack) -> None:
        jid = tail.record.job.jid
        now = self._clock()
        lines, outputs = [], False
        for host, result in results.items():
            raw, output = encode_result(host, result)
            if sum(map(len, output.values())) <= INLINE:
                raw |= output
            elif is_final(tail.record.lines[host]):
                continue
            else:
                text = line({"host": host, **output})
                raw["output"] = [self._sync_later(jid + names.OUTPUT, text, unsynced), len(text)]
                outputs = True
            if tail.record.take(dict(raw), now):
                lines.append(line({**raw, "at": now}))
        if outputs:
            unsynced.close()  # a line must never be on disk before the output that it points to
        if lines:
            data = b"".join(lines)
            tail.offset = self._sync_later(jid + names.OPEN, data, unsynced) + len(data)

    def _sync_later(self, name: str, data: bytes, unsynced: contextlib.ExitStack) -> int:
        handle, offset = self._folder.append(name, data, create=name.endswith(names.OUTPUT))
        self._written += len(data)
        unsynced.callback(os.close, handle)
        unsynced.callback(os.fsync, handle)
        return offset

    def finish(self, jid: str) -> bool:
        """Write the record of a settled job anew, so that the list need not read it whole.

        Settled is a job that no contact can change: each host has ended, or was never reached. `record` does this by
        itself when the last host ends, and `release` when the run leaves.

        Returns:
            Whether the job is settled.
        """
        check_jid(jid)
        with self._guard("write", jid), self._folder.locked():
            tail = self._tail(jid)
            if tail is None:
                return self._folder.exists(jid + names.FINISHED)
            if not tail.record.settled():
                return False
            self._compact(jid, tail.record)
            return True

    def abandon(self, jid: str) -> bool:
        """Where the run is gone, hosts to which nothing was sent are `not-started`, kind `controller-gone`.

        A host that may have got the request is `unreachable` until it is asked. To look first and to record then would
        not do: between the two the run may have sent the job, and left.

        Returns:
            False where the run lives: its hosts are rightly `pending`, and nothing was changed.
        """
        check_jid(jid)
        with self._guard("write", jid), self._folder.locked():
            if self.is_held(jid):
                return False
            tail = self._tail(jid)
            if tail is not None:
                pending = {host: raw for host, raw in tail.record.lines.items() if raw.get("state") == "pending"}
                self.record_many(
                    jid, {host: _left_behind(jid, decode_result(raw, {})) for host, raw in pending.items()}
                )
            return True

    # --- the run's lock -----------------------------------------------------------------------------------------
    @contextlib.contextmanager
    def hold(self, jid: str) -> Iterator[None]:
        """Say that the run of this job lives; gone by itself when the process is. `create` holds its job already.

        Raises:
            CacheError: another process holds it.
        """
        check_jid(jid)
        if jid not in self._live:
            with self._folder.locked():
                self._live[jid] = self._folder.take_live(jid)
        try:
            yield
        finally:
            self.release(jid)

    def release(self, jid: str) -> None:
        """Let go of a job that `create` or `hold` holds, and `finish` it; harmless where it is not held."""
        lock = self._live.pop(jid, None)
        if lock is None:
            return
        with self._guard("write", jid), self._folder.locked():
            try:
                self._folder.remove(jid + names.LIVE)
            finally:
                lock.release(force=True)
            with _unless_full():
                self.finish(jid)

    def is_held(self, jid: str) -> bool:
        """Whether the run of this job lives, here or in another process: its `pending` hosts will still be asked."""
        check_jid(jid)
        return jid in self._live or self._folder.is_live(jid)

    # --- reading ------------------------------------------------------------------------------------------------
    def load(self, jid: str, *, outputs: bool = True) -> Report | None:
        """The job, and where each of its hosts stands.

        Args:
            outputs: False leaves stdout and stderr empty, and does not read them.

        Returns:
            None where the job is not here.
        """
        check_jid(jid)
        with self._guard("read", jid):
            found = self._read(jid)
            if found is None:
                return None
            name, record = found
            try:
                return Report(record.job, record.results(lambda raw: self._output(jid, raw) if outputs else {}))
            except Damaged as error:
                self._unreadable(name, error)
                return None

    def load_states(self, jid: str) -> Report | None:
        """As `load`, with empty output: what later contacts need to know, without reading much."""
        return self.load(jid, outputs=False)

    def _output(self, jid: str, raw: Raw) -> Raw:
        if "output" not in raw:
            return raw
        try:
            offset, length = raw["output"]
            return parse(self._folder.piece(jid + names.OUTPUT, offset, length))
        except (FileNotFoundError, TypeError, ValueError, OverflowError) as error:
            raise Damaged(f"the output of {raw['host']} is missing") from error

    def rows(self, limit: int | None = None, where: Callable[[JobRow], bool] | None = None) -> Iterator[JobRow]:
        """The jobs, newest first; reads nothing of what finished jobs gave back.

        Args:
            limit: how many at most; None for all.
            where: only those for which this holds.
        """
        rows = self._listing.rows()
        return islice(rows if where is None else filter(where, rows), limit)

    def last(self) -> str | None:
        """The JID of the newest job, or None."""
        return next((row.job.jid for row in self.rows(1)), None)

    def open_jobs(self) -> Iterator[str]:
        """JIDs of the jobs with hosts that have not ended, newest first; reads no finished job."""
        return (jid for jid, is_open in self._listing.jobs() if is_open)

    def wanted(
        self, hosts: Iterable[str], where: Callable[[Job], bool] | None = None
    ) -> dict[str, tuple[tuple[str, str], ...]]:
        """What every contact with these hosts should bring home.

        Args:
            hosts: inventory names.
            where: only jobs for which this holds (sent as the same login and become user, say: other users' records
                lie elsewhere on the host).

        Returns:
            By host, `(jid, nonce)` of the jobs that were or may have been sent there and have not ended there, the
            newest first; hosts without any are left out.
        """
        asked = dict.fromkeys(hosts)
        wanted: dict[str, list[tuple[str, str]]] = {}
        for jid in self.open_jobs():
            with self._guard("read", jid):
                found = self._read(jid)
            if found is None or (where is not None and not where(found[1].job)):
                continue
            for host, raw in found[1].lines.items():
                if host in asked and not is_final(raw) and raw.get("dispatched", "yes") != "no":
                    wanted.setdefault(host, []).append((jid, raw.get("nonce", "")))
        return {host: tuple(jobs) for host, jobs in wanted.items()}

    # --- pruning ------------------------------------------------------------------------------------------------
    def prune(self, now: float | None = None, *, force: bool = False) -> Pruned:
        """Remove what is over `keep_jobs` or `max_bytes`, and leftovers; cheap enough for every run.

        Args:
            now: Unix seconds; None asks the clock.
            force: even where that was done in the last minutes.
        """
        now = self._clock() if now is None else now
        with self._guard("prune"):
            if not (force or self._due(now)) or not self._folder.check():
                return Pruned()
            with self._folder.locked():
                pruned, finished = prune(
                    self._folder,
                    now,
                    keep_jobs=self.keep_jobs,
                    max_bytes=self.max_bytes,
                    row=self._fold,
                    read=self._read,
                    compact=self._compact,
                )
                self._written = 0
                with _unless_full():
                    self._listing.gather(finished)
                    self._folder.replace(names.STAMP, line({"at": now}), names.STAMP + names.TEMPORARY)
        for where in pruned.set_aside:
            self._warn(f"set aside {where}, which is nothing of the job cache")
        return pruned

    def _due(self, now: float) -> bool:
        if self._written > self.max_bytes // 20:
            return True
        try:
            at = parse(self._folder.first_line(names.STAMP))["at"]
            return not 0 <= now - at < PRUNE_EVERY
        except (Damaged, OSError, KeyError, TypeError):
            return True

    # --- inside -------------------------------------------------------------------------------------------------
    def _taken(self, jid: str) -> bool:
        return any(self._folder.exists(jid + suffix) for suffix in (names.OPEN, names.FINISHED, names.LIVE))

    def _fold(self, jid: str) -> JobRow | None:
        with self._guard("read", jid):
            found = self._read(jid)
        return found[1].row() if found else None

    def _reopen(self, jid: str) -> None:
        """Let a finished record grow again; under the lock."""
        self._folder.remove(names.HEADS)  # it has the summary that was
        self._folder.rename(jid + names.FINISHED, jid + names.OPEN)

    def _read(self, jid: str) -> tuple[str, Record] | None:
        """The record and its file's name; None where there is none. Raises OSError."""
        # its name changes once, when it is finished, and back when `adopt` adds a host: look again then
        for suffix in (names.OPEN, names.FINISHED, names.OPEN, names.FINISHED):
            name = jid + suffix
            try:
                return name, Record.read(self._folder.whole_lines(name), jid)
            except FileNotFoundError:
                continue
            except Damaged as error:
                self._unreadable(name, error)
                return None
            except OSError as error:
                if error.errno not in names.NO_FILE:
                    raise
                self._unreadable(name, Damaged("it is no file"))
                return None
        return None

    def _tail(self, jid: str) -> _Tail | None:
        """What the open record says, of which only what is new since the last time is read; under the lock."""
        name = jid + names.OPEN
        tail = self._tails.get(jid)
        try:
            # a file written anew has another head; its inode may well be one that was used before
            if tail is None or (data := self._folder.new_lines(name, tail.head, tail.offset)) is None:
                data = self._folder.whole_lines(name)
                tail = self._tails[jid] = _Tail(Record.read(data, jid), data[: data.find(b"\n") + 1])
            else:
                tail.record.feed(data.split(b"\n"))
        except FileNotFoundError:
            self._tails.pop(jid, None)
            return None
        except Damaged as error:
            self._tails.pop(jid, None)
            self._unreadable(name, error)
            return None
        tail.offset += len(data)
        return tail

    def _compact(self, jid: str, record: Record) -> None:
        # the name changes last: a record with an open name and finished content is only finished once more
        self._folder.replace(jid + names.OPEN, record.finished(), jid + names.TEMPORARY)
        self._folder.rename(jid + names.OPEN, jid + names.FINISHED)
        self._folder.sync()
        self._tails.pop(jid, None)

    def _unreadable(self, name: str, error: Damaged) -> None:
        if isinstance(error, Later):
            self._warn(f"left alone {self._folder.path(name)}: {error}")
            return
        with self._folder.locked():
            try:
                where = self._folder.set_aside(name)
                output = name[:20] + names.OUTPUT
                if self._folder.exists(output):
                    self._folder.set_aside(output)
            except FileNotFoundError:  # another process was faster
                return
        self._warn(f"set aside {where}, which is no record of a job: {error}")

    @contextlib.contextmanager
    def _guard(self, what: str, jid: str = "") -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._folder.failed(what, error, jid) from error


def _lines(hosts: Iterable[str], now: float) -> bytes:
    """The lines of hosts that were sent a job already."""
    sent = HostResult(State.RUNNING, Dispatched.YES)
    return b"".join(line({**encode_result(host, sent)[0], "at": now}) for host in hosts)


def _left_behind(jid: str, result: HostResult) -> HostResult:
    """Where a `pending` host stands when the run is gone."""
    if result.dispatched is Dispatched.NO:
        message, hint = "not sent: the run that was to send it is gone", f"Run it again: --limit @failed:{jid}"
        return replace(result, state=State.NOT_STARTED, problem=Problem("controller-gone", message, hint))
    message, hint = "the run was gone before the host acknowledged", f"Ask the host: agentless jobs wait {jid}"
    return replace(result, state=State.UNREACHABLE, problem=Problem("controller-gone", message, hint))


@contextlib.contextmanager
def _unless_full() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise


@dataclass(slots=True)
class _Tail:
    """How far this process has read an open record."""

    record: Record
    head: bytes
    offset: int = 0
