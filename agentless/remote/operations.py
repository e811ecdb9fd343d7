"""The operations that a controller can ask for; each answers in frames on stdout and ends with `end`."""

import _signal  # type: ignore[import-not-found]
import os
import select
import sys
import time

from . import output, records, system, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

POLL_FIRST = 0.01
POLL_LAST = 0.1
ALIVE_EVERY = 1.0
RETURN_WITHIN = 1.0
SWEEP_EVERY = 60.0


class Gone(Exception):
    """Nobody reads the answers any more."""


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
            operation = OPERATIONS.get(str(call.request.get("op")))
            if operation is None:
                call.refuse("bad-request", "no operation %r" % (call.request.get("op"),))
            else:
                call.request.update(locale=locale, umask=umask, fresh=fresh)
                operation(call)
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
        pass
    try:
        from . import sweep

        sweep.sweep(call.book, call.request.get("keep_bytes") or wire.KEEP_BYTES)
    except (OSError, ImportError):
        # A full disk, or a helper that was replaced while this call was attached: the next call does it.
        pass


# --- run ---
def run(call: Call) -> None:
    """Start a job, unless it was started before; answer its output and return when it is attached."""
    from . import supervisor

    request, book = call.request, call.book
    jid = _jid(request)
    for key, default in (("fun", "cmd.run"), ("shell", "/bin/sh"), ("cap", wire.CAP), ("nonce", "")):
        request[key] = request.get(key) or default
    if book.state(jid)["state"] != wire.UNKNOWN:
        call.drain()
        again(call, jid)
        return
    new = "%s/.new-%s-%d" % (book.jobs, jid, os.getpid())
    os.mkdir(new, 0o700)
    try:
        env = _sections(call, new)
    except BaseException:
        records.remove(new)
        raise
    # A terminal that goes away must not take the supervisor along before it has its own session.
    ignored = {n for n in map(supervisor.number, supervisor.RESET) if _signal.getsignal(n) == _signal.SIG_IGN}
    ignored -= {supervisor.number("PIPE"), supervisor.number("XFSZ")}
    _signal.signal(_signal.SIGHUP, _signal.SIG_IGN)
    told, said = supervisor.launch(supervisor.Start(book, request, env, new, request["umask"], ignored))
    if said is None:
        call.refuse("supervisor", "the supervisor died at the start")
        return
    if said["t"] == "exists":
        again(call, jid)
        return
    if said["t"] == "refused":
        call.refuse(said["kind"], said["message"], said["hint"])
        return
    said.pop("t")
    said.setdefault("warning", None)
    call.say("accepted", **said)
    wanted(call)
    if not request.get("detach"):
        follow_job(call, jid, [0, 0], told)


def again(call: Call, jid: str) -> None:
    """Answer a request whose JID is taken: the same dispatch once more, or somebody else's."""
    state = call.book.state(jid)
    if state.get("nonce") != call.request["nonce"]:
        hint = "two inventory names reach one host and state directory: set agentless_state_dir for one of them"
        call.refuse("same-host", "job %s was already sent to this host under another name" % jid, hint)
        return
    if state["state"] == wire.NOT_STARTED:
        call.refuse(state.get("kind", ""), state.get("message", ""), state.get("hint", ""))
        return
    _accepted(call, jid, state)
    wanted(call)
    if not call.request.get("detach"):
        follow_job(call, jid, [0, 0], None)


def _accepted(call: Call, jid: str, state: "dict[str, Any]") -> None:
    """Say that a job is here already."""
    call.say("accepted", jid=jid, **{key: state.get(key) for key in ("state", "pid", "started", "warning")})


