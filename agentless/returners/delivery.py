"""Handing returns over: all returners get what they lack at once, in bounded time; who has had what is noted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby

from agentless.cache import JobCache
from agentless.cache.owed import Debt
from agentless.errors import AgentlessError, CacheError
from agentless.extras import way_to_install
from agentless.model.jid import JID
from agentless.model.returner import AnyReturner, CommandReturner, SqlReturner
from agentless.returners.handover import Handover, HostEnd, NotTaken, Unavailable
from agentless.values import dataclass

__all__ = ["ReturnDelivery", "check", "handover"]

# Seconds that one command gives to one returner, as long as that takes what it gets.
AT_MOST = 60.0
# A returner that refuses so many returns one after the other is left alone until the next command.
REFUSED_IN_A_ROW = 3
# Failures of a return are counted so far, to begin with those that never failed.
COUNTED = 20
_LOOK = 0.05
# What a kind of returner may take beyond its own deadline to notice that this is over.
_GRACE = 1.0
_BATCH_BYTES = 8 * 1024 * 1024


def handover(settings: AnyReturner, environ: Mapping[str, str]) -> Handover:
    """What hands over to a returner.

    Raises:
        ConfigError: its URL or its headers cannot be read, or are none, or SQLAlchemy or a driver is not installed.
    """
    if isinstance(settings, CommandReturner):
        from agentless.returners.command import CommandHandover

        return CommandHandover(settings, environ)
    if isinstance(settings, SqlReturner):
        need_sqlalchemy(settings)
        from agentless.returners.sql import Sql

        return Sql(settings, environ)
    from agentless.returners.webhook import Webhook

    return Webhook(settings, environ)


def need_sqlalchemy(settings: SqlReturner) -> None:
    """Raise ConfigError where SQLAlchemy is not installed; it is not imported for that."""
    from importlib.util import find_spec

    if find_spec("sqlalchemy") is None:
        raise settings.url.error("SQLAlchemy is not installed", way_to_install("sql"))


def check(settings: AnyReturner, environ: Mapping[str, str]) -> None:
    """Find out before a job is sent whether its returner's URL and headers can be read; contacts nobody.

    Raises:
        ConfigError: as `handover`; whether SQLAlchemy knows the URL is seen at the first return.
    """
    if isinstance(settings, SqlReturner):
        need_sqlalchemy(settings)
        settings.url.read(environ)
    else:
        handover(settings, environ).close()


@dataclass(frozen=True, slots=True)
class _OwedReturn:
    """A return that a returner has not had, and how often it could not take it."""

    failures: int
    jid: JID
    host: str


class _Worker(threading.Thread):
    """Hands over to one returner, by itself and under its lock.

    Attributes:
        given: how many returns it has had.
        reason: why it has not had the others; empty where it has.
        overdue: from when on, in seconds of `time.monotonic`, nobody needs to wait for it any more.
    """

    def __init__(self, cache: JobCache, settings: AnyReturner, make: Callable[[], Handover]) -> None:
        super().__init__(name=f"returner-{settings.name}", daemon=True)
        self.settings = settings
        self.given = 0
        self.reason = ""
        self.details: list[str] = []
        self.left = threading.Event()
        self.overdue = time.monotonic() + settings.timeout + _GRACE
        self._cache = cache
        self._make = make
        self._handover: Handover | None = None

    def cancel(self) -> None:
        self.left.set()
        if self._handover is not None:
            self._handover.cancel()

    def run(self) -> None:
        try:
            self._run()
        except AgentlessError as error:
            self.reason = error.message
        except Exception as error:  # noqa: BLE001 -- its text may hold a secret, and a traceback too
            self.reason = f"a defect of agentless: {type(error).__name__}"

    def _run(self) -> None:
        from filelock import FileLock, Timeout

        name, timeout = self.settings.name, self.settings.timeout
        lock = FileLock(self._cache.returner_lock(name), timeout=timeout, mode=0o600)
        try:
            lock.acquire()
        except Timeout:
            self.reason = f"another agentless process has been at it for {timeout:g} s"
            return
        try:
            self.overdue = time.monotonic() + AT_MOST
            self._handover = self._make()
            try:
                self._hand_over(time.monotonic() + AT_MOST)
            finally:
                self._handover.close()
        finally:
            lock.release()

    def _hand_over(self, until: float) -> None:
        """All that is due, also what becomes so meanwhile; what fails is tried once."""
        tried: set[tuple[str, str]] = set()
        refused = 0
        while due := [one for one in self._due() if (one.jid, one.host) not in tried]:
            for jid, ends in self._batches(due):
                if self.left.is_set():
                    return
                tried.update((jid, end.host) for end in ends)
                for part in self._parts(jid, ends):
                    refused = 0 if part else refused + 1
                    if refused >= REFUSED_IN_A_ROW or self.left.is_set():
                        return
                if time.monotonic() > until:
                    self.reason = f"{AT_MOST:.0f} s were over"
                    return
            # What could not be read, for its record was damaged, is not looked for once more.
            tried.update((one.jid, one.host) for one in due)

    def _due(self) -> list[_OwedReturn]:
        """Those that never failed first, the oldest job first."""
        name = self.settings.name
        due = [
            _OwedReturn(debt.failures.get((name, host), 0), debt.job.jid, host)
            for debt in self._cache.debts()
            for host in debt.hosts.get(name, ())
        ]
        return sorted(due, key=lambda one: (one.failures, one.jid))

    def _batches(self, due: Sequence[_OwedReturn]) -> Iterator[tuple[JID, list[HostEnd]]]:
        """As many returns of one job as are handed over at once."""
        assert self._handover is not None
        for jid, group in groupby(due, key=lambda one: one.jid):
            report = self._cache.load(jid)
            if report is None:
                continue
            hosts = [one.host for one in group if one.host in report.results]
            if self.settings.failures_only:
                successes = {host for host, result in report.results.items() if result.ret and result.ret.ok}
                self._note(jid, [host for host in hosts if host in successes])
                hosts = [host for host in hosts if host not in successes]
            batch: list[HostEnd] = []
            size = 0
            for host in hosts:
                end = HostEnd(report.job, host, report.results[host])
                batch.append(end)
                size += end.output_size if self._handover.batch > 1 else 0
                if len(batch) >= self._handover.batch or size >= _BATCH_BYTES:
                    yield jid, batch
                    batch, size = [], 0
            if batch:
                yield jid, batch

    def _parts(self, jid: JID, ends: Sequence[HostEnd]) -> Iterator[bool]:
        """Whether each part of a batch was taken: of one that is refused, each return is a part of its own."""
        if self._give(jid, ends, alone=len(ends) == 1):
            yield True
        elif len(ends) == 1:
            yield False
        else:
            for end in ends:
                if not self.left.is_set():
                    yield self._give(jid, [end], alone=True)

    def _give(self, jid: JID, ends: Sequence[HostEnd], *, alone: bool) -> bool:
        assert self._handover is not None
        until = time.monotonic() + self.settings.timeout
        self.overdue = until + _GRACE
        try:
            self._handover.give(ends, until)
        except (NotTaken, CacheError) as error:
            if alone:
                self._failed(jid, ends[0].host, str(error))
            return False
        except Unavailable as error:
            self._failed(jid, ends[0].host, str(error))
            self.left.set()
            return False
        finally:
            self.overdue = time.monotonic() + AT_MOST
        self.given += len(ends)
        self._note(jid, [end.host for end in ends])
        return True

    def _failed(self, jid: JID, host: str, reason: str) -> None:
        self.reason = reason
        self.details.append(f"{self.settings.name}: job {jid}, {host}: {reason}")
        one = (self.settings.name, host)
        debt = self._cache.debt(jid)
        if debt is not None and debt.failures.get(one, 0) < COUNTED:
            self._cache.delivered(jid, (), [one])

    def _note(self, jid: JID, hosts: Sequence[str]) -> None:
        if hosts:
            self._cache.delivered(jid, [(self.settings.name, host) for host in hosts])


@dataclass(frozen=True, slots=True)
class ReturnDelivery:
    """Hands over what returners have not had.

    Args:
        cache: what knows what that is.
        returners: the returners of the configuration, by name.
        source: the configuration's file, as messages name it.
        environ: where URLs and headers may stand, and the environment of commands.
        warn: shows a line for each returner that lacks something: what, and why.
        note: shows the same in more detail, and what was handed over.
    """

    cache: JobCache
    returners: Mapping[str, AnyReturner]
    source: str
    environ: Mapping[str, str]
    warn: Callable[[str], None]
    note: Callable[[str], None]

    def run(self) -> None:
        """Hand over to all returners at once; each has its own time, and what it does not take stays for the next.

        Raises:
            CacheError: the job cache cannot be read.
        """
        waiting = _count(self.cache.debts())
        due = [settings for name, settings in self.returners.items() if name in waiting]
        workers = [_Worker(self.cache, settings, partial(handover, settings, self.environ)) for settings in due]
        try:
            for worker in workers:
                worker.start()
            while any(worker.is_alive() and time.monotonic() < worker.overdue for worker in workers):
                for worker in workers:
                    worker.join(_LOOK / len(workers))
        finally:
            for worker in workers:
                worker.cancel()
        if waiting:
            self._tell(workers)

    def _tell(self, workers: Sequence[_Worker]) -> None:
        left = _count(self.cache.debts())
        for worker in workers:
            name = worker.settings.name
            for line in worker.details:
                self.note(line)
            if worker.given:
                self.note(f"the returner {name} has had {_returns(worker.given)}")
            if name in left:
                late = f"no end within {worker.settings.timeout:g} s"
                reason = worker.reason or (late if worker.is_alive() else "they came while it was at work")
                self.warn(f"the returner {name} has yet to get {_returns(left[name])}: {reason}")
        for name, count in left.items():
            if name not in self.returners:
                self.warn(
                    f"{self.source} has no returner {name!r} any more, which has yet to get {_returns(count)}: name it "
                    "there again, or this is told until their jobs are pruned (`jobs prune`)"
                )


def _count(debts: Iterator[Debt]) -> dict[str, int]:
    """By returner, how many returns it has not had."""
    counts: dict[str, int] = {}
    for debt in debts:
        for name, count in debt.count().items():
            counts[name] = counts.get(name, 0) + count
    return counts


def _returns(count: int) -> str:
    return "1 return" if count == 1 else f"{count} returns"
