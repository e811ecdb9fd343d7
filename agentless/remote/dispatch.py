"""The dispatch of a job: taken in and started, at most once whatever the connection does."""

import _signal  # type: ignore[import-not-found]
import os

from . import disk, fetch, follow, launch, tree, wire
from .call import jid_of
from .start import RESET, Start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .call import Call


def run(call: "Call") -> None:
    """Start a job, unless it was started before; answer its output and return when it is attached."""
    request, book = call.request, call.book
    jid = jid_of(request)
    for key, default in (("fun", "cmd.run"), ("shell", "/bin/sh"), ("cap", wire.CAP), ("nonce", "")):
        request[key] = request.get(key) or default
    # The state directory may have been emptied between the request and its repetition.
    state = book.find(jid) if book.emptied or request["fresh"] else book.state(jid)
    if state["state"] != wire.UNKNOWN:
        call.drain()
        again(call, jid)
        return
    new = "%s/.new-%s-%d" % (book.jobs, jid, os.getpid())
    os.mkdir(new, 0o700)
    try:
        env = _sections(call, new)
    except BaseException:
        disk.remove(new)
        raise
    # A terminal that goes away must not take the supervisor along before it has its own session.
    ignored = {n for n in map(tree.number, RESET) if _signal.getsignal(n) == _signal.SIG_IGN}
    ignored -= {tree.number("PIPE"), tree.number("XFSZ")}
    _signal.signal(_signal.SIGHUP, _signal.SIG_IGN)
    end_pipe, reply = launch.launch(Start(book, request, env, new, request["umask"], ignored))
    if reply["t"] == "exists":
        again(call, jid)
        return
    if reply["t"] == "refused":
        call.refuse(reply["kind"], reply["message"], reply["hint"])
        return
    reply.pop("t")
    reply.setdefault("warning", None)
    call.say("accepted", **reply)
    _stay(call, jid, end_pipe)


def again(call: "Call", jid: str) -> None:
    """Answer a request whose JID is taken: the same dispatch once more, or somebody else's."""
    state = call.book.state(jid)
    if state.get("nonce") != call.request["nonce"]:
        hint = "two inventory names reach one host and state directory: set agentless_state_dir for one of them"
        call.refuse("same-host", "job %s was already sent to this host under another name" % jid, hint)
        return
    if state["state"] == wire.NOT_STARTED:
        call.refuse(state.get("kind", ""), state.get("message", ""), state.get("hint", ""))
        return
    fetch.accepted(call, jid, state)
    _stay(call, jid, None)


def _stay(call: "Call", jid: str, end_pipe: "int | None") -> None:
    call.bring()
    if not call.request.get("detach"):
        follow.follow_job(call, jid, [0, 0], end_pipe)


def _sections(call: "Call", new: str) -> "dict[bytes, bytes]":
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
                    disk.write_all(fd, data)
            finally:
                os.close(fd)
    env[b"AGENTLESS_JID"] = call.request["jid"].encode("ascii")
    env[b"AGENTLESS_HOST"] = wire.raw(call.request.get("host") or "")
    return env
