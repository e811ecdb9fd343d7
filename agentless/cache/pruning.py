"""What leaves the job cache: jobs whose time is over, the oldest where there are too many bytes, and leftovers."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from datetime import datetime, timezone

from agentless.cache import folder as names
from agentless.cache.folder import Folder
from agentless.cache.journal import Journal
from agentless.cache.lines import Damaged, line, parse
from agentless.files import TEMPORARY
from agentless.model.jid import new_jid

__all__ = ["Pruned", "is_due", "prune", "stamp"]

HOUR = 3600.0
EVERY = 600.0  # seconds
_OURS = (names.LOCK, names.STAMP, names.HEADS, names.LAST, names.SET_ASIDE)


@dataclass(frozen=True, slots=True)
class Pruned:
    """What pruning did.

    Args:
        jobs: JIDs that were removed, oldest first.
        set_aside: where the files lie now that were no records.
        freed: bytes of disk.
    """

    jobs: tuple[str, ...] = ()
    set_aside: tuple[str, ...] = ()
    freed: int = 0


def is_due(folder: Folder, now: float) -> bool:
    """Whether the cache was not pruned in the last minutes, by any process."""
    try:
        at = parse(folder.first_line(names.STAMP))["at"]
        return not 0 <= now - at < EVERY
    except (Damaged, OSError, KeyError, TypeError):
        return True


def stamp(folder: Folder, now: float) -> None:
    """Note when the cache was pruned, under the lock; raises OSError."""
    folder.replace(names.STAMP, line({"at": now}))


def prune(
    folder: Folder, journal: Journal, now: float, *, keep_jobs: float, max_bytes: int
) -> tuple[Pruned, list[str]]:
    """Prune under the lock.

    Args:
        now: Unix seconds.
        keep_jobs: hours after the last event; hosts that have not ended keep their job for its `keep_returns`.
        max_bytes: of disk.

    Returns:
        What was done, and the JIDs of the finished jobs that are left. Raises OSError and CacheError.
    """
    finished: list[str] = []
    opened: list[str] = []
    aside: list[str] = []
    outputs: set[str] = set()
    sizes: dict[str, int] = {}
    for name in sorted(folder.names()):
        try:
            found = os.lstat(folder.path(name))
        except FileNotFoundError:
            continue
        match = names.NAME.fullmatch(name)
        if match is None or not stat.S_ISREG(found.st_mode):
            if name.endswith(TEMPORARY) and stat.S_ISREG(found.st_mode):
                folder.remove(name)
            elif name not in _OURS and not (match is None and stat.S_ISDIR(found.st_mode)):
                aside.append(folder.set_aside(name))
            continue
        jid, suffix = match.groups()
        if suffix == names.LIVE:
            if not folder.is_live(jid):
                folder.remove(name)
            continue
        sizes[jid] = sizes.get(jid, 0) + found.st_blocks * 512
        if suffix == names.OUTPUT:
            outputs.add(jid)
        else:
            (opened if suffix == names.OPEN else finished).append(jid)

    # what is younger than keep_jobs by its JID had its last event after that; a JID from the future says nothing
    old = new_jid(datetime.fromtimestamp(max(0.0, now - keep_jobs * HOUR), timezone.utc))
    future = new_jid(datetime.fromtimestamp(now + HOUR, timezone.utc))
    over = []
    for jid in opened[:]:
        if (record := journal.read(jid)) is None:
            opened.remove(jid)
            continue
        if record.settled():
            if not folder.is_live(jid):
                journal.finish(record)
                opened.remove(jid)
                finished.append(jid)
        elif record.last + max(keep_jobs, record.job.keep_returns) * HOUR < now and not folder.is_live(jid):
            over.append(jid)
    for jid in finished:
        perhaps = (jid < old or jid > future) and not folder.is_live(jid)
        if perhaps and (row := journal.row(jid)) and row.last_event + keep_jobs * HOUR < now:
            over.append(jid)
    gone = set(over)
    total = sum(sizes.values()) - sum(sizes[jid] for jid in gone)
    # what has ended goes before what has not; neither while its run lives
    for jid in (*sorted(finished), *sorted(opened)):
        if total <= max_bytes:
            break
        if jid not in gone and not folder.is_live(jid):
            gone.add(jid)
            total -= sizes[jid]

    freed = 0
    for jid in gone:
        for suffix in (names.OPEN, names.FINISHED, names.OUTPUT):
            freed += folder.remove(jid + suffix)
    for jid in outputs.difference(finished, opened):
        # A record that was left alone is one of a newer version, and its output is its own.
        if folder.exists(jid + names.OPEN) or folder.exists(jid + names.FINISHED):
            continue
        freed += folder.remove(jid + names.OUTPUT)
    return Pruned(tuple(sorted(gone)), tuple(aside), freed), [jid for jid in finished if jid not in gone]
