"""The supervisor: waits for one job, and writes its return. It outlives the connection that brought it.

It is the job's parent and, on Linux, the one that adopts its orphans; so its waitpid(-1) alone knows when all are gone.
"""
# ruff: noqa: SIM105 (contextlib costs an import)

import _signal  # type: ignore[import-not-found]
import os
import select
import time

from . import disk, output, records, system, tree, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .start import JobProcess

TERM_TO_KILL = 0.1
LOOK_GROWING = 0.05
LOOK_SILENT = 1.0
BLAME_WITHIN = 10.0
RETURN_WITHIN = 86400.0
TRY_LAST = 30.0
ENDING = ("TERM", "INT", "QUIT", "KILL")


class Supervisor:
    """One job, not yet begun, until its return. It listens from now on, so that it misses nothing that the job does."""

    def __init__(self, job: "JobProcess") -> None:
        self.job = job
        self.timed_out = False
        self.killed = False
        # When, which signal, by whom.
        self.signals = []  # type: list[tuple[float, int, str]]
        self.subreaper = system.become_subreaper()
        self.woken, wake = os.pipe()
        os.set_blocking(self.woken, False)
        os.set_blocking(wake, False)
        for name in ("CHLD", "USR1", "TERM", "INT", "HUP"):
            _signal.signal(tree.number(name), lambda signum, frame: None)
        _signal.set_wakeup_fd(wake)

    # --- wait ---
    def wait(self) -> None:
        """Until the job has returned: reap, obey requests, keep the deadline and the cap. Then write the return."""
        job = self.job
        poll = select.poll()
        poll.register(self.woken, select.POLLIN)
        pipes = [stream for stream in job.streams if stream.source >= 0]
        for stream in pipes:
            poll.register(stream.source, select.POLLIN)
        timeout = job.request.get("timeout")
        deadline = None if timeout is None else job.begun + timeout
        kill_at = None  # type: float | None
        pause = LOOK_GROWING
        look_at = time.monotonic() + pause
        while not self._over():
            due = min(t for t in (deadline, kill_at, look_at) if t is not None)
            poll.poll(int(max(0.0, due - time.monotonic()) * 1000) + 1)
            try:
                while os.read(self.woken, 512):
                    pass
            except BlockingIOError:
                # That was all.
                pass
            pipes = _pump(poll, pipes)
            self.reap()
            self._obey()
            now = time.monotonic()
            if deadline is not None and now >= deadline and job.status is None:
                self.timed_out = True
                deadline, kill_at = None, now + TERM_TO_KILL
                tree.signal(self.walk, tree.SIGTERM)
            if kill_at is not None and now >= kill_at:
                kill_at = None
                tree.kill(self.walk, self.gone)
                self.killed = True
            if now >= look_at:
                grown = [stream.look() for stream in job.streams]
                pause = LOOK_GROWING if any(grown) else min(pause * 2, LOOK_SILENT)
                look_at = now + pause
                try:
                    job.restore()
                except OSError:
                    # A full disk, or a directory that is in the way: at the next look.
                    pass
        self._finish()

    def hold(self) -> None:
        """After the return: hold to the cap what children that were left behind write, while one can write it."""
        for name in ("TERM", "INT", "HUP"):
            _signal.signal(tree.number(name), _signal.SIG_DFL)
        poll = select.poll()
        pipes = [stream for stream in self.job.streams if stream.source >= 0]
        for stream in pipes:
            stream.room = 0
            poll.register(stream.source, select.POLLIN)
        fds = [stream.fd for stream in self.job.streams] + [stream.source for stream in pipes]
        outputs = {(info.st_dev, info.st_ino) for info in map(os.fstat, fds)}
        pause, looked = LOOK_GROWING, 0.0
        while not self.gone():
            if time.monotonic() - looked > LOOK_SILENT:
                if not any(system.table.holds(process.pid, outputs) for process in self.walk()):
                    return
                looked = time.monotonic()
            poll.poll(int(pause * 1000))
            pipes = _pump(poll, pipes)
            grown = [stream.drop() for stream in self.job.streams]
            pause = LOOK_GROWING if any(grown) else min(pause * 2, LOOK_SILENT)

    def _over(self) -> bool:
        # At the deadline the whole tree goes, not only the first process.
        return self.job.status is not None and (not self.timed_out or self.killed or self.gone())

    def walk(self) -> "list[system.ProcessRow]":
        """The live processes of the job."""
        job = self.job
        return tree.below(os.getpid()) if self.subreaper else tree.around(job.pid, job.jid, job.status is None)

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
            if pid == self.job.pid:
                self.job.reaped(status)

    def _obey(self) -> None:
        job = self.job
        folder = job.book.job(job.jid)
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            # Somebody deleted the record, or closed a directory above it: at the next look it is written anew.
            return
        for name in names:
            if name.startswith("signal-") and name.endswith(".json"):
                path = folder + "/" + name
                order = disk.load(path) or {}
                sent = order.get("signal")
                # On a full disk, the room that the request takes is that of the answer.
                done = path[:-5] + ".done"
                try:
                    if not isinstance(sent, int) or job.status is not None:
                        os.unlink(path)
                        continue
                    os.rename(path, done + ".new")
                except OSError:
                    # Deleted since: who asked signals the job himself.
                    continue
                self.signals.append((time.monotonic(), sent, str(order.get("by"))))
                survivors = []  # type: list[dict[str, object]]
                if sent == tree.SIGKILL:
                    delivered, survivors = tree.kill(self.walk, self.gone)
                    got = [[pid, None] for pid in delivered]  # type: list[list[object]]
                else:
                    got = [[row.pid, row.start] for row in tree.signal(self.walk, sent)]
                try:
                    disk.place(done, {"delivered": got, "survivors": survivors})
                except OSError:
                    # Too many for that: the signal was sent all the same, and the one who asked will look for himself.
                    pass

    # --- end ---
    def _ended_by(self, retcode: "int | None", signal: "int | None") -> str:
        if self.timed_out:
            return "timeout"
        now = time.monotonic()
        for at, sent, by in reversed(self.signals):
            recent = now - at <= BLAME_WITHIN and sent in map(tree.number, ENDING)
            if signal == sent or retcode == 128 + sent or recent:
                return "signal-job:" + by
        return "exit" if signal is None else "signal"

    def _finish(self) -> None:
        job = self.job
        status = job.status or 0
        signal = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        retcode = None if signal is not None else os.WEXITSTATUS(status)
        left = 0
        if not self.gone():
            # A child that cannot be seen (hidepid) is one, too.
            left = max(1, len(self.walk()))
        for stream in job.streams:
            if stream.source >= 0:
                # What it had written when it ended.
                stream.pump()
        cuts = [stream.close() for stream in job.streams]
        ret = {
            "state": wire.RETURNED,
            "jid": job.jid,
            "nonce": job.request["nonce"],
            "retcode": retcode,
            "signal": signal,
            "ended_by": self._ended_by(retcode, signal),
            "pid": job.pid,
            "started": job.started,
            "finished": job.finished,
            "duration": round(job.lasted, 6),
            "left_running": left,
            "uncapped": any(stream.uncapped for stream in job.streams),
            "keep_returns": job.request.get("keep_returns"),
        }  # type: dict[str, object]
        ret.update(output.cut_fields(cuts))
        end, pause = time.monotonic() + RETURN_WITHIN, LOOK_SILENT
        while True:
            try:
                job.restore()
                for name, stream, kept in zip(output.NAMES, job.streams, cuts):
                    stream.keep(job.book.job(job.jid, name), kept)
                disk.place(job.book.job(job.jid, records.RETURN), ret)
                break
            except OSError:
                # It has its room, unless somebody deleted that with the record.
                if time.monotonic() > end or os.path.isfile(job.book.job(job.jid)):
                    raise
            time.sleep(pause)
            pause = min(pause * 1.2, TRY_LAST)
        disk.remove(job.book.job(job.jid, "script"))
        disk.remove(job.book.proc(job.jid))


def _pump(poll: "select.poll", pipes: "list[output.Capped]") -> "list[output.Capped]":
    """Empty the pipes; those that somebody can still write into."""
    left = []
    for stream in pipes:
        if stream.pump():
            left.append(stream)
        else:
            poll.unregister(stream.source)
    return left
