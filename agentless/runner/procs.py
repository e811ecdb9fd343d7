"""Salt's proc system: what runs on each host, where a job runs, and signals to its whole tree."""

from __future__ import annotations

import re
import signal as signals
import time
from collections.abc import Iterable, Mapping

from agentless.cache import JobCache
from agentless.errors import CacheError, Refused, Unreachable, UsageError
from agentless.inventory.selection import Selection
from agentless.model.answers import FoundJob, Helper, RunningJobs, SignalDone
from agentless.model.endpoint import Endpoint
from agentless.model.jid import JID
from agentless.model.job import Report
from agentless.model.job_spec import shown
from agentless.model.problem import Problem
from agentless.model.process import Process, Signal, Survivor
from agentless.model.requests import FindRequest, PingRequest, RunningRequest, SignalRequest
from agentless.model.results import Answered, Found, Pong, Running, Signalled
from agentless.model.states import Dispatched, State, elsewhere
from agentless.runner.contact import Contact, in_order
from agentless.runner.discovery import known_to_nobody
from agentless.runner.reading import Answer

__all__ = ["call_off", "find_job", "look", "ping", "running", "signal_job", "signal_number"]

# Signals by which one means a job to be over.
ENDING = frozenset({signals.SIGHUP, signals.SIGINT, signals.SIGQUIT, signals.SIGKILL, signals.SIGTERM})


def signal_number(value: str | int) -> int:
    """The number of a signal, given as one or by its name with or without `SIG`; raises UsageError."""
    number = 0
    word = value.strip() if isinstance(value, str) else ""
    if re.fullmatch(r"[0-9]{1,9}", word, re.ASCII) or (isinstance(value, int) and not isinstance(value, bool)):
        number = int(value)
    elif word:
        named = getattr(signals, f"SIG{word.upper().removeprefix('SIG')}", None)
        number = int(named) if isinstance(named, signals.Signals) else 0
    if 0 < number < signals.NSIG:
        return number
    raise UsageError(
        f"{shown(value)} is not a signal", "Give a name such as TERM or HUP, or a number; kill -l lists them."
    )


def look(contact: Contact, endpoints: Mapping[str, Endpoint]) -> tuple[dict[str, RunningJobs], dict[str, Problem]]:
    """Ask hosts what runs there; what each told to all acting users, and why others could not be asked."""
    return contact.gather(endpoints, lambda _: RunningRequest(), lambda _, answers: _look(answers), both_users=True)


def running(contact: Contact, endpoints: Mapping[str, Endpoint]) -> Running:
    """The jobs that each host runs, as each acting user's proc files say."""
    seen, problems = look(contact, endpoints)
    others = {name: one.others for name, one in seen.items() if one.others}
    return Running({name: one.processes for name, one in seen.items()}, problems, others)


def find_job(contact: Contact, selection: Selection, jid: JID, target: str | None) -> Found:
    """Where a job runs.

    Hosts where it is known to have ended are not asked: what runs there under this JID is what the same host has under
    another name. The arguments are those of `Fleet.find_job`.
    """
    report = contact.cache.current(jid, outputs=False)
    places = selection.places(report, target)
    ended = {name for name, result in report.results.items() if result.state.final} if report else set()
    to_ask = {name: endpoint for name, endpoint in places.endpoints.items() if name not in ended}

    def process(name: str, answers: list[Answer]) -> Process | None:
        proc = next((answer.process for answer in answers if isinstance(answer, FoundJob) and answer.process), None)
        if proc is None:
            _check_denial(report, to_ask[name])
        return proc

    running, problems = contact.gather(
        to_ask, lambda name: FindRequest(jid, _nonce(report, name)), process, both_users=True
    )
    hosts = {name: running.get(name) for name in places.endpoints if name not in problems}
    return Found(jid, {**hosts, **dict.fromkeys(places.strangers)}, {**problems, **places.missing})


