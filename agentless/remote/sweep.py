"""The only code that deletes: what died without a return is recorded as lost, old records become tombstones."""

import fcntl
import os
import time

from . import disk, output, records, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PRUNE_EVERY = 3600.0
LEFTOVER = 86400.0
HELPER = 86400.0
TOMBSTONE = 30 * 86400.0
HOUR = 3600.0


def sweep(book: records.Records, keep_bytes: int) -> None:
    """Record the lost, and once an hour prune; one process of this node at a time, others leave it to that one.

    Args:
        keep_bytes: what all records together may take.
    """
    lock = os.open(book.root + "/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return
        now = time.time()
        bury_lost(book, now)
        if _due(book.root + "/pruned", now, PRUNE_EVERY):
            prune(book, keep_bytes, now)
            _old_helpers(book, now)
            disk.stamp(book.root + "/pruned")
        disk.stamp(book.root + "/swept")
    finally:
        os.close(lock)


def _due(path: str, now: float, every: float) -> bool:
    try:
        return abs(now - os.stat(path).st_mtime) >= every
    except OSError:
        return True


def bury_lost(book: records.Records, now: float) -> None:
    """Take away the proc files of what does not run; where there is no return, record why."""
    for name in os.listdir(book.procs):
        path = book.proc(name)
        if not wire.is_jid(name):
            _remove_old(path, now, LEFTOVER)
            continue
        state = book.state(name)
        if state["state"] == wire.RUNNING:
            continue
        if state["state"] == wire.UNKNOWN and now - os.lstat(path).st_mtime < LEFTOVER:
            continue
        if state["state"] == wire.LOST:
            _record_lost(book, name, state, now)
        disk.remove(path)


def _remove_old(path: str, now: float, age: float) -> None:
    if now - os.lstat(path).st_mtime > age:
        disk.remove(path)


def _record_lost(book: records.Records, jid: str, state: "dict[str, Any]", now: float) -> None:
    state.setdefault("finished", now)
    path = book.job(jid, records.RETURN)
    if os.path.isdir(book.job(jid)) and not os.path.exists(path):
        # Over the room that was reserved for the return.
        disk.place(path, state)
    elif not os.path.lexists(book.job(jid)):
        disk.write(book.job(jid), state)


def prune(book: records.Records, keep_bytes: int, now: float) -> None:
    """Bury the records older than their `keep_returns`, then the oldest until the rest fits into `keep_bytes`."""
    kept = []  # type: list[tuple[float, str, int, dict[str, Any]]]
    total = 0
    for name in os.listdir(book.jobs):
        path = book.job(name)
        if not wire.is_jid(name):
            _remove_old(path, now, LEFTOVER)
            continue
        if not os.path.isdir(path):
            _remove_old(path, now, TOMBSTONE)
            continue
        size = sum(entry.stat(follow_symlinks=False).st_blocks * 512 for entry in os.scandir(path))
        total += size
        ret = disk.load(book.job(name, records.RETURN))
        if ret is None:
            state = book.state(name)
            if state["state"] == wire.LOST:
                _record_lost(book, name, state, now)
            continue
        finished = ret.get("finished") or os.lstat(path).st_mtime
        keep = ret.get("keep_returns")
        if finished + (wire.KEEP_RETURNS if keep is None else keep) * HOUR < now:
            bury(book, name, ret)
            total -= size
        else:
            kept.append((finished, name, size, ret))
    for _, name, size, ret in sorted(kept, key=lambda item: item[0]):
        if total <= keep_bytes:
            break
        bury(book, name, ret)
        total -= size


def bury(book: records.Records, jid: str, ret: "dict[str, Any]") -> None:
    """Remove a finished record; a tombstone stays, so that its dispatch cannot start a second time."""
    message = "this host no longer keeps the record"
    end = {"state": wire.LOST, "kind": "expired", "message": message, "hint": ""}  # type: dict[str, Any]
    for key in ("jid", "nonce", "pid", "started", "finished"):
        end[key] = ret.get(key)
    new = "%s/.tomb-%s" % (book.jobs, jid)
    old = "%s/.old-%s" % (book.jobs, jid)
    # The output goes first: on a full disk, that makes the room for the tombstone.
    for name in output.NAMES:
        disk.remove(book.job(jid, name))
    disk.put(new, end)
    os.rename(book.job(jid), old)
    os.rename(new, book.job(jid))
    disk.remove(old)


def _old_helpers(book: records.Records, now: float) -> None:
    """Remove helpers that nobody used for a day; the one in use says so by its time."""
    used = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    folder = book.state_dir + "/helper"
    if os.path.dirname(used) != folder:
        return
    os.utime(used, None)
    for name in os.listdir(folder):
        path = folder + "/" + name
        if path != used:
            _remove_old(path, now, HELPER)
