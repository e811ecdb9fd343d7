"""The supervisor: starts one job, waits for it, and writes its return. It outlives the connection that brought it.

It is the job's parent and, on Linux, the one that adopts its orphans; so its waitpid(-1) alone knows when all are gone.
"""
# ruff: noqa: SIM105 (contextlib costs an import)

import _signal  # type: ignore[import-not-found]
import errno
import os
import select
import sys
import time

from . import output, records, scope, system, tree, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

TERM_TO_KILL = 0.1
KILL_WITHIN = 10.0
# What Linux takes as one argument (execve(2), MAX_ARG_STRLEN).
ARGUMENT_MAX = 131071
LOOK_GROWING = 0.05
LOOK_SILENT = 1.0
BLAME_WITHIN = 10.0
ENDING = ("TERM", "INT", "QUIT", "KILL")
# What Python changed (signal(7): SIGPIPE, SIGXFSZ), and what this process changes for itself.
RESET = ("PIPE", "XFSZ", "HUP", "INT", "TERM", "USR1", "CHLD")


def number(name: str) -> int:
    return int(getattr(_signal, "SIG" + name))


class Start:
    """All that a start needs.

    Args:
        book: the records of this node.
        request: the `run` request.
        env: the job's whole environment.
        new: the directory with the job's `script` and `stdin`, not yet in its place.
        umask: the job's.
        ignored: the signals that were ignored when the helper was started.
    """

    def __init__(
        self,
        book: records.Records,
        request: "dict[str, Any]",
        env: "dict[bytes, bytes]",
        new: str,
        umask: int,
        ignored: "set[int]",
    ) -> None:
        self.book = book
        self.request = request
        self.env = env
        self.new = new
        self.umask = umask
        self.ignored = ignored


class Refusal(Exception):
    """The job cannot be started: kind, message, hint."""

    def __init__(self, kind: str, message: str, hint: str = "") -> None:
        Exception.__init__(self, message)
        self.said = {"t": "refused", "kind": kind, "message": message, "hint": hint}


def launch(start: Start) -> "tuple[int, dict[str, Any] | None]":
    """Start the supervisor. Return the pipe whose end will tell the end of the job, and what it told of the start:
    `accepted`, `refused` or `exists`."""
    warning = None
    if scope.needed():
        told, said = _first(_fork(lambda tell: _exec_scoped(start, tell)))
        if said is not None:
            return told, said
        os.close(told)
        warning = scope.WARNING
    told, said = _first(_fork(lambda tell: supervise(start, tell)))
    if said is not None and warning is not None:
        said["warning"] = warning
    return told, said


def _fork(work: "Callable[[int], None]") -> int:
    told, tell = os.pipe()
    if os.fork():
        os.close(tell)
        return told
    try:
        os.setsid()
        os.close(told)
        work(tell)
    finally:
        os._exit(0)


def _first(told: int) -> "tuple[int, dict[str, Any] | None]":
    data = b""
    while not data.endswith(b"\n"):
        more = os.read(told, 8192)
        if not more:
            return told, None
        data += more
    value = wire.loads(data.decode("ascii"))
    return told, value if isinstance(value, dict) else None


def _exec_scoped(start: Start, tell: int) -> None:
    # Through files that systemd-run leaves alone: the start on stdin, the pipe as stdout.
    path = start.new + "/start"
    env = {os.fsdecode(key): os.fsdecode(value) for key, value in start.env.items()}
    value = {"state_dir": start.book.state_dir, "request": start.request, "new": start.new}  # type: dict[str, Any]
    value.update(env=env, umask=start.umask, ignored=sorted(start.ignored))
    records.put(path, value)
    os.dup2(os.open(path, os.O_RDONLY), 0)
    os.unlink(path)
    os.dup2(tell, 1)
    os.dup2(os.open("/dev/null", os.O_RDWR), 2)
    folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    code = "import sys; sys.path.insert(0, sys.argv[1]); from remote import supervisor; supervisor.resume()"
    argv = scope.argv() + [sys.executable, "-I", "-S", "-c", code, folder]
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
    supervise(Start(book, value["request"], env, value["new"], value["umask"], set(value["ignored"])), tell)
    os._exit(0)


