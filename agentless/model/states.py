"""The states of a job on a host, and how an answer of the host changes them.

                    ┌────────────┐  the run is over, or was told not to: not sent
                    │  pending   ├────────────────────────────────────────────┐
                    └─────┬──────┘                                            │
            it is sent    │                                                   │
       ┌──────────────────┼───────────────────────┐                           │
       │ accepted         │ the connection broke  │ the host refuses          │
       ▼                  ▼                       └──────────────────────┐    │
  ┌─────────┐  silence ┌─────────────┐  nothing of it here: a tombstone  ▼    ▼
  │ running ├─────────►│ unreachable ├───────────────────────────────► not-started ■
  │         │◄─────────┤             │
  └─┬─────┬─┘  it runs └─┬─────────┬─┘      ■ final: nothing changes it any more
    │     └──────────┐   │         │
    │ its return     │   │ return  │ accepted once, and no record, no process
    ▼                ▼   ▼         ▼
  returned ■ ◄───────────┘       lost ■ ◄── reboot, out of memory, killed, expired

A controller moves a host only by what it has just heard of it (`settle`), or by its own decision not to send.
"""

from __future__ import annotations

import base64
import enum
from collections.abc import Collection, Mapping
from dataclasses import field, replace
from datetime import datetime
from typing import Any

from agentless.model.answers import Returned, Stated
from agentless.model.jid import JID, jid_time
from agentless.model.output import InMemory, StreamOutput
from agentless.model.problem import Problem
from agentless.model.returns import Remains, Return
from agentless.model.times import Moment, iso, local, stamp, utc
from agentless.values import dataclass

__all__ = [
    "DENIED",
    "LEARNED",
    "NO_RECORD",
    "STATE_WORDS",
    "Dispatched",
    "HostResult",
    "State",
    "elsewhere",
    "remembered",
    "settle",
    "settle_denied",
]


class State(str, enum.Enum):
    """The state of one host of a job; each host is in exactly one."""

    PENDING = "pending"
    RUNNING = "running"
    RETURNED = "returned"
    LOST = "lost"
    UNREACHABLE = "unreachable"
    NOT_STARTED = "not-started"

    @property
    def final(self) -> bool:
        """Whether nothing can change any more, so that later contacts need not ask."""
        return self in (State.RETURNED, State.LOST, State.NOT_STARTED)


STATE_WORDS = (*(state.value for state in State), "failed")
"""What a list may ask for: the states, and `failed` for those that returned without success."""


class Dispatched(str, enum.Enum):
    """Whether the request reached the host: `maybe` when the connection broke before the acknowledgement."""

    NO = "no"
    MAYBE = "maybe"
    YES = "yes"


