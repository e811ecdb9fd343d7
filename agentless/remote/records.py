"""What a host keeps of jobs: `<node>/proc/<jid>` while one runs, `<node>/jobs/<jid>/` for a time after it.

Readers never delete; only the sweep does. A plain file in the place of `jobs/<jid>` is the tombstone of a record.
"""
# ruff: noqa: SIM105 (contextlib costs an import)

import os
import time

from . import disk, system, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

RETURN = "return.json"
# A supervisor looks after its record once a second.
FOUND_WITHIN = 3.0
# So long may it be since somebody emptied the state directory, and a supervisor has not looked yet.
YOUNG = 30.0
# What a full disk, or a damaged record, comes to.
BROKEN = (OSError, ValueError, KeyError, TypeError, AttributeError)


def is_another(state: "dict[str, Any]", nonce: "object") -> bool:
    """Whether a state is that of another dispatch under the same JID: what the same host has under another name."""
    return bool(nonce and state.get("nonce") and state["nonce"] != nonce)


class Records:
    """The records of this node under a state directory, made where there are none.

    `root`: where they are known to lie. `emptied`: what is there on every call but the first has just been made.
    """

    def __init__(self, state_dir: str, root: str = "") -> None:
        self.state_dir = state_dir
        self.root = root or "%s/%s" % (state_dir, os.uname().nodename)
        if (disk.load(self.root + "/node.json") or {}).get("space") != system.space():
            from . import identity

            self.root = identity.claimed(root) if root else identity.find(state_dir)
        self.procs = self.root + "/proc"
        self.jobs = self.root + "/jobs"
        # There since the first time that anybody asked about a schedule.
        self.schedule_lock = self.root + "/schedule.lock"
        for path in (self.procs, self.jobs):
            try:
                os.mkdir(path, 0o700)
            except FileExistsError:
                # As on every call but the first.
                pass
        self.emptied = abs(time.time() - os.stat(self.root).st_mtime) < YOUNG

    def proc(self, jid: str) -> str:
        return self.procs + "/" + jid

    def job(self, jid: str, name: str = "") -> str:
        return self.jobs + "/" + jid + ("/" + name if name else "")

    def running(self) -> "list[dict[str, Any]]":
        """The proc records of the jobs that run, oldest first."""
        try:
            names = sorted(n for n in os.listdir(self.procs) if wire.is_jid(n))
        except FileNotFoundError:
            return []
        if self.emptied:
            names = sorted(self.alive().union(names))
        end = time.monotonic() + FOUND_WITHIN
        states = [self.find(name, end) for name in names]
        return [state for state in states if state["state"] == wire.RUNNING]

    def alive(self) -> "set[str]":
        """The JIDs that live processes of this user carry, without the jobs whose records are somewhere else."""
        jobs = system.table.jobs()
        return {jid for jid in jobs if not any(self._elsewhere(jid, path) for path in jobs[jid])}

    def _elsewhere(self, jid: str, path: str) -> bool:
        # A directory that was moved away says where it was: its supervisor writes the record anew there.
        root, found, _ = path.partition("/jobs/%s/" % jid)
        if not found or root == os.path.realpath(self.root):
            return False
        return (disk.load("%s/jobs/%s/job.json" % (root, jid)) or {}).get("root") == root

    def state(self, jid: str) -> "dict[str, Any]":
        """What is known of a job: `state`, and with it the fields of its return, its proc file or its end.

        Nothing is changed. A job is running while its supervisor or its first process is the one that the proc file
        names; when neither is and there is no return, it is lost.
        """
        ret = disk.load(self.job(jid, RETURN))
        if ret is not None:
            return ret
        tombstone = disk.load(self.job(jid))
        if tombstone is not None:
            return tombstone
        proc = disk.load(self.proc(jid))
        if proc is None:
            # Not yet there, or not any more, or never: what the record says of its supervisor tells.
            proc = disk.load(self.job(jid, "job.json"))
            if proc is None:
                return {"state": wire.UNKNOWN}
        boot = proc.get("boot")
        supervisor = system.alive(proc.get("supervisor_pid"), proc.get("supervisor_start"), boot)
        if supervisor is not None:
            proc["state"] = wire.RUNNING
            ended = not os.access(self.jobs, os.W_OK) and not system.is_process(
                proc.get("pid"), proc.get("start"), boot
            )
            if supervisor.state == "T":
                proc["warning"] = {
                    "kind": "stopped",
                    "message": "its supervisor is stopped: no deadline is kept, and no return written",
                    "hint": "`kill -CONT %d` there, or any signal to the job, lets it go on" % supervisor.pid,
                }
            elif ended and "pid" in proc:
                proc["warning"] = {
                    "kind": "unwritten",
                    "message": "it has ended, and its return waits for %s, which cannot be written" % self.jobs,
                    "hint": "mend that within a day: what it returned is kept in memory until then",
                }
            return proc
        ret = disk.load(self.job(jid, RETURN))
        if ret is not None:
            return ret
        if system.is_process(proc.get("pid"), proc.get("start"), boot):
            proc["state"] = wire.RUNNING
            proc["warning"] = {
                "kind": "unsupervised",
                "message": "its supervisor was killed: it runs on without a deadline, and its exit code is lost",
                "hint": "it can still be signalled",
            }
            return proc
        return self.lost(proc)

    def find(self, jid: str, end: float = 0.0) -> "dict[str, Any]":
        """As `state`. Where the record of a live job was deleted, wait until its supervisor writes it anew.

        `end`, of time.monotonic(): how long at most; else FOUND_WITHIN.
        """
        end = end or time.monotonic() + FOUND_WITHIN
        while True:
            state = self.state(jid)
            # One that is only about to start has no PID yet, either.
            if state["state"] == wire.UNKNOWN:
                missing = jid in self.alive()
            else:
                missing = state["state"] == wire.RUNNING and "pid" not in state
            if not missing or time.monotonic() > end:
                return state
            time.sleep(0.02)

    def lost(self, proc: "dict[str, Any]") -> "dict[str, Any]":
        """The end of a job that neither runs nor left a return, with the reason as far as it is known, and what lies
        there of its output."""
        from . import output

        kind, hint = "killed", ""
        message = "the job and its supervisor are gone without a return: killed from outside"
        if proc.get("boot") != system.table.boot_id():
            kind, message = "reboot", "the host was rebooted, or lost power, while the job was running"
        elif "ooms" in proc and (system.ooms() or 0) > proc["ooms"]:
            kind, message = "oom", "the kernel ran out of memory and killed processes while the job was running"
            hint = "see `journalctl -k` or `dmesg` on the host"
        elif os.path.exists(self.job(str(proc.get("jid")), RETURN)):
            kind, message = "torn", "the job ended, but its return on the host is damaged"
        elif "pid" not in proc:
            message = "the supervisor was killed before the job started"
        else:
            last = disk.load(self.job(str(proc.get("jid")), "signalled.json"))
            if last is not None:
                message = "its supervisor had been killed before; the last it got was signal %s by %s"
                message %= (last.get("signal"), last.get("by"))
        end = {"state": wire.LOST, "kind": kind, "message": message, "hint": hint}  # type: dict[str, Any]
        for key in ("jid", "nonce", "pid", "started"):
            end[key] = proc.get(key)
        end.update(output.remains(self.job(str(proc.get("jid"))), proc.get("cap") or wire.CAP))
        return end

    def bury(self, jid: str, nonce: str, kind: str, message: str) -> "dict[str, Any]":
        """Make sure that a dispatch that has not started can't start any more; return what holds now."""
        end = {"state": wire.NOT_STARTED, "jid": jid, "nonce": nonce, "kind": kind}  # type: dict[str, Any]
        end.update(message=message, hint="", finished=time.time())
        new = "%s/.new-%s-%d" % (self.jobs, jid, os.getpid())
        disk.put(new, end)
        try:
            # A link fails where a record stands, and a record's rename fails where this stands.
            os.link(new, self.job(jid))
        except FileExistsError:
            return self.state(jid)
        finally:
            disk.remove(new)
        disk.sync(self.jobs)
        return end
