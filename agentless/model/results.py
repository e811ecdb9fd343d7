"""What the verbs other than `run` give back: frozen values with their JSON and their exit code, pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from agentless.model.answers import Helper
from agentless.model.endpoint import Endpoint
from agentless.model.jid import JID
from agentless.model.job import Job, JobRow, Report
from agentless.model.problem import Problem
from agentless.model.process import Process, Signal
from agentless.model.times import iso
from agentless.values import dataclass

__all__ = [
    "Active",
    "ActiveJob",
    "Answered",
    "ExitSuccess",
    "Found",
    "HostAnswers",
    "Hosts",
    "InventoryHost",
    "Listed",
    "Pong",
    "Running",
    "Signalled",
]


def _problems_json(problems: Mapping[str, Problem]) -> dict[str, Any]:
    return {host: {"error": problem.to_json()} for host, problem in problems.items()}


@dataclass(frozen=True, slots=True)
class HostAnswers:
    """What hosts answered, by name, and why others could not be asked."""

    hosts: Mapping[str, Any]
    problems: Mapping[str, Problem]

    @property
    def exit_code(self) -> int:
        """0; 3 when a host could not be asked."""
        return 3 if self.problems else 0

    def to_json(self) -> dict[str, Any]:
        return {**{host: answer.to_json() for host, answer in self.hosts.items()}, **_problems_json(self.problems)}


@dataclass(frozen=True, slots=True)
class Running(HostAnswers):
    """`running`: the jobs that each host runs.

    Args:
        others: by host, users as whom nobody looked, and whose jobs seem to run there too.
    """

    hosts: Mapping[str, Sequence[Process]]
    others: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        jobs = {host: [process.to_json() for process in processes] for host, processes in self.hosts.items()}
        return {**jobs, **_problems_json(self.problems)}


@dataclass(frozen=True, slots=True)
class Found:
    """`find-job`: where a job runs. A host that doesn't run it answers None."""

    jid: JID
    hosts: Mapping[str, Process | None]
    problems: Mapping[str, Problem]

    @property
    def exit_code(self) -> int:
        """0 when it runs somewhere, 1 when nowhere, 3 when a host could not be asked."""
        if self.problems:
            return 3
        return 0 if any(self.hosts.values()) else 1

    def to_json(self) -> dict[str, Any]:
        return {
            **{host: process.to_json() if process else {} for host, process in self.hosts.items()},
            **_problems_json(self.problems),
        }


@dataclass(frozen=True, slots=True)
class Signalled:
    """`signal-job`, `term-job`, `kill-job`: what happened on each host that could be asked."""

    jid: JID
    signal: int
    hosts: Mapping[str, Signal]
    problems: Mapping[str, Problem]

    @property
    def exit_code(self) -> int:
        """3 when a host could not be asked, 1 when something survived a KILL; survivors of others are only told."""
        if self.problems:
            return 3
        return 1 if self.signal == 9 and any(signal.survivors for signal in self.hosts.values()) else 0

    def to_json(self) -> dict[str, Any]:
        """The signal and, by host, what it did.

        Keys:
            jid (string): the job.
            signal (integer): its number.
            hosts (object): by inventory name what it did there, or an [error](#error).
        """
        hosts = {host: signal.to_json() for host, signal in self.hosts.items()}
        return {"jid": self.jid, "signal": self.signal, "hosts": {**hosts, **_problems_json(self.problems)}}


@dataclass(frozen=True, slots=True)
class ActiveJob:
    """One job that runs somewhere, or that hosts have not answered for."""

    job: Job
    running: Mapping[str, int | None]
    returned: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    unreachable: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """One job, under its JID.

        Keys:
            function (string or null): as in the document of `run`.
            arguments (list of strings or null): as there.
            target (string or null): as there.
            user (string or null): as there.
            start_time (time or null): as there.
            schedule (string, only where an entry fired it): as there.
            running (list of objects): where it runs: `host`, and `pid` (integer or null).
            returned (list of strings): the hosts that have returned.
            lost (list of strings): the hosts that have lost it.
            unreachable (list of strings): the hosts that could not be asked.
            pending (list of strings): the hosts that it has yet to be sent to.
        """
        document = self.job.to_json()
        del document["jid"], document["metadata"]
        document["running"] = [{"host": host, "pid": pid} for host, pid in self.running.items()]
        for state in ("returned", "lost", "unreachable", "pending"):
            document[state] = list(getattr(self, state))
        return document


