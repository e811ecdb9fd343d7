"""What a node tells of itself: who answers, and which jobs run (Salt's proc system)."""

import os
import sys
import time

from . import system, wire
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
            call.say("running", jobs=jobs)
            jobs, room = [], wire.LIST_BYTES
        jobs.append(job)
        room -= size
    call.say("running", jobs=jobs)
    call.bring()


def find(call: "Call") -> None:
    """The proc record of one job, empty where it does not run here."""
    state = call.book.find(jid_of(call.request))
    call.say("found", proc={k: state.get(k) for k in wire.PROC} if state["state"] == wire.RUNNING else {})
    call.bring()
