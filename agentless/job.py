"""The nouns of the main job, as pure values: a job, what a host gave back, and the report over all hosts."""

from __future__ import annotations

import base64
import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

__all__ = [
    "Dispatched",
    "HostResult",
    "Job",
    "Problem",
    "Remains",
    "Report",
    "Return",
    "State",
    "check_jid",
    "iso",
    "jid_time",
    "new_jid",
]

JID = re.compile(r"^\d{20}$", re.ASCII)


def new_jid(now: datetime) -> str:
    """Salt's JID of an instant: 20 digits, `YYYYMMDDhhmmssffffff`, in UTC.

    The caller takes it exclusively (the job cache creates its file) and adds a microsecond where it is taken.
    """
    return now.astimezone(timezone.utc).strftime("%Y%m%d%H%M%S%f")


def jid_time(jid: str) -> float:
    """The instant that a JID names, in Unix seconds; 0.0 when its digits are no date."""
    try:
        return datetime.strptime(jid, "%Y%m%d%H%M%S%f").replace(tzinfo=timezone.utc).timestamp()
    except ValueError:
        return 0.0


def check_jid(text: str) -> str:
    """Return `text` if it is a JID; raise ValueError before it can touch a path."""
    if not JID.fullmatch(text):
        raise ValueError(f"{text!r} is not a JID: a JID has 20 digits, YYYYMMDDhhmmssffffff")
    return text


