"""What the loader starts: one request, the room of its operation, and the answers, the last of them `end`."""
# ruff: noqa: SIM105 (contextlib costs an import)

import os
import sys
import time

from . import disk, records, rooms, system, wire
from .call import Call, Gone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

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
    "put": "put.put",
    "get": "get.get",
}


def main(state_dir: str, nonce: str, locale: str, umask: int, fresh: bool, request: bytes, sections: int) -> "NoReturn":
    """Do what is asked and leave; 0 whenever the answer is complete.

    Args:
        state_dir: the state directory, made and checked.
        nonce: of this call, 16 hex digits.
        locale: `x` and LC_CTYPE as the login shell had it, or empty where it was not set.
        umask: the login shell's.
        fresh: the helper was brought by this call.
        request: the request, JSON.
        sections: bytes that follow on stdin.
    """
    call = Call(nonce, sections, bring)
    code = wire.EXIT_FAILED
    try:
        try:
            call.request = wire.loads(request.decode("utf-8"))
            if "rooms" in call.request:
                _add(call.request.pop("rooms"))
            call.book = records.Records(state_dir)
            room, _, name = OPERATIONS.get(str(call.request.get("op")), "").partition(".")
            if not room:
                call.refuse("bad-request", "no operation %r" % (call.request.get("op"),))
            else:
                call.request.update(locale=locale, umask=umask, fresh=fresh)
                getattr(load(room), name)(call)
        except OSError as e:
            call.refuse(*disk.refusal("os-error", e, state_dir))
        except (ValueError, KeyError, TypeError, AttributeError) as e:
            call.refuse("bad-request", "%s: %s" % (type(e).__name__, e))
        except DamagedHelper as e:
            call.refuse("helper", "the helper on the host is damaged: %s" % e, "the next call brings it anew")
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


class DamagedHelper(Exception):
    """A room of the helper cannot be loaded."""


def load(name: str) -> "Any":
    """A room of the helper. Files that a power cut damaged are put away: bytecode is made anew, sources are brought."""
    folder = os.path.dirname(os.path.abspath(__file__))
    for old in (folder + "/__pycache__", os.path.dirname(folder)):
        try:
            return __import__(name, globals(), None, [name], 1)
        except Exception as e:  # noqa: BLE001 (marshal raises whatever it comes to)
            why = "%s: %s" % (type(e).__name__, e)
            if os.path.isdir(old):
                os.rename(old, "%s.%s.old" % (os.path.dirname(folder), os.urandom(4).hex()))
    raise DamagedHelper(why)


def _add(package: str) -> None:
    """Add rooms to the helper: those that only a schedule or files need come in the request."""
    import binascii
    import zlib

    folder = os.path.dirname(os.path.abspath(__file__))
    for name, source in eval(zlib.decompress(binascii.a2b_base64(package))).items():
        path = folder + "/" + name
        # What lies there counts, which another controller may have brought since the bytecode was gathered.
        rooms.pop("remote." + name[:-3], None)
        try:
            if system.read(path, len(source) + 1) == source:
                continue
        except FileNotFoundError:
            # As on the first call of this kind.
            pass
        new = "%s.%d" % (path, os.getpid())
        disk.store(new, source)
        os.rename(new, path)
    # What Python knows of the directory may be as young as the change.
    sys.path_importer_cache.clear()


def bring(call: Call) -> None:
    """Answer, beside what is asked, what the controller still waits for."""
    # Where no schedule ever was, nothing is loaded to look for what it brought.
    scheduled = call.request.get("seen") is not None and os.path.exists(call.book.schedule_lock)
    if call.request.get("want") or scheduled:
        try:
            load("fetch").wanted(call)
        except records.BROKEN + (DamagedHelper,):
            # What is asked is not to fail for what comes beside it.
            pass


def _sweep(call: Call) -> None:
    """Clean up now and then, after the answer, so that nobody waits for it."""
    try:
        if abs(time.time() - os.stat(call.book.root + "/swept").st_mtime) < SWEEP_EVERY:
            return
    except OSError:
        # It was never swept.
        pass
    try:
        load("sweep").sweep(call.book, call.request.get("keep_bytes") or wire.KEEP_BYTES)
    except (OSError, DamagedHelper):
        # A full disk, or a helper that was replaced while this call was attached: the next call does it.
        pass
