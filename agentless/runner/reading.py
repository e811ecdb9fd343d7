"""Frames of a reply as answers. A host may say anything: here, and nowhere else, what it says is made into values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from agentless.cache.scratch import Scratch, Spool
from agentless.errors import Refused, Unreachable
from agentless.model import answers
from agentless.model.copies import FileFailure
from agentless.model.jid import JID
from agentless.model.output import EMPTY, StreamOutput
from agentless.model.problem import Problem
from agentless.model.process import Process, Signal, Survivor
from agentless.model.returner import NAME as RETURNER
from agentless.model.returns import Remains, Return
from agentless.regex import regex
from agentless.remote import wire
from agentless.runner.bounds import records_max
from agentless.runner.frame_fields import Meta, build, count, flag, items, matched, number, pairs, stamp, text, texts
from agentless.runner.frames import Frame

__all__ = ["Answer", "Reading"]

# Few calls are about a schedule, and what it takes to read one is loaded for those.
if TYPE_CHECKING:
    from agentless.schedule.host_schedule import OnHost, ScheduleEvent

    Answer = answers.JobAnswer | answers.Answer | OnHost | ScheduleEvent
else:
    Answer = object

# Who a job runs as on other hosts is believed as far as it can be a name.
LOGIN = regex(r"[A-Za-z0-9_][A-Za-z0-9_.@$-]{0,63}")
BECOME = regex(rf"((sudo|su|doas):{LOGIN.pattern})?")
RETURNERS_MAX = 16
OTHERS_MAX = 8
STATES = (wire.RUNNING, wire.LOST, wire.NOT_STARTED, wire.UNKNOWN)
# Of a file's mode: what makes it run as its owner is not copied.
PERMISSIONS = 0o777
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
                raise Refused(text(meta, "kind"), text(meta, "message"), text(meta, "hint"))
            case "running":
                jobs = tuple(filter(None, map(_process, items(meta, "jobs"))))
                others = tuple(name for name in texts(meta, "others")[:OTHERS_MAX] if LOGIN.fullmatch(name))
                return answers.RunningJobs(jobs, text(meta, "user"), others)
            case "found":
                return answers.FoundJob(_process(meta.get("proc")))
            case "signalled":
                return answers.SignalDone(_signal(meta), flag(meta, "running"))
            case "pong":
                return build(answers.Helper, meta)
            case "seen":
                sequence = text(meta, "id")
                return answers.ScheduleSeen(sequence, count(meta, "at")) if 0 < len(sequence) < SEQUENCE_MAX else None
            case "pushed":
                return build(answers.PushDone, meta)
            case "schedule":
                return build(answers.ScheduleState, meta)
            case "entry":
                from agentless.runner.reading_schedules import entry

                return entry(meta)
            case "event":
                from agentless.runner.reading_schedules import event

                return event(meta)
            case "stored" | "gathering" | "item" | "data" | "whole" | "gathered":
                return _file(kind, meta, frame.body)
        return self._about_job(frame, kind, meta)

    def _about_job(self, frame: Frame, kind: str, meta: Meta) -> Answer | None:
        jid = _jid(meta)
        match kind:
            case "out":
                return answers.Output(jid, self._host, _stream(meta), count(meta, "at"), frame.body)
            case "gap":
                return answers.Output(jid, self._host, _stream(meta), count(meta, "at"), b"", dropped=count(meta, "n"))
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
                ret = build(Return, meta, out=self._record(jid, 1), err=self._record(jid, 2))
                return answers.Returned(jid, ret, streamed=flag(meta, "streamed"))
            case "accepted":
                return build(answers.Accepted, meta, jid=jid, warning=_problem(meta.get("warning")))
            case "state":
                if text(meta, "state") not in STATES:
                    raise Unreachable(
                        "protocol", f"the reply has {text(meta, 'state')!r:.80}, which is no state of a job"
                    )
                problem = _problem(meta) if meta.get("kind") else _problem(meta.get("warning"))
                return build(answers.Stated, meta, jid=jid, problem=problem, remains=self._remains(jid, meta))
            case "job":
                return answers.Described(
                    jid,
                    function=text(meta, "fun"),
                    arguments=texts(meta, "arg"),
                    target=text(meta, "tgt"),
                    user=text(meta, "user"),
                    metadata=pairs(meta, "metadata"),
                    schedule=text(meta, "schedule") or None,
                    nonce=text(meta, "nonce"),
                    hosts=texts(meta, "hosts"),
                    login=matched(LOGIN, meta, "login"),
                    become=matched(BECOME, meta, "become"),
                    clock=stamp(meta, "time"),
                    keep=meta.get("keep") != "nocache",
                    returners=tuple(n for n in texts(meta, "returners")[:RETURNERS_MAX] if RETURNER.fullmatch(n)),
                )
        return None

    def _record(self, jid: JID, stream: int) -> StreamOutput:
        return self._records.pop((jid, stream), EMPTY)

    def _remains(self, jid: JID, meta: Meta) -> Remains | None:
        if text(meta, "state") != "lost" or number(meta, "stdout_truncated") is None:
            return None
        return build(Remains, meta, out=self._record(jid, 1), err=self._record(jid, 2))


def _file(kind: str, meta: Meta, body: bytes) -> answers.FileAnswer:
    """What is said of files that are copied."""
    match kind:
        case "gathering":
            return answers.Gathering()
        case "item":
            return answers.FetchedItem(text(meta, "path"), count(meta, "mode") & PERMISSIONS, number(meta, "size"))
        case "data":
            return answers.Content(body)
        case "whole":
            return answers.ContentEnd(flag(meta, "broken"))
    failed = tuple(filter(None, map(_failure, items(meta, "failed"))))
    if kind == "gathered":
        return answers.Gathered(count(meta, "failures"), failed)
    return build(answers.Stored, meta, failed=failed)


def _failure(row: object) -> FileFailure | None:
    if not isinstance(row, list) or len(row) != 4 or not all(isinstance(word, str) for word in row):
        return None
    path, kind, message, hint = row
    return FileFailure(path, Problem(kind, message, hint))


def _stream(meta: Meta) -> int:
    return 2 if meta.get("s") == 2 else 1


def _problem(value: object) -> Problem | None:
    if not isinstance(value, Mapping):
        return None
    return Problem(text(value, "kind"), text(value, "message"), text(value, "hint"))


def _jid(meta: Meta) -> JID:
    name = text(meta, "jid")
    try:
        return JID(name)
    except ValueError as error:
        raise Unreachable("protocol", f"the reply names {name!r:.80}, which is not a JID") from error


def _process(record: object) -> Process | None:
    """A proc record, or None when it is none."""
    if not isinstance(record, Mapping):
        return None
    try:
        return build(Process, record, jid=JID(text(record, "jid")), schedule=text(record, "schedule") or None)
    except ValueError:
        return None


def _signal(meta: Meta) -> Signal:
    pids = tuple(pid for pid in items(meta, "delivered") if isinstance(pid, int))
    alive = [build(Survivor, one) for one in items(meta, "survivors") if isinstance(one, Mapping) and count(one, "pid")]
    return Signal(pids, tuple(alive), text(meta, "message"), known=bool(meta.get("known", True)))
