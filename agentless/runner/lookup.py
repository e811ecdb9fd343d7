"""Salt's jobs runner: what became of jobs, from the cache, and from the hosts about which the cache is not final."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from agentless.errors import CacheError, HostError
from agentless.inventory.selection import Selection
from agentless.model.answers import Returned, Stated
from agentless.model.endpoint import Endpoint
from agentless.model.jid import JID, jid_time
from agentless.model.job import Job, Report
from agentless.model.problem import Problem
from agentless.model.process import Process
from agentless.model.requests import FetchRequest, RunningRequest, Wanted
from agentless.model.results import Active, ActiveJob
from agentless.model.states import Dispatched, HostResult, State, settle
from agentless.runner.contact import Contact, problem_of
from agentless.runner.discovery import discover
from agentless.runner.procs import processes

__all__ = ["active", "ask_about", "collect", "look_up"]


def look_up(contact: Contact, selection: Selection, jid: JID, target: str | None) -> Report:
    """What became of a job: from the cache, and from those of its hosts about which that is not final.

    A JID that the cache doesn't know is asked of all hosts.

    Args:
        target: only these of its hosts.

    Raises:
        TargetError: the pattern cannot be read, or the job was sent to none of its hosts.
        UnknownJob: the cache and all hosts deny it.
    """
    report = contact.cache.current(jid)
    if report is None:
        return discover(contact, selection, jid, target)[0]
    report = selection.narrow(report, target)
    if report.open_hosts:
        report = selection.narrow(ask_about(contact, selection, report), target)
    return report


def ask_about(contact: Contact, selection: Selection, report: Report) -> Report:
    """Ask the hosts of a job whose end is not known what became of it, and record that.

    Args:
        report: the job as the cache has it.

    Returns:
        the job as the cache has it then, and where that has no room, as the hosts told it.
    """
    endpoints, missing = selection.of_job(report.job, report.open_hosts)
    jid, results = report.job.jid, dict(report.results)
    unrecorded: dict[str, HostResult] = {}

    def request(name: str) -> FetchRequest:
        result = results[name]
        return FetchRequest((Wanted(jid, result.nonce, result.dispatched is Dispatched.MAYBE),))

    # A job that was sent before `--become` was given is the login user's: denied by the other, it would be lost.
    for name, answers in contact.ask(endpoints, request, about=jid, both_users=True):
        before = results[name]
        if isinstance(answers, HostError):
            results[name] = replace(before, state=State.UNREACHABLE, problem=problem_of(answers))
        elif told := [answer for answer in answers if isinstance(answer, (Returned, Stated))]:
            results[name] = settle(before, min(told, key=_rank))
        if results[name] != before:
            try:
                contact.cache.record(jid, name, results[name])
            except CacheError as error:
                unrecorded[name] = results[name]
                contact.cache.warn(f"{name}: what became of job {jid} is not in the job cache: {error.message}")
    # Another command may have asked, too, and the first end that is recorded counts.
    known = contact.cache.current(jid) or replace(report, results=results)
    return replace(known, results={**known.results, **unrecorded}).unreached(missing)


def _rank(answer: Returned | Stated) -> int:
    """Which of the answers of two users counts: the one who has a record, before one who denies the job."""
    return 0 if isinstance(answer, Returned) else {"running": 1, "lost": 2, "not-started": 3}.get(answer.state, 4)


def collect(contact: Contact, endpoints: Mapping[str, Endpoint]) -> dict[str, Problem]:
    """Bring home all that the hosts keep for this controller: each contact brings a portion, so until none is left.

    Returns:
        the hosts that could not be asked.
    """
    problems: dict[str, Problem] = {}
    left = dict(endpoints)
    while left:
        seen = {name: contact.cache.cursors.seen(name) for name in left}
        for name, answers in contact.ask(left, lambda _: FetchRequest(()), both_users=True):
            if isinstance(answers, HostError):
                problems[name] = problem_of(answers)
        left = {
            name: endpoint
            for name, endpoint in left.items()
            if name not in problems and contact.cache.cursors.seen(name) != seen[name]
        }
    return problems


def active(contact: Contact, selection: Selection, endpoints: Mapping[str, Endpoint]) -> Active:
    """Which jobs run, and where each of their hosts stands: one contact a host, and one for each user more as whom this
    controller's open jobs were sent there."""
    running: dict[str, dict[str, Process]] = {}
    problems = _see(contact, endpoints, running)
    elsewhere: dict[str, Problem] = {}
    for sender, places in _sent_as_others(contact, selection, endpoints, running, problems).items():
        asker = replace(contact, sent_alike=partial(_sent_as, sender))
        elsewhere |= _see(asker, places, running)
    jobs: dict[str, ActiveJob] = {}
    # Only now, since each contact brought home what was waited for.
    for jid in contact.cache.open_jobs():
        if report := contact.cache.current(jid, outputs=False):
            jobs[jid] = _active(report, running.pop(jid, {}), problems)
    for jid, hosts in running.items():
        jobs[jid] = _foreign(jid, hosts)
    live = {jid: one for jid, one in jobs.items() if one.running or one.unreachable or one.pending}
    told = {**elsewhere, **problems}
    return Active(dict(sorted(live.items(), reverse=True)), {name: told[name] for name in endpoints if name in told})


