"""One call of a controller: what it asks, the room that does it, and the answer in frames, the last of them `end`."""

import os
import time

from . import records, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

SWEEP_EVERY = 60.0
# Each operation's room and function there; only that room is imported, for imports are most of what a call costs.
OPERATIONS = {
    "run": "dispatch.run",
    "follow": "following.follow",
    "fetch": "answers.fetch",
    "running": "node.running",
    "find": "node.find",
    "ping": "node.ping",
    "signal": "signalling.signal",
    "schedule": "placing.place",
}


class Gone(Exception):
    """Nobody reads the answers any more."""


def jid_of(asked: "dict[str, Any]") -> str:
    """The JID in what is asked; ValueError where it is none."""
    jid = asked.get("jid")
    if not wire.is_jid(jid):
        raise ValueError("not a JID: %r" % (jid,))
    return str(jid)


class Call:
    """One call: what it asks, and where the answers go."""

    def __init__(self, book: records.Records, nonce: str, request: "dict[str, Any]", sections: int) -> None:
        self.book = book
        self.nonce = nonce
        self.request = request
        self.sections = sections

    def say(self, t: str, body: "Any" = b"", **meta: "Any") -> None:
        """Answer one frame, whose kind is `t`."""
        meta["t"] = t
        try:
            records.write_all(1, wire.encode(self.nonce, meta, body))
        except BrokenPipeError as e:
            raise Gone from e

    def pour(self, t: str, data: bytes, at: "int | None" = None, **meta: "Any") -> None:
        """Answer `data`, which is at offset `at`, in frames that no other writer can tear.

        A process that a start-up file left behind may print into the same pipe; there, what is written at once stays
        whole up to PIPE_BUF (pipe(7)).
        """
        for start in range(0, len(data), wire.WHOLE):
            if at is not None:
                meta["at"] = at + start
            self.say(t, data[start : start + wire.WHOLE], **meta)

    def refuse(self, kind: str, message: str, hint: str = "") -> None:
        t = "refused" if self.request.get("op") == "run" else "error"
        self.say(t, jid=str(self.request.get("jid") or ""), kind=kind, message=message, hint=hint)

    def take(self, length: int) -> "Any":
        """The next `length` bytes of stdin, in chunks."""
        while length:
            data = os.read(0, min(length, wire.CHUNK))
            if not data:
                raise Gone
            length -= len(data)
            self.sections -= len(data)
            yield data

    def drain(self) -> None:
        """Read what nobody wants, so that the controller is not left waiting to send it."""
        for _ in self.take(self.sections):
            pass

    def bring(self) -> None:
        """Answer, beside what is asked, what the controller still waits for."""
        # Where no schedule ever was, nothing is loaded to look for what it brought.
        scheduled = self.request.get("seen") is not None and os.path.exists(self.book.schedule_lock)
        if self.request.get("want") or scheduled:
            from . import answers

            answers.wanted(self)


def main(state_dir: str, nonce: str, locale: str, umask: int, fresh: bool, asked: bytes, sections: int) -> "NoReturn":
    """Do what is asked and leave; 0 whenever the answer is complete.

    Args:
        state_dir: the state directory, made and checked.
        nonce: of this call, 16 hex digits.
        locale: `x` and LC_CTYPE as the login shell had it, or empty where it was not set.
        umask: the login shell's.
        fresh: the helper was brought by this call.
        asked: the request, JSON.
        sections: bytes that follow on stdin.
    """
    book = records.Records(state_dir)
    call = Call(book, nonce, {}, sections)
    code = wire.EXIT_FAILED
    try:
        try:
            book.make()
            call.request = wire.loads(asked.decode("utf-8"))
            room, _, name = OPERATIONS.get(str(call.request.get("op")), "").partition(".")
            if not room:
                call.refuse("bad-request", "no operation %r" % (call.request.get("op"),))
            else:
                call.request.update(locale=locale, umask=umask, fresh=fresh)
                getattr(__import__(room, globals(), None, [name], 1), name)(call)
        except OSError as e:
            full = e.errno in records.FULL
            hint = "make room on that file system, or set agentless_state_dir" if full else ""
            message = "state directory %s: %s" % (state_dir, e.strerror) if full else str(e)
            call.refuse("disk-full" if full else "os-error", message, hint)
        except (ValueError, KeyError, TypeError, AttributeError) as e:
            call.refuse("bad-request", "%s: %s" % (type(e).__name__, e))
        call.say("end")
        code = 0
        _sweep(call)
    except Gone:
        code = 0
    finally:
        # Past Python's own end: nothing is left to flush, and it saves a millisecond.
        if code == 0:
            os._exit(code)
    raise AssertionError("not reached")


def _sweep(call: Call) -> None:
    """Clean up now and then, after the answer, so that nobody waits for it."""
    try:
        if abs(time.time() - os.stat(call.book.root + "/swept").st_mtime) < SWEEP_EVERY:
            return
    except OSError:
        # It was never swept.
        pass
    try:
        from . import sweep

        sweep.sweep(call.book, call.request.get("keep_bytes") or wire.KEEP_BYTES)
    except (OSError, ImportError):
        # A full disk, or a helper that was replaced while this call was attached: the next call does it.
        pass
