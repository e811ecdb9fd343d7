"""Signals to a job: left beside it for its supervisor, which alone knows the whole tree; sent from here without one."""
# ruff: noqa: SIM105 (contextlib costs an import)

import os
import time

from . import disk, records, system, tree, wire
from .call import jid_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .call import Call

ANSWER_WITHIN = 15.0
LOOK_AFTER = 0.2
RETURN_WITHIN = 1.0


def signal(call: "Call") -> None:
    """Signal a job's whole tree, through its supervisor while that lives."""
    jid = jid_of(call.request)
    number = call.request.get("signal")
    if not isinstance(number, int) or not 0 < number < 65:
        raise ValueError("no signal %r" % (number,))
    done = deliver(call.book, jid, number, str(call.request.get("by")), call.request.get("nonce"))
    call.say("signalled", jid=jid, **done)
    # Where it has ended, the controller that waits for its return shall have it from this very contact.
    end = time.monotonic() + RETURN_WITHIN
    while done["running"] and not done["survivors"] and time.monotonic() < end:
        if call.book.state(jid)["state"] != wire.RUNNING:
            break
        time.sleep(0.01)
    call.bring()


def deliver(book: records.Records, jid: str, number: int, by: str, nonce: "str | None" = None) -> "dict[str, Any]":
    """Signal a job's tree; return the `signalled` answer: who got it, who lives on, and a sentence.

    With a `nonce`, another dispatch under the same JID gets nothing.
    """
    state = book.find(jid)
    if state["state"] == wire.UNKNOWN or records.is_another(state, nonce):
        return dict(_answer([], [], "Job %s is not running: nothing is known of it here" % jid, False), known=False)
    if state["state"] != wire.RUNNING or "pid" not in state:
        return _answer([], [], "Job %s is not running" % jid, False)
    message = "Signal %d sent to job %s at pid %d" % (number, jid, state["pid"])
    done = _ask(book, jid, number, by, state)
    if done is None:
        state = book.state(jid)
        if state["state"] != wire.RUNNING:
            return _answer([], [], "Job %s is not running" % jid, False)
        done = _send(book, jid, number, by, state)
    if number == tree.SIGKILL:
        return _answer([pid for pid, _ in done["delivered"]], done["survivors"], message, True)
    end = time.monotonic() + LOOK_AFTER
    while True:
        rows = [(system.table.process(int(pid)), start) for pid, start in done["delivered"]]
        alive = [row for row, start in rows if row is not None and row.start == start and not row.dead]
        if not alive or time.monotonic() >= end:
            break
        time.sleep(0.02)
    survivors = [tree.survivor(row, "alive %g s after signal %d" % (LOOK_AFTER, number)) for row in alive]
    return _answer([pid for pid, _ in done["delivered"]], survivors, message, True)


def _answer(delivered: "list[int]", survivors: "list[Any]", message: str, running: bool) -> "dict[str, Any]":
    return {"delivered": delivered, "survivors": survivors, "message": message, "running": running}


def _ask(book: records.Records, jid: str, number: int, by: str, state: "dict[str, Any]") -> "dict[str, Any] | None":
    """Have the supervisor do it; None when it is dead, or does not answer."""
    pid, start, boot = state["supervisor_pid"], state["supervisor_start"], state["boot"]
    if not system.is_process(pid, start, boot):
        return None
    path = book.job(jid, "signal-%d-%s" % (os.getpid(), os.urandom(4).hex()))
    try:
        disk.write(path + ".json", {"signal": number, "by": by})
    except OSError:
        # A full disk must not keep anybody from killing what filled it.
        return None
    row = system.table.process(pid)
    # Somebody may have stopped it, together with everything else of this user.
    if row is None or row.start != start or not (tree.send(row, tree.SIGCONT) and tree.send(row, tree.number("USR1"))):
        disk.remove(path + ".json")
        return None
    end = time.monotonic() + ANSWER_WITHIN
    pause = 0.002
    while time.monotonic() < end:
        done = disk.load(path + ".done")
        if done is not None:
            disk.remove(path + ".done")
            return done
        if not system.is_process(pid, start, boot):
            break
        time.sleep(pause)
        pause = min(pause * 2, 0.05)
    done = disk.load(path + ".done")
    for end_ in (".json", ".done", ".done.new"):
        disk.remove(path + end_)
    return done


def _send(book: records.Records, jid: str, number: int, by: str, state: "dict[str, Any]") -> "dict[str, Any]":
    pid = state["pid"]

    def walk() -> "list[system.ProcessRow]":
        return tree.around(pid, jid)

    try:
        disk.write(book.job(jid, "signalled.json"), {"signal": number, "by": by})
    except OSError:
        # It only explains the end later; a full disk must not keep the signal back.
        pass
    if number != tree.SIGKILL:
        return {"delivered": [[row.pid, row.start] for row in tree.signal(walk, number)], "survivors": []}
    delivered, survivors = tree.kill(walk, lambda: not walk())
    return {"delivered": [[pid, None] for pid in delivered], "survivors": survivors}