def iso(stamp: float | None) -> str | None:
    """Unix seconds as ISO 8601 in UTC with microseconds and `Z`; None stays None."""
    if stamp is None:
        return None
    return datetime.fromtimestamp(stamp, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


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


class Dispatched(str, enum.Enum):
    """Whether the request reached the host: `maybe` when the connection broke before the acknowledgement."""

    NO = "no"
    MAYBE = "maybe"
    YES = "yes"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a host is in its state: a stable `kind`, what happened, and what to do next."""

    kind: str
    message: str
    hint: str = ""

    def to_json(self) -> dict[str, str]:
        return {"kind": self.kind, "message": self.message, "hint": self.hint}


@dataclass(frozen=True, slots=True)
class Return:
    """What one host gave back for one job.

    Args:
        retcode: 0..255, or None when a signal ended the job.
        signal: the number of the signal that ended it, or None.
        ended_by: `exit`, `timeout`, `signal`, or `signal-job:USER@CONTROLLER`.
        stdout, stderr: the bytes kept.
        stdout_truncated, stderr_truncated: the bytes dropped from the middle.
        pid: the job's first process.
        started, finished: Unix seconds, the host's clock.
        duration: seconds, from the host's monotonic clock.
        left_running: descendants that were alive when the first process was reaped.
        uncapped: the file system cannot punch holes, so the output was not bounded while it grew.
    """

    retcode: int | None
    signal: int | None
    ended_by: str
    stdout: bytes = b""
    stderr: bytes = b""
    stdout_truncated: int = 0
    stderr_truncated: int = 0
    pid: int | None = None
    started: float | None = None
    finished: float | None = None
    duration: float | None = None
    left_running: int = 0
    uncapped: bool = False

    @property
    def ok(self) -> bool:
        return self.retcode == 0


@dataclass(frozen=True, slots=True)
class Remains:
    """The output of a job that is lost, as far as it lay on the host: the bytes kept, and how many were dropped."""

    stdout: bytes = b""
    stderr: bytes = b""
    stdout_truncated: int = 0
    stderr_truncated: int = 0


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
    """

    state: State
    dispatched: Dispatched = Dispatched.NO
    nonce: str = ""
    ret: Return | None = None
    pid: int | None = None
    started: float | None = None
    problem: Problem | None = None
    remains: Remains | None = None

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
        """Whether it returned, but not with 0."""
        return self.ret is not None and not self.ret.ok

    def to_json(self) -> dict[str, Any]:
        """The host object of the JSON contract: every key, null where unknown."""
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


def _stream_json(name: str, data: bytes | None) -> dict[str, str | None]:
    if data is None:
        return {name: None}
    try:
        return {name: data.decode("utf-8")}
    except UnicodeDecodeError:
        return {name: None, f"{name}_base64": base64.b64encode(data).decode("ascii")}


@dataclass(frozen=True, slots=True)
class Job:
    """One command sent to hosts under one JID, with all that is needed to ask about it later.

    Args:
        jid: 20 digits.
        function: `cmd.run` or `cmd.script`, Salt's words.
        arguments: what was run, as the person gave it.
        target: the pattern, as given.
        hosts: the inventory names that it selected, in the inventory's order.
        user: who sent it, on the controller.
        start_time: Unix seconds, this controller's clock.
        metadata: what the person attached.
        login: the login user given on the command line, or None.
        become: `METHOD:USER` when it was sent with `--become`, empty when without, None where that is not known (a
            job of another controller).
        schedule: the schedule entry that fired it, or None.
        keep_returns: hours for which the hosts keep its record.
    """

    jid: str
    function: str
    arguments: tuple[str, ...]
    target: str
    hosts: tuple[str, ...]
    user: str
    start_time: float
    metadata: Mapping[str, str] = field(default_factory=dict)
    login: str | None = None
    become: str | None = None
    schedule: str | None = None
    keep_returns: float = 168.0

    def to_json(self) -> dict[str, Any]:
        """The head that every JSON document about this job starts with; `schedule` is there where an entry fired it.

        Where no host has described a job of another controller, what only that could tell is null.
        """
        told = bool(self.function)
        document: dict[str, Any] = {
            "jid": self.jid,
            "function": self.function if told else None,
            "arguments": list(self.arguments) if told else None,
            "target": self.target if told else None,
            "user": self.user if told else None,
            "start_time": iso(self.start_time or None),
            "metadata": dict(self.metadata) if told else None,
        }
        if self.schedule is not None:
            document["schedule"] = self.schedule
        return document


@dataclass(frozen=True, slots=True)
class Report:
    """A job and the state of each of its hosts.

    Args:
        job: the job.
        results: by inventory name, in the order of `job.hosts`.
        unknown_hosts: hosts that could not be asked about a JID that this controller does not know.
        interrupted: the command that reports was interrupted.
        detached: the job was only to be accepted, so that hosts which run it are a success.
    """

    job: Job
    results: Mapping[str, HostResult]
    unknown_hosts: Mapping[str, Problem] = field(default_factory=dict)
    interrupted: bool = False
    detached: bool = False

    @property
    def summary(self) -> dict[str, int]:
        """Hosts by state (the six add up to all), and `failed`: those returned that did not end with 0."""
        counts = {state.value: 0 for state in State}
        for result in self.results.values():
            counts[result.state.value] += 1
        counts["failed"] = sum(result.failed for result in self.results.values())
        return counts

    @property
    def open_hosts(self) -> list[str]:
        """The hosts that a contact can tell more about: the job was sent to them, and the end is not known.

        What is `pending` is in the hands of the run that sends it: who asked now would keep the host from taking it.
        """
        return [
            name
            for name, result in self.results.items()
            if not result.settled and result.dispatched is not Dispatched.NO and result.state is not State.PENDING
        ]

    def unreached(self, problems: Mapping[str, Problem]) -> Report:
        """The report when these hosts cannot be asked: they are `unreachable`, and this is why."""
        unreachable = {
            name: replace(self.results[name], state=State.UNREACHABLE, problem=problem)
            for name, problem in problems.items()
        }
        return replace(self, results={**self.results, **unreachable})

    @property
    def exit_code(self) -> int:
        """130 interrupted, 4 not waited for, 3 unreachable, lost or not started, 1 failed, 0; the first that holds."""
        counts = self.summary
        if self.interrupted:
            return 130
        if (counts["running"] or counts["pending"]) and not self.detached:
            return 4
        if counts["unreachable"] or counts["lost"] or counts["not-started"] or self.unknown_hosts:
            return 3
        return 1 if counts["failed"] and not self.detached else 0

    def to_json(self) -> dict[str, Any]:
        """The document of `run` and `jobs lookup|wait|show|last`."""
        document = self.job.to_json()
        document["hosts"] = {name: result.to_json() for name, result in self.results.items()}
        if self.unknown_hosts:
            document["unknown_hosts"] = {name: problem.to_json() for name, problem in self.unknown_hosts.items()}
        document["summary"] = self.summary
        document["exit_code"] = self.exit_code
        return document
