"""Salt's jobs runner: what became of jobs, from the cache, and from the hosts about which the cache is not final."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from agentless.errors import CacheError, HostError, TargetError
from agentless.inventory.selection import Selection
from agentless.model.answers import Returned, Stated
from agentless.model.endpoint import Endpoint
from agentless.model.jid import JID, jid_time
from agentless.model.job import Job, Report
from agentless.model.problem import Problem
from agentless.model.process import Process
from agentless.model.requests import FetchRequest, Wanted
from agentless.model.results import Active, ActiveJob
from agentless.model.states import HostResult, State, elsewhere, settle
from agentless.runner.contact import Contact, in_order, problem_of
from agentless.runner.discovery import discover
from agentless.runner.procs import look
from agentless.runner.reading import Answer

__all__ = ["active", "ask_about", "ask_about_all", "collect", "look_up"]

NO_ANSWER = Problem("protocol", "the host did not say what became of the job")


def look_up(contact: Contact, selection: Selection, jid: JID, target: str | None) -> Report:
    """What became of a job; the arguments and errors are those of `Fleet.lookup`."""
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
    return ask_about_all(contact, selection, [report])[0]


def ask_about_all(contact: Contact, selection: Selection, reports: Sequence[Report]) -> list[Report]:
    """`ask_about` for several jobs: one contact a host for each user as whom they were sent there."""
    learned: dict[JID, dict[str, HostResult]] = {report.job.jid: {} for report in reports}
    before = {report.job.jid: report.results for report in reports}
    held = {report.job.jid for report in reports if contact.cache.is_held(report.job.jid)}
    missing: dict[JID, dict[str, Problem]] = {}
    senders: dict[tuple[str | None, str | None], tuple[dict[str, Endpoint], dict[str, list[JID]]]] = {}
    for report in reports:
        job = report.job
        places, missing[job.jid] = selection.of_job(job, report.open_hosts)
        endpoints, jids = senders.setdefault((job.login, job.become), ({}, {}))
        endpoints.update(places)
        for name in places:
            jids.setdefault(name, []).append(job.jid)

    def request(jids: Sequence[JID], name: str, place: str) -> FetchRequest:
        return FetchRequest(tuple(Wanted.of(jid, before[jid][name], held=jid in held).at(place) for jid in jids))

    for endpoints, jids in senders.values():
        # A job that was sent before `--become` was given is the login user's: denied by the other, it would be lost.
        for name, answers in contact.ask(
            endpoints,
            lambda name, jids=jids, endpoints=endpoints: request(jids[name], name, endpoints[name].place),  # type: ignore[misc]
            about=learned,
            both_users=True,
        ):
            for jid in jids[name]:
                learned[jid][name] = _learn(before[jid][name], jid, answers, endpoints[name].places)
    return [
        _recorded(contact, report, learned[report.job.jid]).unreached(missing[report.job.jid]) for report in reports
    ]


def _learn(before: HostResult, jid: JID, answers: Sequence[Answer] | HostError, asked: Collection[str]) -> HostResult:
    """Where a host stands after it was asked; what it does not say is not known, whatever was before."""
    if isinstance(answers, HostError):
        return replace(before, state=State.UNREACHABLE, problem=problem_of(answers))
    ends = [answer for answer in answers if isinstance(answer, (Returned, Stated)) and answer.jid == jid]
    if not ends:
        return replace(before, state=State.UNREACHABLE, problem=NO_ANSWER)
    return settle(before, min(ends, key=_rank), time.time(), asked)


def _recorded(contact: Contact, report: Report, learned: Mapping[str, HostResult]) -> Report:
    """The job with what was learned, which is recorded; of two ends the one that was recorded first counts."""
    jid = report.job.jid
    for name, result in learned.items():
        if result != report.results[name]:
            try:
                contact.cache.record(jid, name, result)
            except CacheError as error:
                contact.cache.warn(f"{name}: what became of job {jid} is not in the job cache: {error.message}")
    in_cache = contact.cache.current(jid) or report
    still = {name: result for name, result in learned.items() if not in_cache.results[name].state.final}
    return replace(in_cache, results={**in_cache.results, **still})


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
        problems |= contact.gather(left, lambda _: FetchRequest(()), lambda _, answers: None, both_users=True)[1]
        left = {
            name: endpoint
            for name, endpoint in left.items()
            if name not in problems and contact.cache.cursors.seen(name) != seen[name]
        }
    return problems


def active(contact: Contact, selection: Selection, target: str | None) -> Active:
    """Which jobs run, and where each of their hosts stands.

    Each host is asked what runs there; then those that denied a job of this controller, or whom that question did not
    reach (it was sent as another user), are asked about it: nothing is called running that was not just seen running.

    Args:
        target: only these hosts; None is all, those included that jobs were sent to and the inventory lacks.
    """
    endpoints = selection.endpoints(target)
    seen, problems = look(contact, endpoints)
    running: dict[JID, dict[str, Process]] = {}
    for name, here in seen.items():
        for process in here.processes:
            running.setdefault(process.jid, {})[name] = process
    # Only now, since each contact brought home what was waited for.
    reports = [report for jid in contact.cache.open_jobs() if (report := _on(contact, selection, jid, target))]
    doubtful = []
    for report in reports:
        _take_apart(report, running, endpoints)
        heard_of = {**running.get(report.job.jid, {}), **problems}
        unseen = {name: report.results[name] for name in report.open_hosts if name not in heard_of}
        if unseen:
            doubtful.append(replace(report, results=unseen))
    checked: dict[JID, Mapping[str, HostResult]] = {}
    for doubt, report in zip(doubtful, ask_about_all(contact, selection, doubtful), strict=True):
        checked[doubt.job.jid] = {name: report.results[name] for name in doubt.results}
    live: dict[JID, ActiveJob] = {}
    for report in reports:
        jid = report.job.jid
        results = {**report.results, **checked.get(jid, {})}
        # A host that it was never sent to, and never will be, keeps no job among those that go on.
        if jid in running or not all(result.settled for result in results.values()):
            live[jid] = _active(replace(report, results=results), running, problems)
        running.pop(jid, None)
    live |= {jid: _foreign(jid, hosts) for jid, hosts in running.items()}
    silent = {
        name: result.problem
        for results in checked.values()
        for name, result in results.items()
        if result.state is State.UNREACHABLE and result.problem is not None
    }
    why = in_order(dict.fromkeys([*endpoints, *silent]), {**silent, **problems})
    others = {name: here.others for name, here in seen.items() if here.others}
    return Active(dict(sorted(live.items(), reverse=True)), why, others)


def _take_apart(report: Report, running: dict[JID, dict[str, Process]], endpoints: Mapping[str, Endpoint]) -> None:
    """Forget what runs under this JID where another machine than the job was sent to answered for a host: that may be
    another host's part of it. Which it is, the nonce tells when the host is asked about the job."""
    here = running.get(report.job.jid, {})
    for name in report.open_hosts:
        if name in here and elsewhere(report.results[name], endpoints[name].places):
            del here[name]
    if not here:
        running.pop(report.job.jid, None)


def _on(contact: Contact, selection: Selection, jid: JID, target: str | None) -> Report | None:
    """A job on the hosts that are looked at; None where it has none of them."""
    report = contact.cache.current(jid, outputs=False)
    try:
        return report and selection.narrow(report, target)
    except TargetError:
        return None


def _active(
    report: Report, processes: Mapping[JID, Mapping[str, Process]], problems: Mapping[str, Problem]
) -> ActiveJob:
    """A job of this controller.

    Args:
        report: where its hosts stand; those that neither run it nor have a problem were just asked about it.
        processes: what runs, by JID and host.
        problems: why hosts could not be asked what runs there.
    """
    running = processes.get(report.job.jid, {})
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


def _foreign(jid: JID, hosts: Mapping[str, Process]) -> ActiveJob:
    """A job of another controller, as the proc files tell it."""
    one = next(iter(hosts.values()))
    job = Job(jid, one.fun, one.arg, one.tgt, tuple(hosts), one.user, jid_time(jid), schedule=one.schedule)
    return ActiveJob(job, {name: process.pid for name, process in hosts.items()})