def _sections(call: Call, new: str) -> "dict[bytes, bytes]":
    """Take env, script and stdin; return the job's environment: that of `ssh host command`, and what was asked."""
    env = dict(os.environb)
    locale = call.request["locale"]
    env.pop(b"LC_CTYPE", None)
    if locale:
        env[b"LC_CTYPE"] = os.fsencode(locale[1:])
    for name, length in call.request.get("sections") or ():
        if name == "env":
            extra = wire.loads(b"".join(call.take(length)).decode("utf-8"))
            for key, value in extra.items():
                env[wire.raw(key)] = wire.raw(value)
        elif name in ("script", "stdin"):
            fd = os.open("%s/%s" % (new, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                for data in call.take(length):
                    records.write_all(fd, data)
            finally:
                os.close(fd)
    env[b"AGENTLESS_JID"] = call.request["jid"].encode("ascii")
    return env


# --- follow ---
def follow(call: Call) -> None:
    """Attach to a job again: its output from the offsets on, then its return."""
    jid = _jid(call.request)
    state = call.book.state(jid)
    if state["state"] == wire.RUNNING:
        _accepted(call, jid, state)
    wanted(call)
    at = [int(n) for n in call.request.get("at") or (0, 0)]
    if call.request.get("once") and state["state"] == wire.RUNNING:
        for s, stream in enumerate(_growing(call, jid, at), 1):
            while _forward(call, jid, s, stream):
                pass
    else:
        follow_job(call, jid, at, None)


def follow_job(call: Call, jid: str, at: "list[int]", told: "int | None") -> None:
    """Stream a job's output, then answer its end.

    Args:
        at: the offsets to start from.
        told: a pipe from the supervisor, which ends when the return is on disk; else the return is looked for.
    """
    book = call.book
    streams = _growing(call, jid, at) if call.request.get("live") else []
    poll = select.poll()
    poll.register(1, 0)
    if told is not None:
        poll.register(told, select.POLLIN)
    pause, checked = POLL_FIRST, 0.0
    while not os.path.exists(book.job(jid, records.RETURN)):
        # The supervisor's pipe tells its end; of somebody else's job, look now and then whether it still has one.
        if told is None and time.monotonic() - checked >= ALIVE_EVERY:
            checked = time.monotonic()
            if book.state(jid)["state"] != wire.RUNNING:
                break
        sent = [_forward(call, jid, s, stream) for s, stream in enumerate(streams, 1)]
        pause = POLL_FIRST if any(sent) else min(pause * 1.5, POLL_LAST)
        for fd, event in poll.poll(int(pause * 1000) if streams or told is None else None):
            if fd == 1 and event & (select.POLLERR | select.POLLHUP | select.POLLNVAL):
                raise Gone
            if fd == told:
                poll.unregister(told)
                told = None
    state = book.state(jid)
    if state["state"] == wire.RETURNED:
        whole = bool(streams)
        for s, stream in enumerate(streams, 1):
            head, tail, size = state["cuts"][s - 1]
            while _forward(call, jid, s, stream, size):
                pass
            whole = whole and stream.whole and stream.at == size and head + tail == size
        answer(call, jid, state, streamed=whole)
    else:
        answer(call, jid, state)


def _growing(call: Call, jid: str, at: "list[int]") -> "list[output.Growing]":
    cap = int((records.load(call.book.job(jid, "job.json")) or {}).get("cap") or wire.CAP)
    try:
        return [output.Growing(call.book.job(jid, name), start, cap) for name, start in zip(output.NAMES, at)]
    except FileNotFoundError:
        return []


def _forward(call: Call, jid: str, s: int, stream: output.Growing, limit: "int | None" = None) -> bool:
    piece = stream.next(limit)
    if piece is None:
        return False
    start, dropped, data = piece
    if dropped:
        call.say("gap", jid=jid, s=s, at=start, n=dropped)
    else:
        call.pour("out", data, jid=jid, s=s, at=start)
    return True


# --- returns ---
RETURN_KEYS = (
    "retcode",
    "signal",
    "ended_by",
    "stdout_truncated",
    "stderr_truncated",
    "pid",
    "started",
    "finished",
    "duration",
    "left_running",
    "uncapped",
)
JOB_KEYS = ("fun", "arg", "tgt", "tgt_type", "user", "controller", "metadata", "started", "nonce", "host", "schedule")
PROC_KEYS = ("jid", "pid", "node", "warning", *JOB_KEYS)


def answer(call: Call, jid: str, state: "dict[str, Any]", streamed: bool = False) -> None:
    """What is known of one job: its record and return, or its state."""
    if state["state"] == wire.RETURNED:
        if not streamed:
            for s, name in enumerate(output.NAMES, 1):
                head, tail, size = state["cuts"][s - 1]
                for data in output.pieces(call.book.job(jid, name), head, tail, size):
                    call.pour("rec", data, jid=jid, s=s)
        call.say("return", jid=jid, streamed=streamed, **{key: state.get(key) for key in RETURN_KEYS})
    else:
        keys = ("state", "pid", "started", "kind", "message", "hint", "warning")
        call.say("state", jid=jid, **{key: state.get(key) for key in keys})


def wanted(call: Call) -> None:
    """The returns that the controller still waits for, as many as fit into one portion."""
    room = wire.WANT_BYTES
    first = True
    for want in (call.request.get("want") or ())[: wire.WANT_MAX]:
        jid = want.get("jid")
        if not wire.is_jid(jid) or (jid == call.request.get("jid") and call.request.get("op") in ("run", "follow")):
            continue
        state = _of(call.book.state(jid), want.get("nonce"))
        size = sum(head + tail for head, tail, _ in state.get("cuts") or ())
        if size > room and not first:
            continue
        answer(call, jid, state)
        room -= size
        first = first and not size
    if call.request.get("seen") is not None:
        _scheduled(call, call.request["seen"], room)


def _scheduled(call: Call, seen: "dict[str, int]", room: int) -> None:
    """What the schedule has fired and has ended, from the controller's own place in that sequence on."""
    from . import schedule

    schedule.gather(call.book)
    name, at, jids = schedule.since(call.book, seen)
    first = at
    for jid in jids:
        state = call.book.state(jid)
        size = sum(head + tail for head, tail, _ in state.get("cuts") or ())
        if size > room and at > first:
            break
        record = records.load(call.book.job(jid, "job.json")) or state
        if record.get("fun"):
            call.say("job", jid=jid, **{key: record.get(key) for key in JOB_KEYS})
            answer(call, jid, state)
        room -= size
        at += 1
    if at > first:
        call.say("seen", id=name, at=at, more=at - first < len(jids) or len(jids) == schedule.HOME_MAX)


def schedule(call: Call) -> None:
    """Push, show or purge the schedule."""
    from . import placing

    placing.place(call)
    wanted(call)


def _of(state: "dict[str, Any]", nonce: "str | None") -> "dict[str, Any]":
    """The state of one dispatch: another one under the same JID is not it."""
    if nonce and state.get("nonce") and state["nonce"] != nonce:
        message = "this host ran the job under another inventory name"
        return {"state": wire.NOT_STARTED, "kind": "same-host", "message": message, "hint": ""}
    return state


def fetch(call: Call) -> None:
    """What is known of each job that is asked for, now."""
    for want in call.request.get("jobs") or ():
        jid = _jid(want)
        state = _of(call.book.state(jid), want.get("nonce"))
        if state["state"] == wire.UNKNOWN and want.get("maybe") and want.get("nonce"):
            state = _of(call.book.bury(jid, want["nonce"]), want.get("nonce"))
        if call.request.get("describe"):
            record = records.load(call.book.job(jid, "job.json")) or records.load(call.book.proc(jid))
            if record is not None:
                call.say("job", jid=jid, **{key: record.get(key) for key in JOB_KEYS})
        answer(call, jid, state)
    wanted(call)


# --- the proc system ---


def running(call: Call) -> None:
    """The jobs that run here, in frames of bounded size."""
    jobs = []  # type: list[dict[str, Any]]
    room = wire.LIST_BYTES
    for proc in call.book.running():
        job = {key: proc.get(key) for key in PROC_KEYS}
        size = len(wire.dumps(job))
        if jobs and size > room:
            call.say("running", jobs=jobs)
            jobs, room = [], wire.LIST_BYTES
        jobs.append(job)
        room -= size
    call.say("running", jobs=jobs)
    wanted(call)


def find(call: Call) -> None:
    """The proc record of one job, empty where it does not run here."""
    state = call.book.state(_jid(call.request))
    call.say("found", proc={k: state.get(k) for k in PROC_KEYS} if state["state"] == wire.RUNNING else {})
    wanted(call)


def signal(call: Call) -> None:
    """Signal a job's whole tree, through its supervisor while that lives."""
    from . import signalling

    jid = _jid(call.request)
    number = call.request.get("signal")
    if not isinstance(number, int) or not 0 < number < 65:
        raise ValueError("no signal %r" % (number,))
    done = signalling.signal(call.book, jid, number, str(call.request.get("by")))
    call.say("signalled", jid=jid, **done)
    # Where it has ended, the controller that waits for its return shall have it from this very contact.
    end = time.monotonic() + RETURN_WITHIN
    while done["running"] and not done["survivors"] and time.monotonic() < end:
        if call.book.state(jid)["state"] != wire.RUNNING:
            break
        time.sleep(POLL_FIRST)
    wanted(call)


def ping(call: Call) -> None:
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
    wanted(call)


def _jid(request: "dict[str, Any]") -> str:
    jid = request.get("jid")
    if not wire.is_jid(jid):
        raise ValueError("not a JID: %r" % (jid,))
    return str(jid)


OPERATIONS = {
    "run": run,
    "follow": follow,
    "fetch": fetch,
    "running": running,
    "find": find,
    "signal": signal,
    "ping": ping,
    "schedule": schedule,
}
