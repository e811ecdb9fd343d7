"""Reading a register back: jobs and what their hosts returned, as long as the database keeps them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TypeVar

from sqlalchemy import func, select

from agentless.errors import CacheError
from agentless.model.jid import JID
from agentless.model.job import Job, JobRow, Origin, Report, summarize
from agentless.model.problem import Problem
from agentless.model.returner import SqlReturner
from agentless.model.states import HostResult, State
from agentless.model.times import stamp
from agentless.returners.handover import NotTaken, Unavailable
from agentless.returners.register_tables import Database, jids, returns

__all__ = ["Register"]

T = TypeVar("T")

_PAGE = 500


class Register:
    """What a returner `sql` has been given; read only.

    Args:
        settings: the returner.
        environ: where its URL may stand.

    Raises:
        ConfigError: the URL cannot be read, is none, or needs a driver that is not installed.
    """

    def __init__(self, settings: SqlReturner, environ: Mapping[str, str]) -> None:
        self._settings = settings
        self._database = Database(settings, environ)

    def rows(self) -> Iterator[JobRow]:
        """The jobs, newest first, without what their hosts returned; a page of them is read at a time.

        Raises:
            CacheError: the database cannot be read.
        """
        before: str | None = None
        while page := self._read(partial(self._page, before)):
            yield from page
            before = page[-1].job.jid

    def _page(self, before: str | None) -> list[JobRow]:
        if not self._database.has_tables():
            return []
        query = select(jids.c.jid, jids.c.load).order_by(jids.c.jid.desc()).limit(_PAGE)
        if before is not None:
            query = query.where(jids.c.jid < before)
        with self._database.engine.connect() as connection:
            jobs = [self._job(row.jid, row.load) for row in connection.execute(query)]
            counts: dict[str, dict[str, int]] = {job.jid: summarize(()) for job in jobs}
            grouped = (
                select(returns.c.jid, returns.c.state, returns.c.success, func.count().label("hosts"))
                .where(returns.c.jid.in_(counts))
                .group_by(returns.c.jid, returns.c.state, returns.c.success)
            )
            for row in connection.execute(grouped):
                summary = counts[row.jid]
                if row.state in summary:
                    summary[row.state] += row.hosts
                if row.state == State.RETURNED.value and row.success == "false":
                    summary["failed"] += row.hosts
        for job in jobs:
            if not self._settings.failures_only:
                silent = len(job.hosts) - sum(count for state, count in counts[job.jid].items() if state != "failed")
                counts[job.jid][State.UNREACHABLE.value] += max(0, silent)
        return [JobRow(job, counts[job.jid], job.start_time) for job in jobs]

    def load(self, jid: JID) -> Report | None:
        """A job with what its hosts returned; None where it is not there.

        A host of which nothing is there is `unreachable`, kind `not-asked`; but where the returner gets only failures,
        the job is shown on the hosts that it was told of.

        Raises:
            CacheError: the database cannot be read, or what stands there cannot be understood.
        """
        return self._read(lambda: self._report(jid))

    def _report(self, jid: JID) -> Report | None:
        if not self._database.has_tables():
            return None
        with self._database.engine.connect() as connection:
            load = connection.execute(select(jids.c.load).where(jids.c.jid == jid)).scalar()
            if load is None:
                return None
            job = self._job(jid, load)
            ends: dict[str, HostResult] = {}
            for row in connection.execute(select(returns.c.id, returns.c.full_ret).where(returns.c.jid == jid)):
                try:
                    document = json.loads(row.full_ret)
                    ends[document["host"]] = HostResult.from_json(document)
                except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
                    where = f"{self._settings.name}: {returns.name}: jid {jid}, id {row.id}"
                    raise CacheError(f"{where}: full_ret is no return: {type(error).__name__}: {error}") from error
        hosts = [host for host in job.hosts if host in ends or not self._settings.failures_only]
        hosts += sorted(ends.keys() - set(hosts))
        hint = f"To ask it: agentless jobs lookup {jid}"
        silent = HostResult(
            State.UNREACHABLE, problem=Problem("not-asked", f"{self._settings.name} has no return of it", hint)
        )
        return Report(replace(job, hosts=tuple(hosts)), {host: ends.get(host, silent) for host in hosts})

    def _job(self, jid: str, load: str) -> Job:
        try:
            raw = json.loads(load)
            return Job(
                jid=JID(jid),
                function=raw["function"] or "",
                arguments=tuple(map(str, raw["arguments"] or ())),
                target=raw["target"] or "",
                hosts=tuple(map(str, raw["hosts"])),
                user=raw["user"] or "",
                start_time=0.0 if raw["start_time"] is None else stamp(raw["start_time"]),
                metadata={str(key): str(value) for key, value in (raw["metadata"] or {}).items()},
                schedule=raw.get("schedule"),
                retry_of=JID(raw["retry_of"]) if raw.get("retry_of") else None,
                origin=Origin(raw["origin"]),
            )
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            where = f"{self._settings.name}: {jids.name}: jid {jid}"
            raise CacheError(f"{where}: load is no job: {type(error).__name__}: {error}") from error

    def _read(self, read: Callable[[], T]) -> T:
        try:
            with self._database.errors_translated():
                return read()
        except (NotTaken, Unavailable) as error:
            raise CacheError(f"the register {self._settings.name} cannot be read: {error}") from None

    def close(self) -> None:
        """Let go of the connection."""
        self._database.close()
