"""A job that is followed: its output while it grows, then its end."""

import os
import select
import time

from . import disk, fetch, output, records, system, wire
from .call import Gone, jid_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .call import Call

POLL_FIRST = 0.01
POLL_LAST = 0.1
ALIVE_EVERY = 1.0


def follow(call: "Call") -> None:
    """Attach to a job again: its output from the offsets on, then its return."""
    jid = jid_of(call.request)
    state = fetch.meant(call.book.find(jid), call.request)
    if state["state"] == wire.RUNNING:
        fetch.accepted(call, jid, state)
    call.bring()
    if state["state"] == wire.UNKNOWN:
        fetch.answer(call, jid, state)
        return
    at = [int(n) for n in call.request.get("at") or (0, 0)]
    if call.request.get("once") and state["state"] == wire.RUNNING:
        for s, stream in enumerate(_growing(call, jid, at), 1):
            while _forward(call, jid, s, stream):
                pass
    else:
        follow_job(call, jid, at, None)


def follow_job(call: "Call", jid: str, at: "list[int]", end_pipe: "int | None") -> None:
    """Stream a job's output, then answer its end.

    Args:
        at: the offsets to start from.
        end_pipe: a pipe from the supervisor, which ends when the return is on disk; else the return is looked for.
    """
    book = call.book
    live = bool(call.request.get("live"))
    streams = []  # type: list[output.Growing]
    poll = select.poll()
    poll.register(1, 0)
    if end_pipe is not None:
        poll.register(end_pipe, select.POLLIN)
    # This may last for days.
    system.collect()
    pause, checked = POLL_FIRST, 0.0
    sent_at = time.monotonic()
    while not os.path.exists(book.job(jid, records.RETURN)):
        # The supervisor's pipe tells its end; of somebody else's job, look now and then whether it still has one.
        if end_pipe is None and time.monotonic() - checked >= ALIVE_EVERY:
            checked = time.monotonic()
            if book.find(jid)["state"] != wire.RUNNING:
                break
        if live and not streams:
            # Where somebody deleted the record, its supervisor writes it anew.
            streams = _growing(call, jid, at)
        sent = [_forward(call, jid, s, stream) for s, stream in enumerate(streams, 1)]
        pause = POLL_FIRST if any(sent) else min(pause * 1.5, POLL_LAST)
        if any(sent):
            sent_at = time.monotonic()
        elif time.monotonic() - sent_at >= wire.BEAT:
            # A connection that died unnoticed, that of a master of ssh for one, is known by what does not come.
            call.say("beat", jid=jid)
            sent_at = time.monotonic()
        for fd, event in poll.poll(int((pause if live or end_pipe is None else wire.BEAT) * 1000)):
            if fd == 1 and event & (select.POLLERR | select.POLLHUP | select.POLLNVAL):
                raise Gone
            if fd == end_pipe:
                poll.unregister(end_pipe)
                end_pipe = None
    if live and not streams:
        streams = _growing(call, jid, at)
    state = book.state(jid)
    cuts = state.get("cuts") or []
    whole = bool(streams and cuts)
    for s, (stream, (head, tail, size)) in enumerate(zip(streams, cuts), 1):
        while _forward(call, jid, s, stream, size):
            pass
        whole = whole and stream.whole and stream.at == size and head + tail == size
    fetch.answer(call, jid, state, streamed=whole)


def _growing(call: "Call", jid: str, at: "list[int]") -> "list[output.Growing]":
    cap = int((disk.load(call.book.job(jid, "job.json")) or {}).get("cap") or wire.CAP)
    try:
        return [output.Growing(call.book.job(jid, name), start, cap) for name, start in zip(output.NAMES, at)]
    except OSError:
        return []


def _forward(call: "Call", jid: str, s: int, stream: output.Growing, limit: "int | None" = None) -> bool:
    piece = stream.next(limit)
    if piece is None:
        return False
    start, dropped, data = piece
    if dropped:
        call.say("gap", jid=jid, s=s, at=start, n=dropped)
    else:
        call.pour("out", data, jid=jid, s=s, at=start)
    return True
