"""What the loader starts: one request, the room of its operation, and the answers, the last of them `end`."""

import os
import time

from . import records, wire
from .call import Call, Gone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

SWEEP_EVERY = 60.0
# Each operation's room and function there; only that room is imported, for imports are most of what a call costs.
OPERATIONS = {
    "run": "dispatch.run",
    "follow": "follow.follow",
    "fetch": "fetch.fetch",
    "running": "node.running",
    "find": "node.find",
    "ping": "node.ping",
    "signal": "signalling.signal",
    "schedule": "push.place",
}


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
    call = Call(book, nonce, {}, sections, bring)
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


def bring(call: Call) -> None:
    """Answer, beside what is asked, what the controller still waits for."""
    # Where no schedule ever was, nothing is loaded to look for what it brought.
    scheduled = call.request.get("seen") is not None and os.path.exists(call.book.schedule_lock)
    if call.request.get("want") or scheduled:
        from . import fetch

        fetch.wanted(call)


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
