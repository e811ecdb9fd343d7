"""Salt's proc system: what runs on each host, where a job runs, and signals to its whole tree."""

from __future__ import annotations

import signal as signals
import time
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from agentless.cache import JobCache
from agentless.errors import CacheError, HostError, UsageError
from agentless.model.answers import Answer, Reply
from agentless.model.endpoint import Endpoint
from agentless.model.jid import JID
from agentless.model.job import Report
from agentless.model.problem import Problem
from agentless.model.results import Answered, Found, Pong, Process, Running, Signal, Signalled, Survivor
from agentless.model.states import Dispatched, State
from agentless.runner.contact import Contact, problem_of

__all__ = ["call_off", "find_job", "ping", "processes", "running", "signal_job", "signal_number"]

# Signals by which one means a job to be over.
ENDING = frozenset({signals.SIGHUP, signals.SIGINT, signals.SIGQUIT, signals.SIGKILL, signals.SIGTERM})


def signal_number(value: str | int) -> int:
    """The number of a signal, given as one or by its name with or without `SIG`; raises UsageError."""
    text = str(int(value)) if isinstance(value, int) else value.strip()
    if text.isascii() and text.isdigit():
        number = int(text)
        if 0 < number < signals.NSIG:
            return number
    else:
        name = text.upper().removeprefix("SIG")
        if (found := getattr(signals, f"SIG{name}", None)) is not None and isinstance(found, signals.Signals):
            return int(found)
    raise UsageError(f"{value!r} is not a signal", "Give a name such as TERM or HUP, or a number; kill -l lists them.")


def running(contact: Contact, endpoints: Mapping[str, Endpoint]) -> Running:
    """The jobs that each host runs, as each acting user's proc files say."""
    hosts: dict[str, list[Process]] = {}
    problems: dict[str, Problem] = {}
    for name, answers in contact.ask(endpoints, lambda _: {"op": "running"}, both_users=True):
        if isinstance(answers, HostError):
            problems[name] = problem_of(answers)
        else:
            hosts[name] = processes(answers)
    return Running(_in_order(endpoints, hosts), _in_order(endpoints, problems))


def find_job(contact: Contact, jid: str, endpoints: Mapping[str, Endpoint], ended: Collection[str] = ()) -> Found:
    """Where the job runs.

    Args:
        ended: hosts where it is known to run no more, and which are not asked: what runs there under this JID is what
            the same host has under another name.
    """
    hosts: dict[str, Process | None] = dict.fromkeys(ended)
    problems: dict[str, Problem] = {}
    asked = {name: endpoint for name, endpoint in endpoints.items() if name not in hosts}
    for name, answers in contact.ask(asked, lambda _: {"op": "find", "jid": jid}, both_users=True):
        if isinstance(answers, HostError):
            problems[name] = problem_of(answers)
        else:
            found = [_process(reply.meta["proc"]) for reply in _replies(answers, "found") if reply.meta.get("proc")]
            hosts[name] = next((process for process in found if process), None)
    return Found(jid, _in_order(endpoints, hosts), _in_order(endpoints, problems))


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
    said: dict[str, str] = {}
    pending: list[str] = []
    for name in names:
        result = report.results[name]
        if result.state is State.NOT_STARTED:
            why = f": {result.problem.message}" if result.problem else ""
            said[name] = f"Job {jid} never started here{why}"
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
            said[name] = f"Job {jid} was pending here, and is not sent any more"
    else:
        said.update(dict.fromkeys(pending, f"Job {jid} is pending here: the run that sends it is alive"))
    return {name: Signal((), (), message) for name, message in said.items()}


