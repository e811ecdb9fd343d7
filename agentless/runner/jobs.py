"""Salt's jobs runner: what became of jobs, from the cache, and from the hosts about which the cache is not final."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from agentless.endpoint import Endpoint
from agentless.errors import HostError
from agentless.job import Dispatched, HostResult, Job, Problem, State, jid_time
from agentless.results import Active, ActiveJob, Process
from agentless.runner.contact import Contact, problem_of
from agentless.runner.home import job_of, settle
from agentless.runner.procs import processes
from agentless.runner.session import Described, Returned, Stated

__all__ = ["active", "ask_about", "collect", "discover", "open_hosts"]


def open_hosts(results: Mapping[str, HostResult]) -> list[str]:
    """The hosts that a contact can tell more about: the job was sent to them, and the end is not known."""
    return [name for name, result in results.items() if not result.settled and result.dispatched is not Dispatched.NO]


def ask_about(
    contact: Contact, job: Job, results: Mapping[str, HostResult], endpoints: Mapping[str, Endpoint]
) -> dict[str, HostResult]:
    """Ask the given hosts what became of the job; record and return where every host stands.

    Args:
        endpoints: the hosts to ask; the others stay as they are.
    """
    after = dict(results)

    def request(name: str) -> dict[str, object]:
        result = results[name]
        one = {"jid": job.jid, "nonce": result.nonce or None, "maybe": result.dispatched is Dispatched.MAYBE}
        return {"op": "fetch", "jobs": [one], "describe": False}

    # A job that was sent before `--become` was given is the login user's: denied by the other, it would be lost.
    for name, answers in contact.ask(endpoints, request, about=job.jid, both_users=True):
        if isinstance(answers, HostError):
            after[name] = replace(results[name], state=State.UNREACHABLE, problem=problem_of(answers))
        elif told := [answer for answer in answers if isinstance(answer, (Returned, Stated))]:
            after[name] = settle(after[name], min(told, key=_rank))
        if after[name] != results[name]:
            contact.ledger.record(job.jid, name, after[name])
    return after


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
        seen = {name: contact.ledger.seen(name) for name in left}
        for name, answers in contact.ask(left, lambda _: {"op": "fetch", "jobs": []}, both_users=True):
            if isinstance(answers, HostError):
                problems[name] = problem_of(answers)
        left = {
            name: endpoint
            for name, endpoint in left.items()
            if name not in problems and contact.ledger.seen(name) != seen[name]
        }
    return problems


def discover(
    contact: Contact, jid: str, endpoints: Mapping[str, Endpoint]
) -> tuple[Job | None, dict[str, HostResult], dict[str, Problem]]:
    """Ask hosts about a JID that the cache doesn't know.

    Returns:
        the job as the hosts' records describe it, or None when none of them has one; where each host with a record
        stands; and the hosts that could not be asked.
    """
    found: dict[str, HostResult] = {}
    problems: dict[str, Problem] = {}
    described: Described | None = None
    request = {"op": "fetch", "jobs": [{"jid": jid, "nonce": None, "maybe": False}], "describe": True}
    for name, answers in contact.ask(endpoints, lambda _: request, about=jid, both_users=True):
        if isinstance(answers, HostError):
            problems[name] = problem_of(answers)
            continue
        for answer in answers:
            if isinstance(answer, Described):
                described = described or answer
                found.setdefault(name, HostResult(State.RUNNING, Dispatched.YES, nonce=_text(answer, "nonce")))
            elif isinstance(answer, Returned) or (isinstance(answer, Stated) and answer.state != "unknown"):
                found[name] = settle(found.get(name, HostResult(State.RUNNING, Dispatched.YES)), answer)
    if not found:
        return None, {}, problems
    hosts = tuple(name for name in endpoints if name in found)
    return job_of(jid, described, hosts), {name: found[name] for name in hosts}, problems


def _text(described: Described | None, key: str) -> str:
    value = described.record.get(key) if described else None
    return value if isinstance(value, str) else ""


def active(
    contact: Contact,
    endpoints: Mapping[str, Endpoint],
    cached: Iterable[tuple[Job, Mapping[str, HostResult]]],
) -> Active:
    """Which jobs run, and where each of their hosts stands: one contact a host.

    Args:
        cached: the jobs of the cache that are not settled; consumed only after the hosts were asked, since each contact
            brings home what was waited for.
    """
    running: dict[str, dict[str, Process]] = {}
    problems: dict[str, Problem] = {}
    for name, answers in contact.ask(endpoints, lambda _: {"op": "running"}, both_users=True):
        if isinstance(answers, HostError):
            problems[name] = problem_of(answers)
            continue
        for process in processes(answers):
            running.setdefault(process.jid, {})[name] = process
    jobs: dict[str, ActiveJob] = {}
    for job, results in cached:
        jobs[job.jid] = _active(job, results, running.pop(job.jid, {}), problems, endpoints)
    for jid, hosts in running.items():
        jobs[jid] = _foreign(jid, hosts)
    live = {jid: one for jid, one in jobs.items() if one.running or one.unreachable or one.pending}
    order = {name: index for index, name in enumerate(endpoints)}
    ordered = {name: problems[name] for name in sorted(problems, key=lambda name: order[name])}
    return Active(dict(sorted(live.items(), reverse=True)), ordered)


def _active(
    job: Job,
    results: Mapping[str, HostResult],
    running: Mapping[str, Process],
    problems: Mapping[str, Problem],
    asked: Mapping[str, Endpoint],
) -> ActiveJob:
    states: dict[State, list[str]] = {state: [] for state in State}
    pids: dict[str, int | None] = {}
    for name, result in results.items():
        if name in running:
            pids[name] = running[name].pid
        elif name in problems and not result.settled:
            states[State.UNREACHABLE].append(name)
        elif result.state is State.RUNNING and name not in asked:
            pids[name] = result.pid
        else:
            states[result.state].append(name)
    return ActiveJob(
        job,
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
