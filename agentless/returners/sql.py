"""The returner `sql`: each return is a row of a database, once, however often it is handed over."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, and_, insert, select, update
from sqlalchemy.exc import IntegrityError

from agentless.model.job import Job
from agentless.model.returner import SqlReturner
from agentless.model.states import State
from agentless.returners.handover import HostEnd, Unavailable
from agentless.returners.register_tables import Database, column, jids, returns

__all__ = ["Sql"]

_RACES = 20


class _Raced(Unavailable):
    """Another process changed the job's row after we had read it."""

    def __init__(self) -> None:
        super().__init__("other processes write the same job, again and again")


class Sql:
    """Writes rows, as many as come at once in one transaction; makes the tables where they are missing.

    A row that is there stays, unless it was written for want of a return, and there is one now. Who is hit by another
    process that writes the same rows begins the transaction anew.

    Args:
        settings: the database.
        environ: where its URL may stand.

    Raises:
        ConfigError: as `Database`.
    """

    batch = 100

    def __init__(self, settings: SqlReturner, environ: Mapping[str, str]) -> None:
        self._database = Database(settings, environ)
        self._made = False

    def give(self, ends: Sequence[HostEnd], until: float) -> None:
        with self._database.errors_translated():
            if not self._made:
                self._database.make_tables()
                self._made = True
            for left in reversed(range(_RACES)):
                try:
                    with self._database.engine.begin() as connection:
                        _write(connection, ends)
                    return
                except (IntegrityError, _Raced):
                    if not left:
                        raise

    def cancel(self) -> None:
        return

    def close(self) -> None:
        self._database.close()


def _write(connection: Connection, ends: Sequence[HostEnd]) -> None:
    for job in {end.job.jid: end.job for end in ends}.values():
        _write_job(connection, job)
        rows = {column(end.host, 255): end for end in ends if end.job.jid == job.jid}
        known = select(returns.c.id, returns.c.state).where(and_(returns.c.jid == job.jid, returns.c.id.in_(rows)))
        there = {row.id: row.state for row in connection.execute(known)}
        new = [_row(id_, end) for id_, end in rows.items() if id_ not in there]
        if new:
            connection.execute(insert(returns), new)
        for id_, end in rows.items():
            if end.result.state is State.RETURNED and there.get(id_, State.RETURNED.value) != State.RETURNED.value:
                this = and_(returns.c.jid == job.jid, returns.c.id == id_)
                connection.execute(update(returns).where(this).values(_row(id_, end)))


def _write_job(connection: Connection, job: Job) -> None:
    load = connection.execute(select(jids.c.load).where(jids.c.jid == job.jid)).scalar()
    if load is None:
        connection.execute(insert(jids), {"jid": job.jid, "load": _load(job, job.hosts)})
        return
    there = json.loads(load)["hosts"]
    hosts = tuple(dict.fromkeys((*there, *job.hosts)))
    if len(hosts) > len(there):
        as_read = and_(jids.c.jid == job.jid, jids.c.load == load)
        if connection.execute(update(jids).where(as_read).values(load=_load(job, hosts))).rowcount == 0:
            raise _Raced


def _load(job: Job, hosts: Sequence[str]) -> str:
    return json.dumps({**job.to_json(), "hosts": list(hosts), "origin": job.origin.value})


def _row(id_: str, end: HostEnd) -> dict[str, str]:
    return {
        "jid": end.job.jid,
        "id": id_,
        "fun": column(end.job.function, 50),
        "state": end.result.state.value,
        "success": "true" if end.result.ret is not None and end.result.ret.ok else "false",
        "full_ret": json.dumps(end.to_json()),
    }
