"""What a node tells of itself: who answers, and which jobs run (Salt's proc system)."""

import os
import sys
import time

from . import records, system, wire
from .call import jid_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .call import Call


def ping(call: "Call") -> None:
    """Who answers here."""
    uname = os.uname()
    call.say(
        "pong",
        python="%d.%d.%d" % sys.version_info[:3],
        executable=sys.executable,
        user=system.user_name(os.geteuid()),
        node=uname.nodename,
        state_dir=os.fsencode(call.book.state_dir).decode("utf-8", "surrogateescape"),
        platform="%s %s %s" % (uname.sysname, uname.release, uname.machine),
        time=time.time(),
        helper="new" if call.request["fresh"] else "kept",
    )
    call.bring()


def running(call: "Call") -> None:
    """The jobs that run here, in frames of bounded size."""
    jobs = []  # type: list[dict[str, object]]
    room = wire.LIST_BYTES
    for proc in call.book.running():
        job = {key: proc.get(key) for key in wire.PROC}
        size = len(wire.dumps(job))
        if jobs and size > room:
            call.say("running", jobs=jobs, user="", others=[])
            jobs, room = [], wire.LIST_BYTES
        jobs.append(job)
        room -= size
    call.say("running", jobs=jobs, user=system.user_name(os.geteuid()), others=_others())
    call.bring()


def _others() -> "list[str]":
    """Other users whose jobs or calls can be seen to run here, as far as /proc shows: their records lie elsewhere."""
    uids = set()
    try:
        for name in os.listdir("/proc"):
            try:
                uid = os.stat("/proc/" + name).st_uid if name.isdigit() else os.geteuid()
                if uid not in uids and uid != os.geteuid() and _is_ours(system.read("/proc/%s/cmdline" % name, 512)):
                    uids.add(uid)
            except OSError:
                # It has ended meanwhile.
                pass
    except OSError:
        # There is no /proc.
        pass
    return [system.user_name(uid) for uid in sorted(uids)[:8]]


def _is_ours(line: bytes) -> bool:
    """Whether a command line is that of a supervisor."""
    # A process may write anything there, also less; a tick, whose jobs these may be, has -B.
    words = [word for word in line.split(b"\0") if word != b"-B"] + [b""]
    return words[1:4] == [b"-I", b"-S", b"-c"] and (
        words[4].startswith(b"import binascii,sys;exec(") or b"from remote" in words[4]
    )


def find(call: "Call") -> None:
    """The proc record of one job, empty where it does not run here."""
    state = call.book.find(jid_of(call.request))
    here = state["state"] == wire.RUNNING and not records.is_another(state, call.request.get("nonce"))
    call.say("found", proc={k: state.get(k) for k in wire.PROC} if here else {})
    call.bring()