@dataclass(frozen=True, slots=True)
class HostResult:
    """One host of a job: its state, and what belongs to that state.

    Args:
        state: the one state.
        dispatched: whether the request reached the host.
        nonce: the dispatch nonce of this job and host; empty where this controller did not send it.
        ret: the return, exactly when `state` is `returned`.
        pid, started: of the running job, as last known (Unix seconds).
        problem: why it is lost, unreachable or not started, or a warning about a running one.
        remains: the output of a lost job, where the host had it still.
        place: where on the host it was sent to (`Endpoint.place`); empty where this controller did not send it.
        as_of: of what is only remembered: when this controller last heard it from the host, in Unix seconds and to half
            a minute; None where it is not from the job cache. Two results that differ in nothing else are equal.
    """

    state: State
    dispatched: Dispatched = Dispatched.NO
    nonce: str = ""
    ret: Return | None = None
    pid: int | None = None
    started: float | None = None
    problem: Problem | None = None
    remains: Remains | None = None
    place: str = field(default="", compare=False)
    as_of: float | None = field(default=None, compare=False)

    as_of_at = Moment("as_of")

    @property
    def started_at(self) -> datetime | None:
        """When the job started there, by the host's clock, as an aware datetime in UTC; None where it is not known."""
        return utc(self.ret.started if self.ret else self.started)

    @property
    def finished_at(self) -> datetime | None:
        """As `started_at`, when it ended; None also where it has not."""
        return self.ret.finished_at if self.ret else None

    @property
    def ok(self) -> bool:
        """Whether it returned with success: 0, and not cut off."""
        return self.ret is not None and self.ret.ok

    @property
    def output(self) -> Return | Remains | None:
        """What has its stdout and stderr: the return, or what a lost job left."""
        return self.ret or self.remains

    @property
    def settled(self) -> bool:
        """Whether no contact can change it: final, or never reached, so that nothing can run there."""
        return self.state.final or (self.state is State.UNREACHABLE and self.dispatched is Dispatched.NO)

    @property
    def failed(self) -> bool:
        """Whether it returned without success. A host that has not returned is neither `ok` nor `failed`."""
        return self.ret is not None and not self.ret.ok

    @property
    def repeatable(self) -> bool:
        """Whether the job can be sent there again: it has failed, or never ran there and never will."""
        return self.failed or (self.settled and self.state is not State.RETURNED)

    def to_json(self) -> dict[str, Any]:
        """The host object of the JSON contract: every key, null where unknown.

        Keys:
            state (string): exactly one of `pending`, `running`, `returned`, `lost`, `unreachable`, `not-started`.
            retcode (integer or null): 0 to 255; null where a signal ended the job, and without a return.
            signal (integer or null): the number of the signal that ended the job.
            ended_by (string or null): `exit`, `timeout`, `signal` (from outside), or `signal-job:USER@CONTROLLER`. The
                job has succeeded when `retcode` is 0 and this is `exit`, else it has failed.
            stdout (string or null): what is kept of it; null where there is none, and where it is not UTF-8.
            stdout_base64 (string, only where `stdout` is not UTF-8): its bytes, in base64.
            stderr (string or null): as `stdout`.
            stderr_base64 (string, only where `stderr` is not UTF-8): as `stdout_base64`.
            stdout_truncated (integer or null): how many bytes were dropped from the middle of it.
            stderr_truncated (integer or null): as `stdout_truncated`.
            pid (integer or null): the job's first process, on the host.
            started (time or null): by the host's clock.
            finished (time or null): by the host's clock.
            duration (number or null): seconds, by the host's monotonic clock.
            left_running (integer or null): descendants that were alive when the first process had ended.
            uncapped (boolean or null): whether the host's file system could not hold the output to its limit while it
                grew.
            error (object or null): why the host is in this state; of a running job a warning. Its keys are those of
                [error](#error).
        """
        ret, output = self.ret, self.output
        return {
            "state": self.state.value,
            "retcode": ret.retcode if ret else None,
            "signal": ret.signal if ret else None,
            "ended_by": ret.ended_by if ret else None,
            **_stream_json("stdout", output.stdout if output else None),
            **_stream_json("stderr", output.stderr if output else None),
            "stdout_truncated": output.stdout_truncated if output else None,
            "stderr_truncated": output.stderr_truncated if output else None,
            "pid": ret.pid if ret else self.pid,
            "started": iso(ret.started if ret else self.started),
            "finished": iso(ret.finished) if ret else None,
            "duration": ret.duration if ret else None,
            "left_running": ret.left_running if ret else None,
            "uncapped": ret.uncapped if ret else None,
            "error": self.problem.to_json() if self.problem else None,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> HostResult:
        """The result that a host object tells of: its `to_json` gives that object again.

        Raises:
            KeyError, TypeError, ValueError: it is no such object.
        """
        state = State(document["state"])
        problem = document["error"] and Problem(**document["error"])
        started = _stamp(document["started"])
        out, err = (_stream_of(name, document) for name in ("stdout", "stderr"))
        dropped = document["stdout_truncated"], document["stderr_truncated"]
        if state is not State.RETURNED:
            remains = None if dropped[0] is None else Remains(out, err, *dropped)
            return cls(state, pid=document["pid"], started=started, problem=problem, remains=remains)
        plain = ("retcode", "signal", "ended_by", "pid", "duration", "left_running", "uncapped")
        ret = Return(
            **{name: document[name] for name in plain},
            out=out,
            err=err,
            stdout_truncated=dropped[0],
            stderr_truncated=dropped[1],
            started=started,
            finished=_stamp(document["finished"]),
        )
        return cls(state, Dispatched.YES, ret=ret, pid=ret.pid, problem=problem)


def _stream_json(name: str, data: bytes | None) -> dict[str, str | None]:
    if data is None:
        return {name: None}
    try:
        return {name: data.decode("utf-8")}
    except UnicodeDecodeError:
        return {name: None, f"{name}_base64": base64.b64encode(data).decode("ascii")}


def _stamp(text: str | None) -> float | None:
    return None if text is None else stamp(text)


def _stream_of(name: str, document: Mapping[str, Any]) -> StreamOutput:
    if (encoded := document.get(f"{name}_base64")) is not None:
        return InMemory(base64.b64decode(encoded, validate=True))
    return InMemory((document[name] or "").encode("utf-8"))


NO_RECORD = Problem(
    "expired",
    "the host accepted the job, and keeps no record of it now: pruned after keep_returns, or removed",
)


NOT_ASKED = Problem(
    "not-asked",
    "another host told that the job was sent to this one, too",
    "agentless jobs lookup JID asks it.",
)
DENIED = Problem("no-record", "the host has no record of the job: it has not started it, or keeps it no more")
LEARNED = HostResult(State.UNREACHABLE, Dispatched.MAYBE, problem=NOT_ASKED)
# A fire that is late by its splay, or a host of a later batch, has the job by then, or never gets it.
NEVER_AFTER = 86400.0


def remembered(result: HostResult) -> HostResult:
    """A host as a verb shows it that asks nobody: what is only remembered says as of when."""
    if result.as_of is None or result.state not in (State.RUNNING, State.UNREACHABLE):
        return result
    if result.state is State.UNREACHABLE:
        why = result.problem or Problem("not-asked", "it gave no answer")
        return replace(result, problem=replace(why, message=f"{why.message}; last heard of {local(result.as_of)}"))
    when = f"running as of {local(result.as_of)}, and not asked since"
    message = f"{when}; {result.problem.message}" if result.problem else when
    return replace(result, problem=Problem("not-asked", message, "agentless jobs lookup asks it."))


def settle(
    before: HostResult, answer: Returned | Stated, now: float, asked: Collection[str] | None = None
) -> HostResult:
    """Where a host stands after this answer about the job.

    A host that has no record of a job that it had accepted has lost it; where the request may never have arrived, the
    host is asked to make that sure first (a tombstone), and `unknown` changes nothing.

    Args:
        now: Unix seconds.
        asked: the places there that were asked (`Endpoint.places`); None is wherever the job was sent to.
    """
    if isinstance(answer, Returned):
        return replace(
            before, state=State.RETURNED, dispatched=Dispatched.YES, ret=answer.ret, pid=answer.ret.pid, problem=None
        )
    if answer.state == "running":
        return replace(
            before,
            state=State.RUNNING,
            dispatched=Dispatched.YES,
            pid=answer.pid,
            started=answer.started,
            problem=answer.problem,
            as_of=None,
        )
    if answer.state == "lost":
        return replace(
            before, state=State.LOST, dispatched=Dispatched.YES, problem=answer.problem, remains=answer.remains
        )
    if answer.state == "not-started":
        return replace(before, state=State.NOT_STARTED, problem=answer.problem)
    if before.dispatched is Dispatched.YES:
        if asked is not None and (problem := elsewhere(before, asked)):
            return replace(before, state=State.UNREACHABLE, problem=problem)
        return replace(before, state=State.LOST, problem=NO_RECORD)
    if before.dispatched is Dispatched.MAYBE and not before.nonce:
        return settle_denied(before, answer.jid, now)
    return before


def elsewhere(result: HostResult, asked: Collection[str]) -> Problem | None:
    """Why what is denied at the places that the inventory leads to may run all the same: it was sent elsewhere."""
    if not result.place or result.place in asked:
        return None
    now = " and ".join(dict.fromkeys(asked))
    return Problem(
        "no-record",
        f"the job was sent to {result.place}; the inventory leads to {now} by now, where no record of it is",
        "Ask with the `user`, `become_user`, ansible_host and agentless_state_dir (by `extra_vars`) of then.",
    )


def settle_denied(before: HostResult, jid: JID, now: float) -> HostResult:
    """Where a host stands that was said to have a job, and has no record of it; after a day it never will.

    Args:
        now: Unix seconds.
    """
    if now - jid_time(jid) > NEVER_AFTER:
        return replace(before, state=State.NOT_STARTED, problem=DENIED)
    return replace(before, state=State.UNREACHABLE, problem=DENIED)
