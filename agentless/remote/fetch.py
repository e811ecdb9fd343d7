"""Answers about jobs: that one is here, its record and return or its state, and what the controller waits for."""

import time

from . import disk, records, wire
from .call import jid_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .call import Call


def accepted(call: "Call", jid: str, state: "dict[str, Any]") -> None:
    """Say that a job is here already."""
    call.say("accepted", jid=jid, **{key: state.get(key) for key in ("state", "pid", "started", "warning")})


def answer(call: "Call", jid: str, state: "dict[str, Any]", streamed: bool = False) -> None:
    """What is known of one job: its record and return, or its state."""
    if state.get("cuts") and not streamed:
        from . import output

        for s, name in enumerate(output.NAMES, 1):
            head, tail, size = state["cuts"][s - 1]
            sent = 0
            for data in output.pieces(call.book.job(jid, name), head, tail, size):
                call.pour("rec", data, jid=jid, s=s)
                sent += len(data)
            # Also what somebody has deleted since.
            state[name + "_truncated"] = size - sent
    t, keys = ("return", wire.RETURN) if state["state"] == wire.RETURNED else ("state", wire.STATE)
    call.say(t, jid=jid, streamed=streamed, **{key: state.get(key) for key in keys})


def fetch(call: "Call") -> None:
    """What is known of each job that is asked for, now."""
    for want in call.request.get("jobs") or ():
        jid = jid_of(want)
        state = _sure(call, want, meant(call.book.find(jid), want))
        if call.request.get("describe"):
            record = disk.load(call.book.job(jid, "job.json")) or disk.load(call.book.proc(jid))
            if record is not None:
                call.say("job", jid=jid, time=time.time(), **{key: record.get(key) for key in wire.TOLD})
        answer(call, jid, state)
    call.bring()


def wanted(call: "Call") -> None:
    """The returns that the controller still waits for, as many as fit into one portion."""
    room = wire.WANT_BYTES
    first = True
    for want in (call.request.get("want") or ())[: wire.WANT_MAX]:
        jid = want.get("jid")
        if not wire.is_jid(jid) or (jid == call.request.get("jid") and call.request.get("op") in ("run", "follow")):
            continue
        try:
            # One that may never have arrived is looked for as one that is asked about: records can be deleted.
            state = call.book.find(jid) if want.get("maybe") else call.book.state(jid)
            state = _sure(call, want, meant(state, want))
            size = _size(state)
            if size > room and not first:
                continue
            answer(call, jid, state)
        except records.BROKEN:
            # The others come home all the same.
            continue
        room -= size
        first = first and not size
    if call.request.get("seen") is not None:
        _scheduled(call, call.request["seen"], room)


def _scheduled(call: "Call", seen: "dict[str, int]", room: int) -> None:
    """What the schedule has fired and has ended, from the controller's own place in that sequence on."""
    from . import schedule_dir

    schedule_dir.gather(call.book)
    name, at, jids = schedule_dir.since(call.book, seen)
    first = at
    for jid in jids:
        state = call.book.state(jid)
        size = _size(state)
        if size > room and at > first:
            break
        record = disk.load(call.book.job(jid, "job.json")) or state
        if record.get("fun"):
            call.say("job", jid=jid, time=time.time(), **{key: record.get(key) for key in wire.TOLD})
            answer(call, jid, state)
        room -= size
        at += 1
    if at > first:
        call.say("seen", id=name, at=at, more=at - first < len(jids) or len(jids) == schedule_dir.HOME_MAX)


def meant(state: "dict[str, Any]", want: "dict[str, Any]") -> "dict[str, Any]":
    """The state of the dispatch that is asked about; another one under the same JID keeps it from ever starting."""
    if not records.is_another(state, want.get("nonce")):
        return state
    # One that was accepted has its record with another user of this host, or in another directory.
    if not want.get("maybe"):
        return {"state": wire.UNKNOWN}
    message = "this host ran the job under another inventory name"
    return {"state": wire.NOT_STARTED, "kind": "same-host", "message": message, "hint": ""}


def _sure(call: "Call", want: "dict[str, Any]", state: "dict[str, Any]") -> "dict[str, Any]":
    """The state of a job, where a request that may never have arrived can't start it any more."""
    if state["state"] != wire.UNKNOWN or not want.get("maybe") or not want.get("nonce"):
        return state
    why = "the request never arrived, and can't start any more"
    return meant(call.book.bury(want["jid"], want["nonce"], "never-arrived", why), want)


def _size(state: "dict[str, Any]") -> int:
    """Bytes of a job's record; 0 without one."""
    return sum(head + tail for head, tail, _ in state.get("cuts") or ())
