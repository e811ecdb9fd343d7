"""The processes of one job, and signals to all of them.

Under a supervisor that is a subreaper (Linux), the tree is its descendants. Without one, it is the descendants of the
job's first process, their sessions and process groups, and whoever carries the job's AGENTLESS_JID in its environment.
"""
# ruff: noqa: SIM105 (contextlib costs an import)

import _signal  # type: ignore[import-not-found]
import os
import time

from . import system

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

SIGKILL = int(_signal.SIGKILL)
SIGTERM = int(_signal.SIGTERM)
SIGSTOP = int(_signal.SIGSTOP)
SIGCONT = int(_signal.SIGCONT)
# How long sudo has to end its child, which only it may signal.
GRACE = 1.0
STOPPING = 0.5
CHASING = 0.05
KILL_WITHIN = 10.0


def number(name: str) -> int:
    """Of a signal."""
    return int(getattr(_signal, "SIG" + name))


def below(root: int) -> "list[system.ProcessRow]":
    """The live descendants of a process, parents first, and who shares a session with one of them."""
    return _members(system.table.table(), [root], ())


def around(pid: int, jid: str, alive: bool = True) -> "list[system.ProcessRow]":
    """The live processes of a job without a subreaper: its first process, its session, and who carries its JID.

    Args:
        jid: looked for in environments.
        alive: the first process has not been reaped, so that its PID is not another's by now.
    """
    rows = system.table.table()
    tag = b"AGENTLESS_JID=" + jid.encode("ascii")
    first = [rows[pid]] if alive and pid in rows and not rows[pid].dead else []
    mine = alive or pid not in rows
    session = [row.pid for row in rows.values() if mine and row.sid == pid]
    others = [other for other in rows if other not in session]
    marked = [other for other in session + system.table.tagged(others, tag) if other != pid]
    return first + _members(rows, [pid] if alive else [], marked)


def _members(
    rows: "dict[int, system.ProcessRow]", roots: "list[int]", marked: "list[int] | tuple[()]"
) -> "list[system.ProcessRow]":
    children = {}  # type: dict[int, list[system.ProcessRow]]
    for row in rows.values():
        children.setdefault(row.ppid, []).append(row)
    me = os.getpid()
    mine = os.getsid(0) if system.LINUX else os.getpgrp()
    members = {}  # type: dict[int, system.ProcessRow]
    todo = list(roots)
    for pid in marked:
        if pid != me and pid in rows:
            members[pid] = rows[pid]
            todo.append(pid)
    while todo:
        for row in children.get(todo.pop(0), ()):
            if row.pid not in members and row.pid not in roots and row.pid != me:
                members[row.pid] = row
                todo.append(row.pid)
    sessions = {row.sid for row in members.values()}
    sessions.discard(mine)
    sessions.discard(0)
    for row in rows.values():
        if row.sid in sessions and row.pid not in members and row.pid not in roots and row.pid != me:
            members[row.pid] = row
    return [row for row in members.values() if not row.dead]


def send(row: "system.ProcessRow", number: int) -> "bool | None":
    """Signal one process, if it still is that one: True delivered, None not permitted, False gone."""
    pidfd = None
    try:
        if hasattr(os, "pidfd_open") and hasattr(_signal, "pidfd_send_signal"):
            # The kernel may refuse pidfds (before 5.3, some sandboxes); the PID will have to do then.
            try:
                pidfd = os.pidfd_open(row.pid)  # novm
            except ProcessLookupError:
                return False
            except OSError:
                pidfd = None
        now = system.table.process(row.pid)
        if now is None or now.start != row.start or now.dead:
            return False
        if pidfd is None:
            os.kill(row.pid, number)
        else:
            _signal.pidfd_send_signal(pidfd, number)
        return True
    except ProcessLookupError:
        return False
    except PermissionError:
        return None
    finally:
        if pidfd is not None:
            os.close(pidfd)


def survivor(row: "system.ProcessRow", reason: str) -> "dict[str, object]":
    return {"pid": row.pid, "user": system.user_name(system.table.uid(row.pid)), "reason": reason}


