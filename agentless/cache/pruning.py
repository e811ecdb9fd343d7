"""What leaves the job cache: jobs whose time is over, the oldest where there are too many bytes, and leftovers."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

from agentless.cache import file_names
from agentless.cache.folder import Folder
from agentless.cache.head import SAYS_LEARNED, SAYS_ORIGIN, decode_head
from agentless.cache.journal import Journal
from agentless.cache.json_line import DamagedRecord, dump, parse, time_of
from agentless.cache.listing import Listing
from agentless.cache.owed import Owed, debt_of
from agentless.cache.record_lines import AT
from agentless.files import TEMPORARY, unless_full
from agentless.model.jid import JID, new_jid
from agentless.model.job import Origin
from agentless.values import dataclass

__all__ = ["Pruned", "is_due", "prune", "stamp"]

HOUR = 3600.0
EVERY = 600.0  # seconds
LEARNED_JOBS = 50_000
_BLOCK = 4096
_OURS = (file_names.LOCK, file_names.PRUNED, file_names.HEADS, file_names.LAST, file_names.SET_ASIDE)


@dataclass(frozen=True, slots=True)
class Pruned:
    """What pruning did.

    Args:
        jobs: JIDs that were removed, oldest first.
        set_aside: where the files lie now that were no records.
        freed: bytes of disk.
        undelivered: what returners have not had of the jobs that were removed, a line for each job.
    """

    jobs: tuple[JID, ...] = ()
    set_aside: tuple[str, ...] = ()
    freed: int = 0
    undelivered: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What was removed.

        Keys:
            jobs (list of strings): JIDs, oldest first.
            set_aside (list of strings): where the files lie now that were no records.
            freed (integer): bytes of disk.
        """
        return {"jobs": list(self.jobs), "set_aside": list(self.set_aside), "freed": self.freed}


def is_due(folder: Folder, now: float) -> bool:
    """Whether the cache was not pruned in the last minutes, by any process."""
    try:
        return not 0 <= now - time_of(parse(folder.first_line(file_names.PRUNED)), AT) < EVERY
    except (DamagedRecord, OSError):
        return True


def stamp(folder: Folder, now: float) -> None:
    """Note when the cache was pruned, under the lock; raises OSError."""
    folder.replace(file_names.PRUNED, dump({AT: now}))