def call_off(cache: JobCache, report: Report, signal: int, by: str, names: Iterable[str]) -> dict[str, Signal]:
    """What a signal does where the job never was: later batches of a run that lives never get it, if it is one to end.

    Args:
        report: the job as the cache has it.
        signal: its number.
        by: `USER@CONTROLLER`.
        names: hosts of the job.

    Returns:
        by host, what to answer for it without asking it.
    """
    jid = report.job.jid
    messages: dict[str, str] = {}
    pending: list[str] = []
    for name in names:
        result = report.results[name]
        if result.state is State.NOT_STARTED:
            why = f": {result.problem.message}" if result.problem else ""
            messages[name] = f"Job {jid} never started here{why}"
        elif result.state is State.PENDING and result.dispatched is Dispatched.NO:
            pending.append(name)
    if signal in ENDING:
        problem = Problem("signalled", f"not sent: signal {signal} to the job by {by} came first")
        try:
            called_off = cache.call_off(jid, pending, problem) if pending else ()
        except CacheError as error:
            # Where the job runs the signal goes all the same.
            called_off = ()
            cache.warn(f"what is pending of job {jid} cannot be called off: {error.message}")
        for name in called_off:
            messages[name] = f"Job {jid} was pending here, and is not sent any more"
    else:
        messages.update(dict.fromkeys(pending, f"Job {jid} is pending here: the run that sends it is alive"))
    return {name: Signal((), (), message) for name, message in messages.items()}


def signal_job(contact: Contact, selection: Selection, jid: JID, signal: int, target: str | None) -> Signalled:
    """Send a signal, by its number, to a job's whole tree; the arguments and errors are those of `Fleet.signal_job`."""
    by = contact.caller.controller
    report = contact.cache.current(jid, outputs=False)
    places = selection.places(report, target)
    answered = call_off(contact.cache, report, signal, by, places.endpoints) if report else {}
    to_ask = {name: endpoint for name, endpoint in places.endpoints.items() if name not in answered}

    def signalled(name: str, answers: list[Answer]) -> Signal:
        signal_there = _joined(answers)
        if not signal_there.known:
            _check_denial(report, to_ask[name])
        return signal_there

    signals_there, problems = contact.gather(
        to_ask,
        lambda name: SignalRequest(jid, signal, by, _nonce(report, name)),
        signalled,
        both_users=True,
    )
    if report is None and not problems and not any(host.known for host in signals_there.values()):
        raise known_to_nobody(jid)
    strangers = {name: Signal((), (), f"Job {jid} was not sent to {name}", known=False) for name in places.strangers}
    hosts = in_order(places.endpoints, {**answered, **signals_there})
    return Signalled(jid, signal, {**hosts, **strangers}, {**problems, **places.missing})


def _nonce(report: Report | None, host: str) -> str:
    """Of a job's dispatch to a host, as far as this controller knows it."""
    return report.results[host].nonce if report and host in report.results else ""


def _check_denial(report: Report | None, endpoint: Endpoint) -> None:
    """A host knows nothing of a job; raises Unreachable where the job was sent elsewhere, and may run there."""
    result = report.results.get(endpoint.name) if report else None
    if result is not None and not result.state.final and (why := elsewhere(result, endpoint.places)):
        raise Unreachable(why.kind, why.message, why.hint)


def ping(contact: Contact, endpoints: Mapping[str, Endpoint]) -> Pong:
    """Connect, bring the helper, and say which Python answered."""
    began: dict[str, float] = {}

    def request(name: str) -> PingRequest:
        # Not before: a person may have been asked about host keys first.
        began.setdefault(name, time.monotonic())
        return PingRequest()

    def answered(name: str, answers: list[Answer]) -> Answered:
        for helper in answers:
            if isinstance(helper, Helper):
                return Answered(helper, seconds=round(time.monotonic() - began[name], 3))
        raise Refused("protocol", "the helper did not say who it is")

    return Pong(*contact.gather(endpoints, request, answered))


def _look(answers: Iterable[Answer]) -> RunningJobs:
    """The `running` answers of one host, each job once (the login user may be the become user)."""
    lists = [answer for answer in answers if isinstance(answer, RunningJobs)]
    by_job = {(process.jid, process.pid): process for answer in lists for process in answer.processes}
    own_users = {answer.user for answer in lists}
    others = dict.fromkeys(name for answer in lists for name in answer.others if name not in own_users)
    return RunningJobs(tuple(sorted(by_job.values(), key=lambda process: process.jid)), others=tuple(others))


def _joined(answers: Iterable[Answer]) -> Signal:
    """The answers of one host as one: of the users asked, one at most has the job."""
    signalled = [answer for answer in answers if isinstance(answer, SignalDone)]
    if not signalled:
        return Signal((), (), "")
    delivered: list[int] = []
    survivors: list[Survivor] = []
    for each in signalled:
        delivered += each.signal.delivered
        survivors += each.signal.survivors
    first = next((each for each in signalled if each.running), signalled[0])
    known = any(each.signal.known for each in signalled)
    return Signal(tuple(delivered), tuple(survivors), first.signal.message, known)
