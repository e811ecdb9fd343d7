"""One tick of the schedule, which cron starts each minute: fire what is due now, and what comes due within it."""
# ruff: noqa: SIM105 (contextlib costs an import)

import _signal  # type: ignore[import-not-found]
import os
import sys
import time

from . import clock, disk, evaluator, records, schedule_dir, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

MINUTE = 60
# What Python makes of a locale that cron leaves open (PEP 538).
COERCED = (b"C.UTF-8", b"C.utf8", b"UTF-8")
# An entry that is gone keeps its history for so long: should it come again, it must not fire twice.
FORGET = 7 * 86400


def main(state_dir: str) -> "NoReturn":
    """Tick until the minute is over or nothing more is due in it, and leave."""
    os.umask(0o077)
    code = 1
    try:
        book = book_of(state_dir)
        now = time.time()
        left = MINUTE - now % MINUTE
        end, leave = now + left, time.monotonic() + left
        while True:
            look = tick(book)
            # The clock may be set meanwhile; another tick comes in any case.
            wait = min(look - time.time(), leave - time.monotonic())
            if look >= end or wait > left or time.monotonic() >= leave:
                break
            time.sleep(max(wait, 0.0))
        code = 0
    finally:
        if code == 0:
            os._exit(code)
    sys.exit(code)


def book_of(state_dir: str) -> records.Records:
    """The records beside which this helper lies: the host may have been renamed since the push."""
    return records.Records(state_dir, os.path.abspath(__file__ + "/../../../../.."))


def tick(book: records.Records) -> float:
    """Fire what is due; return when to look again."""
    with schedule_dir.ScheduleDir(book) as kept:
        pushed = kept.load("entries")
        if not pushed:
            raise FileNotFoundError("what was pushed is gone: %s" % kept.path("entries.json"))
        # First, and it needs no room: on a full disk nothing can fire, but cron has done its part.
        disk.stamp(kept.path("ticked"))
        fires, look = due(kept, pushed, time.time())
    for entry, fire in fires:
        why = start(book, pushed, entry, fire.jid, kept.path("files"))
        kept.note(time.time(), entry["name"], jid=fire.jid, nominal=fire.nominal, error=why)
    return look


def due(
    kept: schedule_dir.ScheduleDir, pushed: "dict[str, Any]", now: float
) -> "tuple[list[tuple[dict[str, Any], evaluator.Fire]], float]":
    """What is to be fired now, once it is on disk that it was; and when to look again."""
    state = kept.load("state")
    histories = state.setdefault("history", {})
    opened = state.setdefault("open", [])
    before = len(opened)
    counts = kept.running(state) if opened else {}
    changed = len(opened) != before
    fires = []
    look = float("inf")
    for entry in pushed["entries"]:
        name = entry["name"]
        old = histories.get(name)
        running = counts.get(name, 0) if entry["job"]["jid_include"] else 0
        zone = clock.zone(pushed["zones"], entry.get("zone"))
        try:
            done = evaluator.evaluate(entry, old, now, pushed["host"], zone, running)
        except Exception as e:  # noqa: BLE001 (whatever it is, it is this entry's, and the others are due)
            kept.note(now, name, error="it cannot be evaluated: %s: %s" % (type(e).__name__, e))
            continue
        look = min(look, done.look)
        for skip in done.skips:
            kept.note(now, name, skip=skip.reason, first=skip.first, last=skip.last, count=skip.count)
        for fire in done.fires:
            fires.append((entry, fire))
            opened.append([fire.jid, name, now, entry["job"]["return_job"]])
        if done.history is not old:
            histories[name] = done.history
            changed = True
    if changed:
        names = {entry["name"] for entry in pushed["entries"]}
        for name in set(histories) - names:
            if histories[name]["n"] < now - FORGET:
                del histories[name]
        kept.save("state", state)
    return fires, look


def start(
    book: records.Records, pushed: "dict[str, Any]", entry: "dict[str, Any]", jid: str, files: str
) -> "str | None":
    """Start one fire as a job; return why it could not be."""
    from .launch import launch
    from .start import CannotStart, Start

    job = entry["job"]
    request = {key: job.get(key) for key in wire.JOB}
    request.update(jid=jid, nonce=os.urandom(8).hex(), tgt_type="compound", schedule=entry["name"])
    request.update(shell=job.get("shell") or "/bin/sh", hosts=job.get("hosts"), keep=job["return_job"])
    request.update((key, pushed.get(key)) for key in wire.PUSHED)
    if pushed["env"] is None:
        env = dict(os.environb)
        if env.get(b"LC_CTYPE") in COERCED:
            del env[b"LC_CTYPE"]
    else:
        env = {wire.raw(key): wire.raw(value) for key, value in pushed["env"].items()}
    env.update((wire.raw(key), wire.raw(value)) for key, value in (job.get("env") or {}).items())
    env[b"AGENTLESS_JID"] = jid.encode("ascii")
    env[b"AGENTLESS_HOST"] = wire.raw(pushed.get("host") or "")
    new = "%s/.new-%s-%d" % (book.jobs, jid, os.getpid())
    try:
        os.mkdir(new, 0o700)
        try:
            for name in ("script", "stdin"):
                if job.get(name):
                    _copy(files + "/" + job[name], new + "/" + name)
            hup = _signal.signal(_signal.SIGHUP, _signal.SIG_IGN)
            end_pipe, reply = launch(Start(book, request, env, new, pushed["umask"], set()))
            _signal.signal(_signal.SIGHUP, hup)
            os.close(end_pipe)
        except BaseException:
            disk.remove(new)
            raise
    except OSError as e:
        reply = CannotStart(*disk.refusal("state-dir", e, book.state_dir)).reply
    if reply["t"] == "exists":
        state = book.state(jid)
        if state.get("nonce") != request["nonce"]:
            return "same-jid: there is a record of this JID; two entries may share the six digits that end their JIDs"
        reply = dict(state, t="refused" if state["state"] == wire.NOT_STARTED else "accepted")
    if reply["t"] != "refused":
        return None
    # As a tombstone it comes home like any other fire.
    request.update(state=wire.NOT_STARTED, kind=reply["kind"], message=reply["message"], hint=reply.get("hint") or "")
    request["finished"] = time.time()
    try:
        disk.write(book.job(jid), request)
    except OSError:
        # The disk is full: the log has it, or nothing does.
        pass
    return "%s: %s" % (reply["kind"], reply["message"])


def _copy(source: str, target: str) -> None:
    with open(source, "rb") as old, open(target, "wb") as new:
        while True:
            data = old.read(wire.CHUNK)
            if not data:
                break
            new.write(data)
