"""A job, and the report over all of its hosts."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from datetime import datetime
from typing import Any

from agentless.errors import AgentlessError
from agentless.model import exit_codes
from agentless.model.jid import JID
from agentless.model.problem import Problem
from agentless.model.states import STATE_WORDS, Dispatched, HostResult, State
from agentless.model.times import Moment, iso, utc
from agentless.values import dataclass

__all__ = ["Job", "JobError", "JobRow", "Origin", "Report", "summarize"]


class Origin(str, enum.Enum):
    """How a job came into the job cache."""

    RUN = "run"
    """A person or a script sent it from here, with `run`."""
    SCHEDULE = "schedule"
    """It was sent from here as a fire of an entry of a schedule."""
    LEARNED = "learned"
    """A host told of it: another controller sent it, or the host's own schedule."""


@dataclass(frozen=True, slots=True)
class Job:
    """One command sent to hosts under one JID, with all that is needed to ask about it later.

    Args:
        jid: its id.
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
        origin: how it came into the job cache.
        returners: the names of those that get what its hosts return, besides the job cache.
        retry_of: the job that it repeats, or None.
        batch: to how many hosts at once it goes; None is to all.
    """

    jid: JID
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
    origin: Origin = Origin.RUN
    returners: tuple[str, ...] = ()
    retry_of: JID | None = None
    batch: int | None = None

    @property
    def started_at(self) -> datetime | None:
        """`start_time` as an aware datetime in UTC; None where it is not known."""
        return utc(self.start_time or None)

    def to_json(self) -> dict[str, Any]:
        """The head that every JSON document about this job starts with.

        `schedule` is there where an entry fired it, `retry_of` where it repeats another.

        Where no host has described a job of another controller, what only that could tell is null.

        Keys:
            jid (string): 20 digits.
            function (string or null): `cmd.run` or `cmd.script`.
            arguments (list of strings or null): what was run, as it was given.
            target (string or null): the pattern, as it was given.
            user (string or null): who sent it, on the controller.
            start_time (time or null): when it was sent, by the controller's clock.
            metadata (object or null): what `--metadata` attached, strings by name.
            schedule (string, only where an entry fired it): the entry's name.
            retry_of (string, only where `jobs retry` sent it): the JID of the job that it repeats.
        """
        described = bool(self.function)
        document: dict[str, Any] = {
            "jid": self.jid,
            "function": self.function if described else None,
            "arguments": list(self.arguments) if described else None,
            "target": self.target if described else None,
            "user": self.user if described else None,
            "start_time": iso(self.start_time or None),
            "metadata": dict(self.metadata) if described else None,
        }
        if self.schedule is not None:
            document["schedule"] = self.schedule
        if self.retry_of is not None:
            document["retry_of"] = self.retry_of
        return document


