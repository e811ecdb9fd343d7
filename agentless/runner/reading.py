"""Frames of a reply as answers. A host may say anything: here, and nowhere else, what it says is made into values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, TypeVar

from agentless.cache.scratch import Scratch, Spool
from agentless.errors import Refused, Unreachable
from agentless.model import answers as model
from agentless.model.answers import (
    Accepted,
    Described,
    FoundJob,
    Helper,
    JobAnswer,
    Output,
    PushDone,
    Returned,
    RunningJobs,
    ScheduleSeen,
    ScheduleState,
    SignalDone,
    Stated,
)
from agentless.model.jid import JID
from agentless.model.output import EMPTY, StreamOutput
from agentless.model.problem import Problem
from agentless.model.process import Process, Signal, Survivor
from agentless.model.returns import Remains, Return
from agentless.remote import course, evaluator, wire
from agentless.remote.evaluator import Fire
from agentless.runner.bounds import records_max
from agentless.runner.frames import Frame
from agentless.schedule.hosts import Event, OnHost

__all__ = ["Answer", "Reading"]

Answer = JobAnswer | model.Answer | OnHost | Event

Meta = Mapping[str, Any]
# Who a job runs as on other hosts is believed as far as it can be a name.
LOGIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@$-]{0,63}")
BECOME = re.compile(rf"((sudo|su|doas):{LOGIN.pattern})?")
STATES = (wire.RUNNING, wire.LOST, wire.NOT_STARTED, wire.UNKNOWN)
# SQLite, file offsets and C have no larger ones, and neither does anything that a host counts.
INT_MAX = 2**63
# Of fires: what a table has room for.
COUNT_MAX = 10**9
DAY = 86400
# The name of a sequence of fires is 16 hex digits.
SEQUENCE_MAX = 64


class Reading:
    """The answers of one host's reply; a record's output comes in pieces before the return that it belongs to.

    Args:
        host: its inventory name.
        scratch: where long output waits for its return.
        most: bytes of records that it may have.
    """

    def __init__(self, host: str, scratch: Scratch, most: int = records_max(1, wire.CAP)) -> None:
        self._host = host
        self._scratch = scratch
        self._most = most
        self._records: dict[tuple[str, int], Spool] = {}
        self._received = 0

    def read(self, frame: Frame) -> Answer | None:
        """What the frame says; None where more has to come, or where a newer helper says what we don't know.

        Raises:
            Refused: the host answered and will not do it.
            Unreachable: `protocol`, for what no helper says.
        """
        meta, kind = frame.meta, frame.kind
        match kind:
            case "refused" | "error":
                raise Refused(_text(meta, "kind"), _text(meta, "message"), _text(meta, "hint"))
            case "running":
                return RunningJobs(tuple(filter(None, map(_process, _list(meta, "jobs")))))
            case "found":
                return FoundJob(_process(meta.get("proc")))
            case "signalled":
                return SignalDone(_signal(meta), _flag(meta, "running"))
            case "pong":
                return _build(Helper, meta)
            case "seen":
                sequence = _text(meta, "id")
                return ScheduleSeen(sequence, _count(meta, "at")) if 0 < len(sequence) < SEQUENCE_MAX else None
            case "pushed":
                return _build(PushDone, meta)
            case "schedule":
                return _build(ScheduleState, meta)
            case "entry":
                return _entry(meta)
            case "event":
                return _event(meta)
        return self._about_job(frame, kind, meta)

    def _about_job(self, frame: Frame, kind: str, meta: Meta) -> Answer | None:
        jid = _jid(meta)
        match kind:
            case "out":
                return Output(jid, self._host, _stream(meta), _count(meta, "at"), frame.body)
            case "gap":
                return Output(jid, self._host, _stream(meta), _count(meta, "at"), b"", dropped=_count(meta, "n"))
            case "rec":
                self._received += len(frame.body)
                if self._received > self._most:
                    size = f"{self._most >> 20} MiB"
                    hint = "Where the job was sent with a larger output_cap, set that in the configuration here, too."
                    raise Unreachable("protocol", f"the host sent more than {size} of output in one reply", hint)
                key = jid, _stream(meta)
                if key not in self._records:
                    self._records[key] = Spool(self._scratch)
                self._records[key].write(frame.body)
            case "return":
                ret = _build(Return, meta, out=self._record(jid, 1), err=self._record(jid, 2))
                return Returned(jid, ret, streamed=_flag(meta, "streamed"))
            case "accepted":
                return Accepted(jid, _number(meta, "pid"), _stamp(meta, "started"), _problem(meta.get("warning")))
            case "state":
                if _text(meta, "state") not in STATES:
                    raise Unreachable(
                        "protocol", f"the reply has {_text(meta, 'state')!r:.80}, which is no state of a job"
                    )
                problem = _problem(meta) if meta.get("kind") else _problem(meta.get("warning"))
                return Stated(
                    jid,
                    _text(meta, "state"),
                    _number(meta, "pid"),
                    _stamp(meta, "started"),
                    problem,
                    self._remains(jid, meta),
                    _flag(meta, "streamed"),
                )
            case "job":
                return Described(
                    jid,
                    function=_text(meta, "fun"),
                    arguments=_texts(meta, "arg"),
                    target=_text(meta, "tgt"),
                    user=_text(meta, "user"),
                    metadata=_pairs(meta, "metadata"),
                    schedule=_text(meta, "schedule") or None,
                    nonce=_text(meta, "nonce"),
                    hosts=_texts(meta, "hosts"),
                    login=_match(LOGIN, meta, "login"),
                    become=_match(BECOME, meta, "become"),
                    clock=_stamp(meta, "time"),
                    keep=meta.get("keep") != "nocache",
                )
        return None

    def _record(self, jid: JID, stream: int) -> StreamOutput:
        return self._records.pop((jid, stream), EMPTY)

    def _remains(self, jid: JID, meta: Meta) -> Remains | None:
        if _text(meta, "state") != "lost" or _number(meta, "stdout_truncated") is None:
            return None
        return _build(Remains, meta, out=self._record(jid, 1), err=self._record(jid, 2))


# --- values of a JSON object ---
def _text(meta: Meta, key: str) -> str:
    value = meta.get(key)
    return value if isinstance(value, str) else ""


def _number(meta: Meta, key: str) -> int | None:
    value = meta.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < INT_MAX else None


def _count(meta: Meta, key: str) -> int:
    return max(0, _number(meta, key) or 0)


def _flag(meta: Meta, key: str) -> bool:
    return bool(meta.get(key))


def _stream(meta: Meta) -> int:
    return 2 if meta.get("s") == 2 else 1


def _stamp(meta: Meta, key: str) -> float | None:
    value = meta.get(key)
    # A float outside of the calendar would crash the rendering.
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 2**33:
        return float(value)
    return None


def _list(meta: Meta, key: str) -> list[Any]:
    value = meta.get(key)
    return value if isinstance(value, list) else []


def _texts(meta: Meta, key: str) -> tuple[str, ...]:
    return tuple(value for value in _list(meta, key) if isinstance(value, str))


def _pairs(meta: Meta, key: str) -> dict[str, str]:
    value = meta.get(key)
    return {name: str(one) for name, one in value.items()} if isinstance(value, dict) else {}


def _match(pattern: re.Pattern[str], meta: Meta, key: str) -> str | None:
    value = meta.get(key)
    return value if isinstance(value, str) and pattern.fullmatch(value) else None


def _jid(meta: Meta) -> JID:
    text = _text(meta, "jid")
    try:
        return JID(text)
    except ValueError as error:
        raise Unreachable("protocol", f"the reply names {text!r:.80}, which is not a JID") from error


def _problem(value: object) -> Problem | None:
    if not isinstance(value, Mapping):
        return None
    return Problem(_text(value, "kind"), _text(value, "message"), _text(value, "hint"))


def _process(record: object) -> Process | None:
    """A proc record, or None when it is none."""
    if not isinstance(record, Mapping):
        return None
    try:
        return _build(Process, record, jid=JID(_text(record, "jid")))
    except ValueError:
        return None


def _signal(meta: Meta) -> Signal:
    pids = tuple(pid for pid in _list(meta, "delivered") if isinstance(pid, int))
    alive = [
        _build(Survivor, one) for one in _list(meta, "survivors") if isinstance(one, Mapping) and _count(one, "pid")
    ]
    return Signal(pids, tuple(alive), _text(meta, "message"), known=bool(meta.get("known", True)))


def _entry(meta: Meta) -> OnHost | None:
    raw, history = _object(meta, "entry"), _object(meta, "history")
    job = _object(raw, "job")
    if not job:
        return None
    fired, skipped = _list(history, course.FIRED), _list(history, course.SKIPPED)
    skip = _stamp({"at": skipped[1]}, "at") if len(skipped) == 2 else None
    planned = (_planned(row, _text(raw, "id")) for row in _list(meta, "plan"))
    return OnHost(
        name=_text(raw, "name"),
        function=_text(job, "fun"),
        arguments=_texts(job, "arg"),
        target=_text(job, "tgt"),
        enabled=bool(raw.get("enabled", 1)),
        last_fire=_stamp({"at": fired[1]}, "at") if len(fired) == 2 else None,
        last_skip=None if skip is None else (_text({"why": skipped[0]}, "why"), skip),
        running=min(_count(meta, "running"), COUNT_MAX),
        coming=tuple(fire for fire in planned if fire is not None),
        timezone=_text(raw, "zone") or None,
    )


def _planned(row: object, digits: str) -> Fire | None:
    """A fire to come as a host works it out: nominal time, time, reason, seconds ahead of UTC."""
    if not isinstance(row, list) or len(row) != 4:
        return None
    values = dict(zip(("nominal", "at", "reason", "shift"), row, strict=True))
    nominal, at, shift = _stamp(values, "nominal"), _stamp(values, "at"), _number(values, "shift")
    if nominal is None or at is None or shift is None or abs(shift) >= DAY:
        return None
    jid = evaluator.jid({"id": digits}, int(nominal))
    return Fire(int(nominal), int(at), jid, shift, _text(values, "reason") or None)


def _event(meta: Meta) -> Event:
    return Event(
        at=_stamp(meta, "at") or 0.0,
        name=_text(meta, "name"),
        jid=_text(meta, "jid") or None,
        reason=_text(meta, "skip") or None,
        count=min(_count(meta, "count"), COUNT_MAX) or 1,
        error=_text(meta, "error") or None,
    )


def _object(meta: Meta, key: str) -> Meta:
    value = meta.get(key)
    return value if isinstance(value, dict) else {}


def _line(meta: Meta, key: str) -> bool | None:
    value = meta.get(key)
    return value if isinstance(value, bool) else None


def _problem_in(meta: Meta, key: str) -> Problem | None:
    """A problem as it travels in a schedule's answers: kind, message and hint as a list."""
    words = _list(meta, key)
    return Problem(*(word if isinstance(word, str) else "" for word in words)) if len(words) == 3 else None


_READERS: Mapping[str, Callable[[Meta, str], object]] = {
    "str": _text,
    "int": _count,
    "int | None": _number,
    "float | None": _stamp,
    "bool": _flag,
    "bool | None": _line,
    "str | None": lambda meta, key: _text(meta, key) or None,
    "Problem | None": _problem_in,
    "tuple[str, ...]": _texts,
}
T = TypeVar("T")


def _build(kind: type[T], meta: Meta, **known: Any) -> T:
    """A dataclass whose fields are named as those of the frame: each is read as its type says."""
    read = {
        each.name: _READERS[str(each.type)](meta, each.name)
        for each in fields(kind)  # type: ignore[arg-type]
        if each.name not in known
    }
    return kind(**read, **known)
