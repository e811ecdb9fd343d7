"""A job that the cache doesn't know, as the records of hosts describe it; and which hosts could not be asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import replace

from agentless.errors import AgentlessError, HostError, UnknownJob, Unreachable
from agentless.inventory.selection import Selection
from agentless.model.answers import Described, Returned, Stated
from agentless.model.endpoint import Endpoint
from agentless.model.jid import JID
from agentless.model.job import Job, Report
from agentless.model.problem import Problem
from agentless.model.requests import FetchRequest, Wanted
from agentless.model.states import LEARNED, Dispatched, HostResult, State, settle, settle_denied
from agentless.runner.contact import MENDED_BY_WAITING, Contact, SingleCall, in_order, problem_of
from agentless.runner.homecoming import is_to_come, job_of
from agentless.runner.host_call import HostCall
from agentless.runner.reading import Answer

__all__ = ["Search", "described", "discover", "known_to_nobody"]


def known_to_nobody(jid: JID) -> UnknownJob:
    """What to raise where all hosts answered."""
    hint = "Where it was sent with `become`, or as another user, ask in the same way: records lie with who ran it."
    return UnknownJob(f"no host has a record of job {jid}, nor has the job cache", hint)


def discover(contact: Contact, selection: Selection, jid: JID, target: str | None = None) -> tuple[Report, bool]:
    """Ask all hosts, or those of a target, about a JID that the cache doesn't know.

    Returns:
        the job as the hosts' records describe it, on all hosts that it was sent to as far as they tell, and those that
        could not be asked; and whether it is in the cache now, which takes in a job only when every host was asked.

    Raises:
        UnknownJob: all hosts deny it.
    """
    endpoints = selection.endpoints(target)
    standing: dict[str, HostResult] = {}
    problems: dict[str, Problem] = {}
    named: set[str] = set()
    job = job_of(jid, None, ())
    for name, answers in contact.ask(endpoints, lambda _: _request(jid), about=(jid,), both_users=True):
        try:
            if isinstance(answers, HostError):
                raise answers
            result = _result(jid, answers)
        except HostError as error:
            problems[name] = problem_of(error)
            continue
        if result is not None:
            standing[name] = result
            job = described(job, answers)
            named.update(*(selection.learned(one.hosts, one.target) for one in answers if isinstance(one, Described)))
    if not standing and not problems:
        raise known_to_nobody(jid)
    denied = settle_denied(LEARNED, jid, time.time())
    standing |= dict.fromkeys(named - standing.keys() - problems.keys(), denied)
    results, unknown = in_order(endpoints, standing), in_order(endpoints, problems)
    job = replace(job, hosts=tuple(name for name in endpoints if name in standing or name in problems))
    complete = not unknown and target is None and selection.limit is None
    if complete:
        contact.cache.adopt(job, results)
    return Report(job, results, unknown_hosts=unknown), complete


class Search:
    """A host that could not be asked about a JID, and that is asked again (`fanout.Part`).

    Args:
        jid: of a job that the cache doesn't know.
        endpoint: the way to the host.
        problem: why it could not be asked.
        patience: seconds after which it is given up.
        left: set when nobody waits for the answer any more.

    Attributes:
        problem: why it could not be asked the last time; None once it was.
        found: where the host stands, and its answers; None where it doesn't have the job, or gave no answer.
    """

    def __init__(
        self, contact: Contact, jid: JID, endpoint: Endpoint, problem: Problem, patience: float, left: threading.Event
    ) -> None:
        self.problem: Problem | None = problem
        self.found: tuple[HostResult, list[Answer]] | None = None
        self._contact = contact
        self._jid = jid
        self._endpoint = endpoint
        self._patience = patience
        self._left = left
        self._until: float | None = None
        self._call: SingleCall | None = None

    def next(self) -> HostCall | float | None:
        if self._left.is_set():
            return None
        if self._until is None:
            self._until = time.monotonic() + self._patience
        self._call = SingleCall(
            self._contact, self._endpoint, lambda: _request(self._jid), about=(self._jid,), both_users=True
        )
        return self._call.next()

    def ready(self) -> bool:
        return not self._left.is_set()

    def take(self, answer: Answer) -> None:
        assert self._call is not None
        self._call.take(answer)

    def over(self, error: HostError | None, *, reached: bool) -> float | None:
        assert self._call is not None
        assert self._until is not None
        if self._left.is_set():
            return None
        if (pause := self._call.over(error, reached=reached)) is not None:
            return pause
        try:
            answers = self._call.result()
            result = _result(self._jid, answers)
        except HostError as problem:
            self.problem = problem_of(problem)
            left = self._until - time.monotonic()
            if problem.kind not in MENDED_BY_WAITING or left <= 0:
                return None
            from random import uniform

            return min(uniform(0.5, 3.0), left)
        self.problem = None
        self.found = None if result is None else (result, answers)
        return None

    def failed(self, error: BaseException) -> None:
        if isinstance(error, AgentlessError):
            self.problem = Problem("controller", error.message, error.hint)
        else:
            self.problem = Problem("internal", f"{type(error).__name__}: {error}")


def described(job: Job, answers: Iterable[Answer]) -> Job:
    """The job as a host describes it, where nobody has yet."""
    for answer in answers:
        if isinstance(answer, Described) and not job.function:
            return job_of(job.jid, answer, job.hosts)
    return job


def _request(jid: JID) -> FetchRequest:
    return FetchRequest((Wanted(jid),), describe=True)


def _result(jid: JID, answers: Iterable[Answer]) -> HostResult | None:
    """Where a host stands that has a record of the job; None where it has none.

    Raises:
        Unreachable: it confirms a JID that nobody can have taken yet: such a job would be the newest for good, and
            outlive honest ones.
    """
    result: HostResult | None = None
    clock: float | None = None
    for answer in answers:
        if isinstance(answer, Described):
            clock = max(clock or 0.0, answer.clock or 0.0)
            result = result or HostResult(State.RUNNING, Dispatched.YES, nonce=answer.nonce)
        elif isinstance(answer, Returned) or (isinstance(answer, Stated) and answer.state != "unknown"):
            result = settle(result or HostResult(State.RUNNING, Dispatched.YES), answer, time.time())
    if result is not None and is_to_come(jid, clock, time.time()):
        hint = "Set the clocks of that host, of this machine, and of who sent the job."
        raise Unreachable("protocol", f"the host has a record of job {jid}, whose time is to come", hint)
    return result