def signal_job(
    contact: Contact,
    jid: str,
    signal: int,
    by: str,
    endpoints: Mapping[str, Endpoint],
    answered: Mapping[str, Signal],
) -> Signalled:
    """Send a signal to the job's whole tree, wherever it runs.

    Args:
        signal: its number.
        by: `USER@CONTROLLER`, which the return names as who ended it.
        answered: what is known without asking (see `call_off`).
    """
    request = {"op": "signal", "jid": jid, "signal": signal, "by": by}
    hosts = dict(answered)
    problems: dict[str, Problem] = {}
    asked = {name: endpoint for name, endpoint in endpoints.items() if name not in answered}
    for name, answers in contact.ask(asked, lambda _: request, both_users=True):
        if isinstance(answers, HostError):
            problems[name] = problem_of(answers)
        else:
            hosts[name] = _signal(_replies(answers, "signalled"))
    return Signalled(jid, signal, _in_order(endpoints, hosts), _in_order(endpoints, problems))


def ping(contact: Contact, endpoints: Mapping[str, Endpoint]) -> Pong:
    """Connect, bring the helper, and say which Python answered."""
    hosts: dict[str, Answered] = {}
    problems: dict[str, Problem] = {}
    began = time.monotonic()
    for name, answers in contact.ask(endpoints, lambda _: {"op": "ping"}):
        if isinstance(answers, HostError):
            problems[name] = problem_of(answers)
            continue
        for reply in _replies(answers, "pong"):
            words = ("python", "executable", "user", "node", "state_dir", "platform")
            texts = {word: _line(reply.meta.get(word)) for word in words}
            hosts[name] = Answered(**texts, seconds=round(time.monotonic() - began, 3))
    return Pong(_in_order(endpoints, hosts), _in_order(endpoints, problems))


def processes(answers: Iterable[Answer]) -> list[Process]:
    """The processes of `running` replies, each job once (the login user may be the become user)."""
    found: dict[tuple[str, int | None], Process] = {}
    for reply in _replies(answers, "running"):
        jobs = reply.meta.get("jobs")
        for record in jobs if isinstance(jobs, list) else ():
            process = _process(record)
            if process is not None:
                found[process.jid, process.pid] = process
    return sorted(found.values(), key=lambda process: process.jid)


def _replies(answers: Iterable[Answer], kind: str) -> list[Reply]:
    return [answer for answer in answers if isinstance(answer, Reply) and answer.kind == kind]


def _process(record: Any) -> Process | None:
    """A proc record of a host, or None when it is none: it comes from a machine that may say anything."""
    if not isinstance(record, Mapping) or not JID.fullmatch(_line(record.get("jid"))):
        return None
    arguments, pid, started = record.get("arg"), record.get("pid"), record.get("started")
    return Process(
        jid=_line(record["jid"]),
        fun=_line(record.get("fun")),
        arg=tuple(map(str, arguments)) if isinstance(arguments, list) else (),
        tgt=_line(record.get("tgt")),
        tgt_type=_line(record.get("tgt_type")),
        user=_line(record.get("user")),
        pid=pid if isinstance(pid, int) else None,
        started=float(started) if isinstance(started, (int, float)) and 0 <= started < 2**33 else None,
    )


def _signal(replies: list[Reply]) -> Signal:
    """The answers of one host as one: of the users asked, one at most has the job."""
    delivered: list[int] = []
    survivors: list[Survivor] = []
    for reply in replies:
        pids, alive = reply.meta.get("delivered"), reply.meta.get("survivors")
        delivered += [pid for pid in pids if isinstance(pid, int)] if isinstance(pids, list) else []
        for one in alive if isinstance(alive, list) else ():
            if isinstance(one, Mapping) and isinstance(one.get("pid"), int):
                survivors.append(Survivor(one["pid"], _line(one.get("user")), _line(one.get("reason"))))
    ran = [reply for reply in replies if reply.meta.get("running")] or replies
    known = any(reply.meta.get("known", True) for reply in replies)
    return Signal(tuple(delivered), tuple(survivors), _line(ran[0].meta.get("message")) if ran else "", known)


def _line(value: object) -> str:
    return value if isinstance(value, str) else ""


def _in_order(order: Iterable[str], values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: values[name] for name in order if name in values}
