"""The launch of a supervisor: a child of the helper, in a scope of its own where logind would end it."""
# ruff: noqa: SIM105 (contextlib costs an import)

import os
import select
import sys

from . import disk, records, rooms, scope, system, tree, wire
from .start import CannotStart, JobProcess, Start
from .supervisor import Supervisor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# Milliseconds.
TOLD_WITHIN = 1000
CODE = "import sys; sys.path.insert(0, sys.argv[1]); from remote import launch; launch.resume()"


def launch(start: Start) -> "tuple[int, dict[str, Any]]":
    """Start the supervisor. Return the pipe whose end will tell the end of the job, and what it told of the start:
    `accepted`, `refused`, or `exists` where there is a record of the job already, this dispatch's or another's."""
    warning = None
    if scope.needed():
        end_pipe, reply = _start(lambda tell: _exec_scoped(start, tell))
        if reply is not None or not os.path.exists(start.new):
            return end_pipe, reply or _died(start)
        os.close(end_pipe)
        warning = scope.WARNING
    # What is made ahead of the fork is not made on pages that have to be copied first.
    try:
        job = JobProcess(start)
        system.prepare()
    except BaseException:
        disk.remove(start.new)
        raise
    end_pipe, reply = _start(lambda tell: supervise(job, tell))
    if reply is not None and warning is not None:
        reply["warning"] = warning
    return end_pipe, reply or _died(start)


def _died(start: Start) -> "dict[str, Any]":
    # Before it could tell. Its job may have begun all the same, and run on; else it never will.
    book, jid = start.book, start.request["jid"]
    disk.remove(start.new)
    if book.state(jid)["state"] == wire.UNKNOWN:
        book.bury(jid, start.request["nonce"], "supervisor", "the supervisor died at the start")
    return {"t": "exists"}


def _start(work: "Callable[[int], None]") -> "tuple[int, dict[str, Any] | None]":
    """Start a process that does `work`. Return the pipe from it, and the line that it told first; None: it died."""
    end_pipe, tell = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.setsid()
            os.close(end_pipe)
            work(tell)
        finally:
            os._exit(0)
    os.close(tell)
    data = b""
    poll = select.poll()
    poll.register(end_pipe, select.POLLIN)
    while not data.endswith(b"\n"):
        while not poll.poll(TOLD_WITHIN):
            # The job's first act may be to stop it, ahead of its word that the job has begun.
            try:
                os.kill(pid, tree.number("CONT"))
            except ProcessLookupError:
                # Dead: the end of its pipe comes.
                pass
        more = os.read(end_pipe, 8192)
        if not more:
            try:
                # Its pipe ends a moment before it does.
                os.waitpid(pid, 0)
            except ChildProcessError:
                # SIGCHLD was ignored when the helper was started.
                pass
            return end_pipe, None
        data += more
    value = wire.loads(data.decode("ascii"))
    return end_pipe, value if isinstance(value, dict) else None


def _exec_scoped(start: Start, tell: int) -> None:
    # Through files that systemd-run leaves alone: the start on stdin, the pipe as stdout.
    path = start.new + "/start"
    env = {os.fsdecode(key): os.fsdecode(value) for key, value in start.env.items()}
    value = {"state_dir": start.book.state_dir, "request": start.request, "new": start.new}  # type: dict[str, Any]
    value.update(env=env, umask=start.umask, ignored=sorted(start.ignored))
    disk.put(path, value)
    os.dup2(os.open(path, os.O_RDONLY), 0)
    os.unlink(path)
    os.dup2(tell, 1)
    os.dup2(os.open("/dev/null", os.O_RDWR), 2)
    folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    argv = scope.argv() + [sys.executable, "-I", "-S", "-c", CODE, folder]
    os.execvpe(argv[0], argv, scope.environment())


def resume() -> None:
    """Go on as the supervisor in a scope of its own."""
    size = os.fstat(0).st_size
    data = b""
    while len(data) < size:
        data += os.read(0, size - len(data))
    value = wire.loads(data.decode("ascii"))
    tell = os.dup(1)
    os.umask(0o077)
    env = {os.fsencode(key): os.fsencode(text) for key, text in value["env"].items()}
    book = records.Records(value["state_dir"])
    start = Start(book, value["request"], env, value["new"], value["umask"], set(value["ignored"]))
    supervise(JobProcess(start), tell)
    os._exit(0)


def supervise(job: JobProcess, tell: int) -> None:
    """Start the job, tell, and stay until its return is on disk, and while a child that it left behind writes."""
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    try:
        supervisor = Supervisor(job)
        reply = job.begin()
    except CannotStart as refusal:
        job.undo()
        reply = refusal.reply
    except OSError as e:
        job.undo()
        reply = CannotStart(*disk.refusal("state-dir", e, job.book.state_dir)).reply
    try:
        disk.write_all(tell, wire.dumps(reply).encode("ascii") + b"\n")
    except OSError:
        # The helper was killed meanwhile. The job goes on; whoever asks for it will find it.
        pass
    if reply["t"] == "accepted":
        if not rooms:
            # What writes the records anew, while this helper, which may be deleted with them, is there.
            from . import identity  # noqa: F401
        os.chdir("/")
        system.collect()
        try:
            supervisor.wait()
            os.close(tell)
            supervisor.hold()
        except Exception:
            _leave_trace(job)
            raise


def _leave_trace(job: JobProcess) -> None:
    # Nobody reads this process's stderr: what went wrong stands beside the job that goes on without it.
    import traceback

    with open(job.book.job(job.jid, "supervisor.log"), "w", encoding="utf-8") as file:
        traceback.print_exc(file=file)