def kill(
    walk: "Callable[[], list[system.ProcessRow]]", gone: "Callable[[], bool]", limit: float = KILL_WITHIN
) -> "tuple[list[int], list[dict[str, object]]]":
    """SIGKILL a whole tree and what it forks meanwhile; return the PIDs signalled, and who survived `limit` seconds.

    Everything is stopped first, so that nobody sees another's death and starts it again; by process group too, because
    a fork does not escape a signal to its group.

    Args:
        walk: the live processes of the tree.
        gone: reaps; True when the tree is known to be empty.
    """
    begun = time.monotonic()
    end = begun + limit
    delivered = {}  # type: dict[int, None]
    _release(walk, gone, delivered, min(limit, GRACE))
    pause = 0.001
    while True:
        rows = walk()
        stopping = min(end, time.monotonic() + STOPPING)
        stopped = set()  # type: set[int]
        while rows and time.monotonic() < stopping:
            fresh = [row for row in rows if row.pid not in stopped]
            if not fresh:
                break
            _groups(fresh, SIGSTOP)
            for row in fresh:
                send(row, SIGSTOP)
                stopped.add(row.pid)
            rows = walk()
        for row in rows:
            if send(row, SIGKILL):
                delivered[row.pid] = None
        _groups(rows, SIGKILL)
        if _chase(gone):
            return list(delivered), []
        rows = walk()
        locked = bool(rows) and all(send(row, 0) is None for row in rows)
        # What belongs to another user does not become killable by waiting; its own end is given a moment.
        if time.monotonic() >= (min(end, begun + GRACE) if locked else end):
            break
        time.sleep(pause)
        pause = min(pause * 2, 0.05)
        if gone():
            return list(delivered), []
    survivors = []
    for row in walk():
        verdict = send(row, 0)
        if verdict is None:
            survivors.append(survivor(row, "not permitted: it runs as another user"))
        elif verdict:
            reason = "in uninterruptible sleep (D)" if row.state == "D" else "still there %g s after SIGKILL" % limit
            survivors.append(survivor(row, reason))
    if not survivors and not gone():
        survivors.append({"pid": None, "user": "?", "reason": "a child that this user cannot see (hidepid)"})
    return list(delivered), survivors


def _groups(rows: "list[system.ProcessRow]", number: int) -> None:
    mine = os.getpgrp()
    for group in {row.pgid for row in rows}:
        if group > 1 and group != mine:
            try:
                os.killpg(group, number)
            except (ProcessLookupError, PermissionError):
                # It is gone, or another user's; each process is signalled by itself, too.
                pass


def _chase(gone: "Callable[[], bool]") -> bool:
    # A chain in which each forks the next one and dies is always somewhere else by the end of a walk. But each link
    # becomes a child of this process for as long as its own fork takes, and cannot finish that once SIGKILL is pending.
    end = time.monotonic() + CHASING
    while time.monotonic() < end:
        for pid in system.children():
            try:
                # Not reaped yet, so the PID is nobody else's.
                os.kill(pid, SIGKILL)
            except (ProcessLookupError, PermissionError):
                # It is gone, or another user's: the walk that follows tells which.
                pass
        if gone():
            return True
    return False


def _release(
    walk: "Callable[[], list[system.ProcessRow]]",
    gone: "Callable[[], bool]",
    delivered: "dict[int, None]",
    limit: float,
) -> None:
    # Another user's process below one of ours is sudo's child: only sudo can end it, and does when it gets a SIGTERM.
    end = time.monotonic() + limit
    signalled = set()  # type: set[int]
    while time.monotonic() < end and not gone():
        rows = walk()
        locked = {row.ppid for row in rows if send(row, 0) is None}
        if not locked:
            return
        for row in rows:
            if row.pid in locked and row.pid not in signalled and send(row, SIGTERM):
                signalled.add(row.pid)
                delivered[row.pid] = None
                send(row, SIGCONT)
        if not signalled:
            return
        time.sleep(0.01)


def signal(walk: "Callable[[], list[system.ProcessRow]]", number: int) -> "list[system.ProcessRow]":
    """Send a signal once to every process of the tree, parents first; return those that got it."""
    got = []
    seen = set()  # type: set[int]
    for _ in range(2):
        for row in walk():
            if row.pid not in seen:
                seen.add(row.pid)
                if send(row, number):
                    got.append(row)
    return got