@dataclass(frozen=True, slots=True)
class Active:
    """`jobs active`: by JID, the hosts that could not be asked, and `others` as of `Running`."""

    jobs: Mapping[JID, ActiveJob]
    problems: Mapping[str, Problem]
    others: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0; 3 when a host could not be asked."""
        return 3 if self.problems else 0

    def to_json(self) -> dict[str, Any]:
        return {jid: active.to_json() for jid, active in self.jobs.items()}


@dataclass(frozen=True, slots=True)
class Listed:
    """`jobs list`: one row a job, newest first; no host is asked."""

    rows: Sequence[JobRow]

    @property
    def exit_code(self) -> int:
        """0: nobody is asked."""
        return 0

    def to_json(self) -> dict[str, Any]:
        """By JID, newest first.

        Keys:
            function (string or null): as in the document of `run`.
            arguments (list of strings or null): as there.
            target (string or null): as there.
            user (string or null): as there.
            start_time (time or null): as there.
            metadata (object or null): as there.
            schedule (string, only where an entry fired it): as there.
            summary (object): as there, as far as it is known here.
            as_of (time, only where hosts are said to run it, or were out of reach): when it was heard of last.
        """
        documents: dict[str, Any] = {}
        for row in self.rows:
            document = row.job.to_json()
            del document["jid"]
            as_of = {} if row.as_of is None else {"as_of": iso(row.as_of)}
            documents[row.job.jid] = {**document, "summary": dict(row.summary), **as_of}
        return documents


@dataclass(frozen=True, slots=True)
class Answered:
    """`ping` of one host: who answered, and after how many seconds."""

    helper: Helper
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Who answered.

        Keys:
            python (string): its version.
            executable (string): its path on the host.
            user (string): whom agentless is there.
            node (string): the host's own name.
            state_dir (string): where its records lie.
            platform (string): system, release and machine.
            seconds (number): after how long it answered.
        """
        words = ("python", "executable", "user", "node", "state_dir", "platform")
        return {**{word: getattr(self.helper, word) for word in words}, "seconds": self.seconds}


@dataclass(frozen=True, slots=True)
class Pong(HostAnswers):
    """`ping`: the hosts that answered, and those that did not."""

    hosts: Mapping[str, Answered]


@dataclass(frozen=True, slots=True)
class InventoryHost:
    """One host of the inventory: how it is reached (or why it can't be: `endpoint.problem`), its groups, and its
    variables as `ansible-inventory` shows them."""

    endpoint: Endpoint
    groups: tuple[str, ...]
    vars: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Without a way to the host, its address is null, and `error` says why.

        Keys:
            address (string or null): where it is connected to.
            port (integer or null): null is ssh's default.
            user (string or null): null is ssh's default.
            groups (list of strings): its groups.
            vars (object): its variables, as `ansible-inventory` shows them; passwords masked.
            error (object, only where there is no way to it): why, with the keys of [error](#error).
        """
        document: dict[str, Any] = {
            "address": None if self.endpoint.problem else self.endpoint.address,
            "port": self.endpoint.port,
            "user": self.endpoint.user,
            "groups": list(self.groups),
            "vars": dict(self.vars),
        }
        if self.endpoint.problem:
            document["error"] = self.endpoint.problem.to_json()
        return document


@dataclass(frozen=True, slots=True)
class Hosts:
    """`hosts`: what a pattern selects, in the inventory's order."""

    hosts: Mapping[str, InventoryHost]

    @property
    def problems(self) -> dict[str, Problem]:
        """Why there is no way to some of the hosts."""
        return {name: host.endpoint.problem for name, host in self.hosts.items() if host.endpoint.problem is not None}

    @property
    def exit_code(self) -> int:
        """3 where there is no way to some host: a job for it would not be started."""
        return 3 if self.problems else 0

    def to_json(self) -> dict[str, Any]:
        return {name: host.to_json() for name, host in self.hosts.items()}


@dataclass(frozen=True, slots=True)
class ExitSuccess:
    """`jobs exit-success`: for each host of a job, whether it returned 0, and why others could not be asked."""

    report: Report

    @property
    def exit_code(self) -> int:
        """That of `jobs lookup`: only 0 is a success of all hosts."""
        return self.report.exit_code

    def to_json(self) -> dict[str, Any]:
        """By host, true where it returned with success.

        Hosts that could not be asked about a JID that is not known here have an `error`.

        Keys:
            HOST (boolean or object): true, false, or an object with `error`.
        """
        success = {host: result.ret is not None and result.ret.ok for host, result in self.report.results.items()}
        return {**success, **_problems_json(self.report.unknown_hosts)}