def supervise(start: Start, tell: int) -> None:
    """Start the job, tell, and stay until its return is on disk."""
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    try:
        job = Supervisor(start)
        try:
            said = job.begin()
        except OSError as e:
            job.undo()
            raise Refusal("disk-full" if e.errno in records.FULL else "state-dir", str(e)) from e
        except Refusal:
            job.undo()
            raise
    except Refusal as refusal:
        records.write_all(tell, wire.dumps(refusal.said).encode("ascii") + b"\n")
        return
    try:
        records.write_all(tell, wire.dumps(said).encode("ascii") + b"\n")
    except OSError:
        pass
    if said["t"] == "accepted":
        os.chdir("/")
        try:
            job.wait()
        except Exception:
            _leave_trace(job)
            raise


def _leave_trace(job: "Supervisor") -> None:
    # Nobody reads this process's stderr: what went wrong stands beside the job that goes on without it.
    import traceback

    with open(job.book.job(job.jid, "supervisor.log"), "w", encoding="utf-8") as file:
        traceback.print_exc(file=file)


class Supervisor:
    """One job, from its start to its return."""

    def __init__(self, start: Start) -> None:
        self.start = start
        self.book = start.book
        self.request = start.request
        self.jid = start.request["jid"]
        self.pid = 0
        self.status = None  # type: int | None
        self.streams = []  # type: list[output.Capped]
        self.placed = False
        self.timed_out = False
        self.signals = []  # type: list[tuple[float, int, str]]
        self.subreaper = False
        self.finished = 0.0
        self.lasted = 0.0

    # --- start ---
    def begin(self) -> "dict[str, Any]":
        """Make the records, start the job, and return what to tell: `accepted`, or `exists` where another was first."""
        start, request, book = self.start, self.request, self.book
        self._listen()
        me = os.getpid()
        self.subreaper = system.become_subreaper()
        this = system.table.process(me)
        identity = {"boot": system.table.boot_id(), "supervisor_pid": me, "supervisor_start": this and this.start}
        record = {"jid": self.jid, "node": os.uname().nodename, "started": time.time()}
        for key in ("nonce", "fun", "arg", "tgt", "tgt_type", "user", "metadata", "controller", "host", "schedule"):
            record[key] = request.get(key)
        record.update(identity)
        record["cap"] = request["cap"]
        record["keep_returns"] = request.get("keep_returns")
        record["ooms"] = system.ooms()
        book.mark()
        records.put(start.new + "/job.json", record)
        self._reserve(start.new + "/" + records.RETURN + ".new")
        for name in output.NAMES:
            self.streams.append(output.Capped(start.new + "/" + name, request["cap"]))
        stdin = self._stdin()
        try:
            os.rename(start.new, book.job(self.jid))
        except OSError as e:
            if e.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise
            records.remove(start.new)
            return {"t": "exists"}
        self.placed = True
        records.sync(book.jobs)
        go, failed = self._fork(stdin)
        row = system.table.process(self.pid)
        record.update(pid=self.pid, start=row and row.start, started=time.time())
        self.started = record["started"]
        self.begun = time.monotonic()
        records.write(book.proc(self.jid), record)
        records.sync(book.procs)
        os.write(go, b"\n")
        os.close(go)
        why = os.read(failed, 4096).decode("utf-8", "surrogateescape")
        os.close(failed)
        if why:
            kind, _, message = why.partition(" ")
            hint = "send it with --script" if len(self.request.get("command") or "") > ARGUMENT_MAX else ""
            raise Refusal(kind, message, hint)
        return {"t": "accepted", "jid": self.jid, "pid": self.pid, "started": self.started, "state": wire.RUNNING}

    def _reserve(self, path: str) -> None:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            records.write_all(fd, b"\n" * records.RETURN_ROOM)
            os.fsync(fd)
        finally:
            os.close(fd)

    def _stdin(self) -> int:
        path = self.start.new + "/stdin"
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        # It may hold a password: nobody needs its name again.
        os.unlink(path)
        return fd

    def _fork(self, stdin: int) -> "tuple[int, int]":
        waiting, go = os.pipe()
        failed, fail = os.pipe()
        argv = self._argv()
        self.pid = os.fork()
        if self.pid:
            for fd in (waiting, fail, stdin):
                os.close(fd)
            return go, failed
        kind, cwd = "state-dir", self.request.get("cwd")
        try:
            os.setsid()
            os.close(go)
            for fd, source in enumerate((stdin, self.streams[0].fd, self.streams[1].fd)):
                os.dup2(source, fd)
            _signal.set_wakeup_fd(-1)
            for name in RESET:
                ignored = number(name) in self.start.ignored
                _signal.signal(number(name), _signal.SIG_IGN if ignored else _signal.SIG_DFL)
            kind = "cwd"
            if not os.read(waiting, 1):
                os._exit(0)
            if cwd:
                os.chdir(os.path.expanduser(wire.raw(cwd)))
            kind = "shell"
            os.umask(self.start.umask)
            os.execvpe(argv[0], argv, self.start.env)
        except Exception as e:  # noqa: BLE001 (whatever it is, the controller is told, and this process ends)
            why = getattr(e, "strerror", None) or str(e)
            text = wire.raw("%s %s" % (kind, why))
            if kind == "cwd" and cwd:
                text = b"cwd cannot enter %s: %s" % (wire.raw(cwd), wire.raw(why))
            elif kind == "shell":
                text = b"shell cannot start %s: %s" % (argv[0], wire.raw(why))
            os.write(fail, text[:4000])
        finally:
            os._exit(127)

    def _argv(self) -> "list[bytes]":
        request = self.request
        shell = wire.raw(request["shell"])
        if request["fun"] != "cmd.script":
            return [shell, b"-c", wire.raw(request["command"])]
        path = os.fsencode(self.book.job(self.jid, "script"))
        argv = [path] + [wire.raw(word) for word in request.get("script_args") or ()]
        # As execve(2) reads it: an interpreter, and at most one argument.
        with open(path, "rb") as file:
            first = file.readline(4096)
        if first[:2] != b"#!":
            return [shell] + argv
        return first[2:].strip().split(None, 1) + argv

    def undo(self) -> None:
        """Take back what a start that failed left behind."""
        if self.pid:
            try:
                os.kill(self.pid, tree.SIGKILL)
                os.waitpid(self.pid, 0)
            except (ProcessLookupError, ChildProcessError):
                pass
        for path in (self.book.proc(self.jid), self.book.job(self.jid)) if self.placed else (self.start.new,):
            records.remove(path)

    # --- wait ---
    def _listen(self) -> None:
        self.woken, wake = os.pipe()
        os.set_blocking(self.woken, False)
        os.set_blocking(wake, False)
        for name in ("CHLD", "USR1", "TERM", "INT", "HUP"):
            _signal.signal(number(name), lambda signum, frame: None)
        _signal.set_wakeup_fd(wake)

    def wait(self) -> None:
        """Until the job has returned: reap, obey requests, keep the deadline and the cap. Then write the return."""
        poll = select.poll()
        poll.register(self.woken, select.POLLIN)
        timeout = self.request.get("timeout")
        deadline = None if timeout is None else self.begun + timeout
        kill_at = None  # type: float | None
        pause = LOOK_GROWING
        look_at = time.monotonic() + pause  # type: float | None
        while not self._over():
            due = [t for t in (deadline, kill_at, look_at) if t is not None]
            left = max(0.0, min(due) - time.monotonic()) if due else None
            poll.poll(None if left is None else int(left * 1000) + 1)
            try:
                while os.read(self.woken, 512):
                    pass
            except BlockingIOError:
                pass
            self.reap()
            self._obey()
            now = time.monotonic()
            if deadline is not None and now >= deadline and self.status is None:
                self.timed_out = True
                deadline, kill_at = None, now + TERM_TO_KILL
                tree.signal(self.walk, tree.SIGTERM)
            if kill_at is not None and now >= kill_at:
                kill_at = None
                tree.kill(self.walk, self.gone, KILL_WITHIN)
                self.timed_out, self.killed = True, True
            if look_at is not None and now >= look_at:
                grown = [stream.look() for stream in self.streams]
                pause = LOOK_GROWING if any(grown) else min(pause * 2, LOOK_SILENT)
                look_at = None if all(stream.uncapped for stream in self.streams) else now + pause
        self._finish()

    killed = False

    def _over(self) -> bool:
        # At the deadline the whole tree goes, not only the first process.
        return self.status is not None and (not self.timed_out or self.killed or self.gone())

    def walk(self) -> "list[system.Process]":
        """The live processes of the job."""
        return tree.below(os.getpid()) if self.subreaper else tree.around(self.pid, self.jid, self.status is None)

    def gone(self) -> bool:
        """Collect the dead; True when nothing of the job is left."""
        return self.reap() and (self.subreaper or not self.walk())

    def reap(self) -> bool:
        """Collect the dead; True when no child is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return True
            if not pid:
                return False
            if pid == self.pid:
                self.status = status
                self.finished = time.time()
                self.lasted = time.monotonic() - self.begun

    def _obey(self) -> None:
        folder = self.book.job(self.jid)
        try:
            names = sorted(os.listdir(folder))
        except FileNotFoundError:
            # Somebody deleted the record: the job goes on without one.
            return
        for name in names:
            if name.startswith("signal-") and name.endswith(".json"):
                path = folder + "/" + name
                wanted = records.load(path) or {}
                os.unlink(path)
                sent = wanted.get("signal")
                if not isinstance(sent, int) or self.status is not None:
                    continue
                self.signals.append((time.monotonic(), sent, str(wanted.get("by"))))
                survivors = []  # type: list[dict[str, object]]
                if sent == tree.SIGKILL:
                    delivered, survivors = tree.kill(self.walk, self.gone, KILL_WITHIN)
                    got = [[pid, None] for pid in delivered]  # type: list[list[Any]]
                else:
                    got = [[row.pid, row.start] for row in tree.signal(self.walk, sent)]
                try:
                    records.write(path[:-5] + ".done", {"delivered": got, "survivors": survivors})
                except OSError:
                    pass

    # --- end ---
    def _ended_by(self, retcode: "int | None", signal: "int | None") -> str:
        if self.timed_out:
            return "timeout"
        now = time.monotonic()
        for at, sent, by in reversed(self.signals):
            recent = now - at <= BLAME_WITHIN and sent in [number(name) for name in ENDING]
            if signal == sent or retcode == 128 + sent or recent:
                return "signal-job:" + by
        return "exit" if signal is None else "signal"

    def _finish(self) -> None:
        status = self.status or 0
        signal = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        retcode = None if signal is not None else os.WEXITSTATUS(status)
        left = 0
        if not self.gone():
            # A child that cannot be seen (hidepid) is one, too.
            left = max(1, len(self.walk()))
        cuts = [stream.close() for stream in self.streams]
        ret = {
            "state": wire.RETURNED,
            "jid": self.jid,
            "nonce": self.request["nonce"],
            "retcode": retcode,
            "signal": signal,
            "ended_by": self._ended_by(retcode, signal),
            "pid": self.pid,
            "started": self.started,
            "finished": self.finished,
            "duration": round(self.lasted, 6),
            "left_running": left,
            "uncapped": any(stream.uncapped for stream in self.streams),
            "cuts": cuts,
            "keep_returns": self.request.get("keep_returns"),
        }  # type: dict[str, Any]
        for name, (head, tail, size) in zip(output.NAMES, cuts):
            ret[name + "_truncated"] = size - head - tail
        path = self.book.job(self.jid, records.RETURN)
        try:
            records.place(path, ret)
        except FileNotFoundError:
            # Somebody deleted the record, and the output with it.
            os.mkdir(os.path.dirname(path), 0o700)
            ret.update(cuts=[[0, 0, size] for _, _, size in cuts])
            ret.update({name + "_truncated": size for name, (_, _, size) in zip(output.NAMES, cuts)})
            records.place(path, ret)
        records.remove(self.book.job(self.jid, "script"))
        records.remove(self.book.proc(self.jid))
