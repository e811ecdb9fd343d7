"""A job: its records made and its first process started, both or neither."""

import _signal  # type: ignore[import-not-found]
import errno
import os
import time

from . import disk, output, records, system, tree, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What Linux takes as one argument (execve(2), MAX_ARG_STRLEN).
ARGUMENT_MAX = 131071
# What Python changed (signal(7): SIGPIPE, SIGXFSZ), and what the supervisor changes for itself.
RESET = ("PIPE", "XFSZ", "HUP", "INT", "TERM", "USR1", "CHLD")


class Start:
    """All that a start needs.

    Args:
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


class CannotStart(Exception):
    """The job cannot be started: kind, message, hint."""

    def __init__(self, kind: str, message: str, hint: str = "") -> None:
        Exception.__init__(self, message)
        self.reply = {"t": "refused", "kind": kind, "message": message, "hint": hint}


class JobProcess:
    """One job's records and its first process.

    `pid` is 0 before the start; `status` is None until the process was reaped: from then on, `finished` and `lasted`
    (seconds) hold.
    """

    def __init__(self, start: Start) -> None:
        self.start = start
        self.book = start.book
        self.request = start.request
        self.jid = start.request["jid"]
        self.streams = []  # type: list[output.Capped]
        # How large a file may get, where that is bounded.
        self.room = system.lift_file_size()
        self.placed = False
        self.pid = 0
        self.started = 0.0
        self.begun = 0.0
        self.status = None  # type: int | None
        self.finished = 0.0
        self.lasted = 0.0
        # Without the supervisor's PID: this may be made ahead of its fork.
        self.record = {"jid": self.jid, "node": os.uname().nodename, "started": time.time()}  # type: dict[str, Any]
        self.record.update((key, self.request.get(key)) for key in wire.KEPT)
        self.record.update(boot=system.table.boot_id(), cap=self.request["cap"], ooms=system.ooms())
        self.record.update(keep_returns=self.request.get("keep_returns"))

    def begin(self) -> "dict[str, Any]":
        """Make the records, start the job, and return what to tell: `accepted`, or `exists` where another was first."""
        start, request, book = self.start, self.request, self.book
        me = os.getpid()
        this = system.table.process(me)
        record = self.record
        record.update(supervisor_pid=me, supervisor_start=this and this.start)
        disk.put(start.new + "/job.json", self._kept())
        disk.reserve(start.new + "/" + records.RETURN + ".new")
        for name in output.NAMES:
            stream = output.Capped(start.new + "/" + name, request["cap"])
            if self.room is not None:
                stream.through_pipe(self.room)
            self.streams.append(stream)
        stdin = self._stdin()
        try:
            os.rename(start.new, book.job(self.jid))
        except OSError as e:
            if e.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise
            disk.remove(start.new)
            return {"t": "exists"}
        self.placed = True
        go, failed = self._fork(stdin)
        row = system.table.process(self.pid)
        self.started, self.begun = time.time(), time.monotonic()
        record.update(pid=self.pid, start=row and row.start, started=self.started)
        disk.write(book.proc(self.jid), record)
        # The record's place, too: where both are in one journal, that is one write to the disk.
        disk.sync(book.procs)
        disk.sync(book.jobs)
        os.write(go, b"\n")
        os.close(go)
        why = os.read(failed, 4096).decode("utf-8", "surrogateescape")
        os.close(failed)
        if why:
            kind, _, message = why.partition(" ")
            hint = "send it with --script" if len(request.get("command") or "") > ARGUMENT_MAX else ""
            raise CannotStart(kind, message, hint)
        return {"t": "accepted", "jid": self.jid, "pid": self.pid, "started": self.started, "state": wire.RUNNING}

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
            pipes = [stream.sink for stream in self.streams if stream.source >= 0]
            for fd in [waiting, fail, stdin] + pipes:
                os.close(fd)
            return go, failed
        kind, cwd = "state-dir", self.request.get("cwd")
        try:
            os.setsid()
            os.close(go)
            for fd, source in enumerate((stdin, self.streams[0].sink, self.streams[1].sink)):
                os.dup2(source, fd)
            _signal.set_wakeup_fd(-1)
            for n in map(tree.number, RESET):
                _signal.signal(n, _signal.SIG_IGN if n in self.start.ignored else _signal.SIG_DFL)
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
            command = wire.raw(request["command"])
            # A shell would take these for options of its own.
            return [shell, b"-c", b" " + command if command[:1] in (b"-", b"+") else command]
        path = os.fsencode(self.book.job(self.jid, "script"))
        argv = [path] + [wire.raw(word) for word in request.get("script_args") or ()]
        # As execve(2) reads it: an interpreter, and at most one argument.
        with open(path, "rb") as file:
            first = file.readline(4096)
        # Nothing behind `#!` is no interpreter: the shell runs it, as one does what the kernel cannot.
        interpreter = first[2:].strip().split(None, 1) if first[:2] == b"#!" else []
        return (interpreter or [shell]) + argv

    def undo(self) -> None:
        """Take back what a start that failed left behind."""
        if self.pid:
            try:
                os.kill(self.pid, tree.SIGKILL)
                os.waitpid(self.pid, 0)
            except (ProcessLookupError, ChildProcessError):
                # It has ended by itself.
                pass
        for path in (self.book.proc(self.jid), self.book.job(self.jid)) if self.placed else (self.start.new,):
            disk.remove(path)

    def restore(self) -> None:
        """Write the records anew where somebody deleted or damaged them; their output is what it was, and goes on."""
        folder = self.book.job(self.jid)
        told = (disk.load(self.book.proc(self.jid)) or {}).get("jid") == self.jid
        # An end that somebody recorded is not taken back.
        ended = os.path.exists(folder + "/" + records.RETURN) or os.path.isfile(folder)
        if ended or (told and self._whole()):
            return
        os.makedirs(self.book.state_dir, exist_ok=True)
        # The directory that was ours may be another machine's by now.
        book = self.book = records.Records(self.book.state_dir)
        if not self._whole():
            new = "%s/.new-%s-%d" % (book.jobs, self.jid, os.getpid())
            if not os.path.isdir(new):
                os.mkdir(new, 0o700)
            disk.put(new + "/job.json", self._kept())
            disk.reserve(new + "/" + records.RETURN + ".new")
            for name, stream in zip(output.NAMES, self.streams):
                if not os.path.islink(new + "/" + name):
                    os.symlink("/proc/%d/fd/%d" % (os.getpid(), stream.fd), new + "/" + name)
            if os.path.isdir(book.job(self.jid)):
                disk.remove(book.job(self.jid))
            os.rename(new, book.job(self.jid))
        if os.path.isdir(book.proc(self.jid)):
            disk.remove(book.proc(self.jid))
        disk.write(book.proc(self.jid), self.record)

    def _kept(self) -> "dict[str, Any]":
        return dict(self.record, root=os.path.realpath(self.book.root))

    def _whole(self) -> bool:
        names = ("job.json", records.RETURN + ".new") + output.NAMES
        return all(os.path.lexists(self.book.job(self.jid, name)) for name in names)

    def reaped(self, status: int) -> None:
        """The first process has ended, with this wait status."""
        self.status = status
        self.finished = time.time()
        self.lasted = time.monotonic() - self.begun