def _see(
    contact: Contact, endpoints: Mapping[str, Endpoint], running: dict[str, dict[str, Process]]
) -> dict[str, Problem]:
    """Add what runs on these hosts, by JID and host; the hosts that could not be asked."""
    problems: dict[str, Problem] = {}
    for name, answers in contact.ask(endpoints, lambda _: RunningRequest(), both_users=True):
        if isinstance(answers, HostError):
            problems[name] = problem_of(answers)
            continue
        for process in processes(answers):
            running.setdefault(process.jid, {})[name] = process
    return problems


def _sent_as_others(
    contact: Contact,
    selection: Selection,
    endpoints: Mapping[str, Endpoint],
    running: Mapping[str, Mapping[str, Process]],
    problems: Mapping[str, Problem],
) -> dict[tuple[str | None, str | None], dict[str, Endpoint]]:
    """By who sent them (login and become), where open jobs lie that those who were asked there cannot see."""
    unseen: dict[tuple[str | None, str | None], dict[str, Endpoint]] = {}
    for jid in contact.cache.open_jobs():
        report = contact.cache.current(jid, outputs=False)
        if report is None:
            continue
        seen = running.get(jid, {})
        names = [name for name in report.open_hosts if name in endpoints and name not in problems and name not in seen]
        for name, own in selection.of_job(report.job, names)[0].items():
            if own != endpoints[name] and not (own.become is None and own == replace(endpoints[name], become=None)):
                unseen.setdefault((report.job.login, report.job.become), {})[name] = own
    return unseen


def _sent_as(sender: tuple[str | None, str | None], job: Job) -> bool:
    return (job.login, job.become) == sender


def _active(report: Report, running: Mapping[str, Process], problems: Mapping[str, Problem]) -> ActiveJob:
    states: dict[State, list[str]] = {state: [] for state in State}
    pids: dict[str, int | None] = {}
    for name, result in report.results.items():
        if result.state.final:
            # Also where one runs under this JID: that is what the same host has under another name.
            states[result.state].append(name)
        elif name in running:
            pids[name] = running[name].pid
        elif name in problems and not result.settled:
            states[State.UNREACHABLE].append(name)
        elif result.state is State.RUNNING:
            pids[name] = result.pid
        else:
            states[result.state].append(name)
    return ActiveJob(
        report.job,
        pids,
        returned=tuple(states[State.RETURNED]),
        lost=tuple(states[State.LOST]),
        unreachable=tuple(states[State.UNREACHABLE]),
        pending=tuple(states[State.PENDING]),
    )


def _foreign(jid: str, hosts: Mapping[str, Process]) -> ActiveJob:
    """A job of another controller, as the proc files tell it."""
    one = next(iter(hosts.values()))
    job = Job(jid, one.fun, one.arg, one.tgt, tuple(hosts), one.user, jid_time(jid))
    return ActiveJob(job, {name: process.pid for name, process in hosts.items()})
