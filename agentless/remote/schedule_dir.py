"""What a host keeps of its schedule, and the sequence of what it fired and has ended.

<node>/schedule/entries.json   what was pushed        state.json   what became of it (see `State`)
                log, log.old   fires, skips and errors, a JSON line each
                files/<sha256> scripts, inputs        helper/<sha256>/   what the crontab's line starts
                ticked         its time is the last tick's
<node>/schedule.lock           held while entries or state change, never while something runs
<node>/finished                32 bytes of head: the sequence's id and the number of its first line; then the JIDs of
                               fires that have ended, a line each, in that order; each controller has its place in it
"""

import fcntl
import os
import time

from . import disk, records, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FORMAT = 1
LINE = 21
HEAD = 32
SEQUENCE_MAX = 2 << 20
LOG_MAX = 1 << 18
HOME_MAX = 100
# So long may a fire take from being noted to having a record.
STARTING = 120.0


class ScheduleDir:
    """The schedule of one user on this node; a context manager that holds its lock."""

    def __init__(self, book: records.Records) -> None:
        self.book = book
        self.root = book.root + "/schedule"
        self.lock = -1

    def path(self, name: str) -> str:
        return self.root + "/" + name

    def take(self, wait: bool = True) -> bool:
        """Hold the lock; False where another has it and this one does not `wait`."""
        self.lock = os.open(self.book.schedule_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(self.lock)
            return False
        return True

    def __enter__(self) -> "ScheduleDir":
        self.take()
        return self

    def __exit__(self, *exception: object) -> None:
        os.close(self.lock)

    def load(self, name: str) -> "dict[str, Any]":
        """`entries` or `state`; empty where there is none, or one that a later helper wrote."""
        document = disk.load(self.path(name + ".json"))
        return document if document is not None and document.get("format") == FORMAT else {}

    def save(self, name: str, value: "dict[str, Any]") -> None:
        value["format"] = FORMAT
        disk.write(self.path(name + ".json"), value)

    def note(self, now: float, name: str, **what: "Any") -> None:
        """Write down what happened to an entry."""
        path = self.path("log")
        what.update(at=now, name=name)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            disk.write_all(fd, wire.dumps(what).encode("ascii") + b"\n")
            if os.fstat(fd).st_size > LOG_MAX:
                os.rename(path, path + ".old")
        except OSError as e:
            # What is due is not to wait for the log.
            if e.errno not in disk.FULL:
                raise
        finally:
            os.close(fd)

    def running(self, state: "dict[str, Any]") -> "dict[str, int]":
        """How many fires of each entry run, by the identities in their proc files.

        Those that have ended are taken out of `state`, and enter the sequence; call it with the lock held.
        """
        counts = {}  # type: dict[str, int]
        now = time.time()
        for fire in state.get("open", [])[:]:
            jid, name, at, home = fire
            job_state = self.book.state(jid)["state"]
            if job_state == wire.RUNNING or (job_state == wire.UNKNOWN and abs(now - at) < STARTING):
                counts[name] = counts.get(name, 0) + 1
                continue
            if job_state == wire.UNKNOWN:
                self.note(now, name, jid=jid, error="it never started: the tick that was to start it is gone")
            elif home:
                self.append(jid)
            state["open"].remove(fire)
        return counts

    def append(self, jid: str) -> None:
        """Add a fire that has ended to the sequence; on disk when this returns."""
        fd = os.open(self.book.root + "/finished", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(fd).st_size
            if size < HEAD:
                size = os.pwrite(fd, b"%s %014d\n" % (os.urandom(8).hex().encode(), 0), 0)
            if size > SEQUENCE_MAX:
                size = self._halve(fd, size)
            # A full disk may have left a torn line.
            os.pwrite(fd, jid.encode("ascii") + b"\n", size - (size - HEAD) % LINE)
            os.fsync(fd)
        finally:
            os.close(fd)

    def _halve(self, fd: int, size: int) -> int:
        dropped = (size - HEAD) // LINE // 2
        name, base = os.pread(fd, HEAD, 0).split()
        rest = b"%s %014d\n" % (name, int(base) + dropped) + os.pread(fd, size, HEAD + dropped * LINE)
        # Who reads meanwhile gets lines that are none, and comes again.
        os.ftruncate(fd, 0)
        return os.pwrite(fd, rest, 0)


def gather(book: records.Records) -> None:
    """Let what has ended since the last tick enter the sequence, unless a tick is about to do so."""
    kept = ScheduleDir(book)
    if not os.path.exists(kept.path("state.json")) or not kept.take(False):
        return
    try:
        state = kept.load("state")
        before = len(state.get("open", ()))
        if before:
            kept.running(state)
            if len(state["open"]) < before:
                kept.save("state", state)
            if not state["open"] and not state["history"]:
                disk.remove(kept.root)
    finally:
        os.close(kept.lock)


def since(book: records.Records, seen: "dict[str, int]") -> "tuple[str, int, list[str]]":
    """What a controller has not seen of the sequence.

    Args:
        seen: by the sequence's id, how many it has had.

    Returns:
        The id, the number of the first JID, and the JIDs, 100 at most.
    """
    try:
        fd = os.open(book.root + "/finished", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return "", 0, []
    try:
        head = os.pread(fd, HEAD, 0).decode("ascii", "replace").split()
        if len(head) != 2 or not head[1].isdigit():
            return "", 0, []
        name, base = head[0], int(head[1])
        last = base + (os.fstat(fd).st_size - HEAD) // LINE
        at = min(max(int(seen.get(name) or 0), base), last)
        lines = os.pread(fd, HOME_MAX * LINE, HEAD + (at - base) * LINE).decode("ascii", "replace").split("\n")
    finally:
        os.close(fd)
    return name, at, [line for line in lines if wire.is_jid(line)]