def summarize(results: Iterable[HostResult]) -> dict[str, int]:
    """How many of these hosts are in each state, all six, and how many `failed`."""
    counts = dict.fromkeys(STATE_WORDS, 0)
    for result in results:
        counts[result.state.value] += 1
        counts["failed"] += result.failed
    return counts


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job as `jobs list` shows it.

    Args:
        job: the job.
        summary: hosts by state (all six) and `failed`, as in `Report.summary`.
        last_event: Unix seconds, this controller's clock, when it last learned something about the job.
    """

    job: Job
    summary: Mapping[str, int]
    last_event: float

    @property
    def as_of(self) -> float | None:
        """When something was last heard of it, where a host is said to run it or was out of reach; else None."""
        open_states = (State.RUNNING, State.UNREACHABLE)
        return self.last_event if any(self.summary[state.value] for state in open_states) else None

    last_event_at = Moment("last_event")
    as_of_at = Moment("as_of")


class JobError(AgentlessError):
    """A job that was to succeed on all of its hosts did not: what `Report.check` raises, and nothing else.

    Args:
        report: the report, with what each host gave back.
    """

    kind = "job"

    def __init__(self, report: Report) -> None:
        super().__init__(_verdict(report), "The error's `report` has the output and the problem of each host.")
        self.report = report

    def __reduce__(self) -> tuple[type[JobError], tuple[Report]]:
        return JobError, (self.report,)

    @property
    def jid(self) -> JID:
        return self.report.job.jid


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
        """Hosts by state (the six add up to all), and `failed`: those returned without success."""
        return summarize(self.results.values())

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

    @property
    def ok(self) -> bool:
        """Whether nothing is left to be desired: `exit_code` is 0.

        That is: every host returned with success, or of a `detach`ed job, accepted it.
        """
        return self.exit_code == 0

    @property
    def failed(self) -> dict[str, HostResult]:
        """The hosts that returned without success, as many as `summary["failed"]`.

        Those that did not return are not among them: `problems` has why, and `ok` is only true without both.
        """
        return {name: result for name, result in self.results.items() if result.failed}

    @property
    def problems(self) -> dict[str, Problem]:
        """Why hosts gave no return and none is waited for: lost, unreachable, not started, or not to be asked."""
        without = (State.LOST, State.UNREACHABLE, State.NOT_STARTED)
        known = {
            name: result.problem or Problem(result.state.value, result.state.value)
            for name, result in self.results.items()
            if result.state in without
        }
        return {**known, **self.unknown_hosts}

    def check(self) -> Report:
        """This report where it is `ok`, as subprocess's `check` has it.

        Raises:
            JobError: it is not; with the hosts, how each ended, and the JID.
        """
        if not self.ok:
            raise JobError(self)
        return self

    def unreached(self, problems: Mapping[str, Problem]) -> Report:
        """The report when these hosts cannot be asked: they are `unreachable`, and this is why."""
        unreachable = {
            name: replace(self.results[name], state=State.UNREACHABLE, problem=problem)
            for name, problem in problems.items()
        }
        return replace(self, results={**self.results, **unreachable})

    @property
    def exit_code(self) -> int:
        """The first that holds: 130 interrupted; 4 not waited for; 3 unreachable, lost or not started; 1 failed; 0.

        With `--detach`: 0 when every host has accepted the job, else 3.
        """
        counts = self.summary
        if self.interrupted:
            return exit_codes.INTERRUPTED
        if (counts["running"] or counts["pending"]) and not self.detached:
            return exit_codes.RUNNING
        if counts["unreachable"] or counts["lost"] or counts["not-started"] or self.unknown_hosts:
            return exit_codes.MISSING
        return exit_codes.FAILED if counts["failed"] and not self.detached else exit_codes.SUCCESS

    def to_json(self) -> dict[str, Any]:
        """The document of `run` and `jobs lookup|wait|show|last`.

        Keys:
            hosts (object): by inventory name, in the inventory's order, an object of [a host](#a-host-of-a-job) each.
            unknown_hosts (object, only where there are some): hosts that could not be asked about a JID that this
                controller does not know, by name, with an [error](#error) each.
            summary (object): how many hosts are in each of the six states, which add up to all, and `failed`: how many
                of those that returned did not succeed.
            exit_code (integer): what this command exits with.
        """
        return self.document({name: result.to_json() for name, result in self.results.items()})

    def document(self, hosts: Mapping[str, Any]) -> dict[str, Any]:
        """The document with these as the objects of its hosts, for who makes them one by one."""
        document = self.job.to_json()
        document["hosts"] = hosts
        if self.unknown_hosts:
            document["unknown_hosts"] = {name: problem.to_json() for name, problem in self.unknown_hosts.items()}
        document["summary"] = self.summary
        document["exit_code"] = self.exit_code
        return document


# Of the hosts that ended alike, in an error's message.
_NAMED = 10
# Where a job that was only to be accepted stands on hosts that have accepted it, or are going to.
_ACCEPTED = (State.PENDING, State.RUNNING, State.RETURNED)


def _verdict(report: Report) -> str:
    """`job 2026…: not ok on 2 of 5 hosts: web1 (retcode 3), db (unreachable: connect)`."""
    alike: dict[str, list[str]] = {}
    for name, result in report.results.items():
        if not result.ok and not (report.detached and result.state in _ACCEPTED):
            alike.setdefault(_ending(result), []).append(name)
    for name, problem in report.unknown_hosts.items():
        alike.setdefault(f"not asked: {problem.kind}", []).append(name)
    count, total = sum(map(len, alike.values())), len(report.results) + len(report.unknown_hosts)
    parts = [f"{_names(names)} ({ending})" for ending, names in alike.items()]
    if report.interrupted:
        parts.append("interrupted")
    return f"job {report.job.jid}: not ok on {count} of {total} hosts: {', '.join(parts)}"


def _names(names: list[str]) -> str:
    shown = ", ".join(names[:_NAMED])
    return f"{shown} and {len(names) - _NAMED} more" if len(names) > _NAMED else shown


def _ending(result: HostResult) -> str:
    ret, state = result.ret, result.state.value
    if ret is None:
        return f"{state}: {result.problem.kind}" if result.problem and result.problem.kind != state else state
    code = f"signal {ret.signal}" if ret.signal is not None else f"retcode {ret.retcode}"
    return code if ret.ended_by in ("exit", "signal") else f"{code}, {ret.ended_by}"