def prune(
    folder: Folder, journal: Journal, listing: Listing, owed: Owed, now: float, *, keep_jobs: float, max_bytes: int
) -> tuple[Pruned, list[JID]]:
    """Prune under the lock.

    Args:
        now: Unix seconds.
        keep_jobs: hours after the last event; hosts that have not ended keep their job for its `keep_returns`.
        max_bytes: of disk. Of jobs that were only learned of a host may tell as many as it likes: they get half of it.

    Returns:
        What was done, and the JIDs of the finished jobs that are left. Raises OSError and CacheError.
    """
    finished: list[JID] = []
    opened: list[JID] = []
    aside: list[str] = []
    beside: set[JID] = set()
    sizes: dict[JID, int] = {}
    for name in sorted(folder.names()):
        try:
            status = os.lstat(folder.path(name))
        except FileNotFoundError:
            continue
        of_job = file_names.of_job(name)
        if of_job is None or not stat.S_ISREG(status.st_mode):
            if name.endswith(TEMPORARY) and stat.S_ISREG(status.st_mode):
                folder.remove(name)
            elif name not in _OURS and not (of_job is None and stat.S_ISDIR(status.st_mode)):
                aside.append(folder.set_aside(name))
            continue
        jid, suffix = of_job
        if suffix == file_names.LIVE:
            if not folder.is_live(jid):
                folder.remove(name)
            continue
        sizes[jid] = sizes.get(jid, 0) + status.st_blocks * 512
        if suffix in (file_names.OUTPUT, file_names.SENT):
            beside.add(jid)
        else:
            (opened if suffix == file_names.OPEN else finished).append(jid)

    # what is younger than keep_jobs by its JID had its last event after that; a JID from the future says nothing
    old = new_jid(datetime.fromtimestamp(max(0.0, now - keep_jobs * HOUR), timezone.utc))
    future = new_jid(datetime.fromtimestamp(now + HOUR, timezone.utc))
    owing = set(owed.jids())
    over = []
    for jid in opened[:]:
        if (record := journal.readable(jid)) is None:
            opened.remove(jid)
            continue
        if folder.is_live(jid):
            continue
        settled = record.settled()
        if settled:
            # To write it anew needs room, and what is removed below makes it.
            with unless_full():
                journal.finish(record)
                opened.remove(jid)
                finished.append(jid)
            if finished[-1:] == [jid]:
                continue
        keep = keep_jobs if settled and jid not in owing else max(keep_jobs, record.job.keep_returns)
        if record.last + keep * HOUR < now:
            over.append(jid)
    for jid in finished:
        perhaps = (jid < old or jid > future) and not folder.is_live(jid)
        if perhaps and (row := journal.row(jid)):
            # What a returner has not had is kept as long as what a host has not returned.
            keep = max(keep_jobs, row.job.keep_returns) if jid in owing else keep_jobs
            if row.last_event + keep * HOUR < now:
                over.append(jid)
    gone = set(over)
    left = [jid for jid in (*finished, *opened) if jid not in gone and not folder.is_live(jid)]
    learned = _learned(folder, listing, left)
    gone.update(_too_many(journal, learned, sizes, max_bytes // 2, LEARNED_JOBS))
    total = sum(sizes.values()) - sum(sizes[jid] for jid in gone)
    if total > max_bytes:
        # what was learned of goes first, and what has ended and was had by all returners before what was not
        wanted = owing.union(opened)
        sent = sorted(set(left).difference(learned, gone), key=lambda jid: (jid in wanted, _last_event(journal, jid)))
        for jid in (*_largest_shares(journal, learned, sizes), *sent):
            if total <= max_bytes:
                break
            if jid not in gone:
                gone.add(jid)
                total -= sizes[jid]

    undelivered = [line for jid in sorted(gone & owing) if (line := _undelivered(journal, owed, jid))]
    freed = 0
    for jid in gone:
        for suffix in (file_names.OPEN, file_names.FINISHED, file_names.OUTPUT, file_names.SENT):
            freed += folder.remove(jid + suffix)
    for jid in beside.difference(finished, opened):
        # A record that was left alone is one of a newer version, and its output is its own.
        if folder.exists(jid + file_names.OPEN) or folder.exists(jid + file_names.FINISHED):
            continue
        freed += folder.remove(jid + file_names.OUTPUT) + folder.remove(jid + file_names.SENT)
    for jid in owed.jids(also_had=True):
        if jid in sizes and jid not in gone:
            continue
        if jid in owing and jid not in gone:
            undelivered.append(f"job {jid} is gone from the job cache, and returners may not have had all of it")
        owed.remove(jid)
    return Pruned(tuple(sorted(gone)), tuple(aside), freed, tuple(undelivered)), [
        jid for jid in finished if jid not in gone
    ]


def _undelivered(journal: Journal, owed: Owed, jid: JID) -> str | None:
    """What returners will never have of a job that is removed."""
    record = journal.readable(jid)
    counts = debt_of(record, owed, held=False).count() if record is not None else {}
    if not counts:
        return None
    missed = ", ".join(f"{name} lacks {count} return{'s'[: count > 1]}" for name, count in counts.items())
    return f"job {jid} left the job cache before returners had all of it: {missed}"


def _learned(folder: Folder, listing: Listing, jids: Iterable[JID]) -> list[JID]:
    """Those of them that were only learned of."""
    heads = listing.heads()
    learned = []
    for jid in jids:
        head = heads.get(jid, b"")
        for name in (jid + file_names.FINISHED, jid + file_names.OPEN):
            if not head:
                with contextlib.suppress(OSError):
                    head = folder.first_line(name)
        with contextlib.suppress(DamagedRecord):
            if SAYS_LEARNED in head or (
                SAYS_ORIGIN not in head and decode_head(head, jid).job.origin is Origin.LEARNED
            ):
                learned.append(jid)
    return learned


def _too_many(
    journal: Journal, learned: list[JID], sizes: Mapping[JID, int], most_bytes: int, most: int
) -> Iterator[JID]:
    """Which of these have to go so that no more than so many stay, with no more than so many bytes."""
    count, total = len(learned), sum(sizes[jid] for jid in learned)
    if count <= most and total <= most_bytes:
        return
    for jid in _largest_shares(journal, learned, sizes):
        yield jid
        count, total = count - 1, total - sizes[jid]
        if count <= most and total <= most_bytes:
            return


def _largest_shares(journal: Journal, learned: Iterable[JID], sizes: Mapping[JID, int]) -> list[JID]:
    """In the order in which they go: the oldest of the host that told of the most, so that one host drives out its own.

    How old they are is told by this controller's clock, never by their JIDs, which are the hosts' words.
    """
    rows = [row for row in map(journal.row, learned) if row is not None]
    shares: dict[str, int] = {}
    order = []
    for row in sorted(rows, key=lambda row: row.last_event, reverse=True):
        host = row.job.hosts[0] if row.job.hosts else ""
        shares[host] = shares.get(host, 0) + max(sizes[row.job.jid], _BLOCK)
        order.append((shares[host], -row.last_event, row.job.jid))
    return [jid for _, _, jid in sorted(order, reverse=True)]


def _last_event(journal: Journal, jid: JID) -> float:
    row = journal.row(jid)
    return row.last_event if row else 0.0
