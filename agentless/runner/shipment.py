"""The schedule on hosts: what a push sends, and what hosts answer about theirs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from agentless.errors import Refused, ScheduleError, UsageError
from agentless.model.answers import PushDone, ScheduleState
from agentless.model.endpoint import Endpoint
from agentless.model.job_spec import JobSpec, Script, shell_text
from agentless.model.problem import Problem
from agentless.model.requests import PurgeRequest, PushRequest, Request, ScheduledJob, ShowRequest
from agentless.runner.contact import Contact
from agentless.runner.reading import Answer
from agentless.runner.writing import entry_fields
from agentless.schedule.difference import differences, shown
from agentless.schedule.host_schedule import HostSchedule, OnHost, Placed, Pushed, ScheduleEvent, Seen
from agentless.schedule.pushes import digest
from agentless.schedule.schedule_file import Entry, Schedule
from agentless.values import dataclass

__all__ = ["Shipment", "compared", "digest_of", "job_spec", "purge", "push", "show"]

A = TypeVar("A", PushDone, ScheduleState)
# Of a clock that is further off, everybody's logs disagree; nothing of ours depends on it.
CLOCK_OFF = 60.0
LATE = 150.0


@dataclass(frozen=True, slots=True)
class Shipment:
    """The entries of a schedule as they travel; the same for all hosts but for which of them each gets.

    Args:
        jobs: by host, what it is to fire; a host that is not there is to fire nothing.
        zones: the tables of the time zones that entries name.
        user, login, become, cap: as of `PushRequest`.
    """

    jobs: Mapping[str, tuple[ScheduledJob, ...]]
    zones: Mapping[str, Any]
    user: str
    login: str | None
    become: str | None
    cap: int

    @classmethod
    def of(
        cls,
        schedule: Schedule,
        targets: Mapping[str, tuple[str, ...]],
        *,
        user: str,
        sender: tuple[str | None, str],
        cap: int,
        now: float,
    ) -> Shipment:
        """What a checked file brings to hosts.

        Args:
            targets: by entry, the hosts that it is for.
            sender: `login` and `become`.
            now: Unix seconds: new entries count from the next full minute on, the same one on all hosts.

        Raises:
            ScheduleError: a script cannot be read.
        """
        since = int(now // 60) * 60 + 60
        by_host: dict[str, list[ScheduledJob]] = {}
        for entry in schedule.entries.values():
            if entry.runs_on != "host":
                continue
            job = ScheduledJob(
                timing=entry.timing,
                since=since,
                spec=job_spec(entry, schedule.file),
                target=entry.target or "",
                hosts=targets[entry.name],
                jid_include=entry.jid_include,
                return_job=entry.return_job,
                said=entry.said,
            )
            for host in job.hosts:
                by_host.setdefault(host, []).append(job)
        login, become = sender
        jobs = {host: tuple(of_host) for host, of_host in by_host.items()}
        return cls(jobs, schedule.zones, user, login, become, cap)

    def request(self, endpoint: Endpoint, *, check: bool) -> PushRequest:
        """What one host is asked."""
        entries = self.jobs.get(endpoint.name, ())
        zones = {str(job.timing["zone"]) for job in entries if "zone" in job.timing}
        return PushRequest(
            host=endpoint.name,
            user=self.user,
            login=self.login,
            become=self.become,
            local=endpoint.local,
            cap=self.cap,
            check=check,
            entries=entries,
            zones={name: self.zones[name] for name in sorted(zones)},
        )


def job_spec(entry: Entry, file: str) -> JobSpec:
    """The job that an entry fires; raises ScheduleError where its script cannot be read."""
    script = None
    if entry.script is not None:
        try:
            script = Script.read(entry.script, entry.args[1:])
        except UsageError as error:
            raise ScheduleError(f"{entry.key}: args: {error.message}", file=file, line=entry.line) from error
    stdin = entry.kwargs.get("stdin")
    return JobSpec(
        "" if script else shell_text(entry.args),
        script=script,
        cwd=entry.kwargs.get("cwd"),
        env=entry.kwargs.get("env") or {},
        stdin=None if stdin is None else str(stdin).encode("utf-8"),
        shell=entry.kwargs.get("shell") or "/bin/sh",
        timeout=entry.timeout,
        metadata=entry.metadata,
        schedule=entry.name,
        returners=entry.returners,
    )


def push(contact: Contact, endpoints: Mapping[str, Endpoint], shipment: Shipment, *, check: bool) -> Pushed:
    """Bring each host to what the schedule says of it; `check` only tells what would change."""
    return _place(contact, endpoints, lambda host: shipment.request(endpoints[host], check=check), check)


def purge(contact: Contact, endpoints: Mapping[str, Endpoint], *, check: bool) -> Pushed:
    """Take the schedule and its line in the crontab away."""
    return _place(contact, endpoints, lambda host: PurgeRequest(check), check)


def digest_of(job: ScheduledJob) -> str:
    """The hash by which an entry is known again, of all that travels of it."""
    return digest({**entry_fields(job), "env": dict(job.spec.env)})


def compared(pushed: Pushed, before: Seen, shipment: Shipment) -> Pushed:
    """The same push with what differs of each entry that it adds, changes or takes away.

    Args:
        before: what the hosts had.
    """
    hosts = {}
    for host, placed in pushed.hosts.items():
        on_host = before.hosts.get(host)
        old = {name: entry.shown for name, entry in on_host.entries.items()} if on_host is not None else {}
        new = {job.name: shown(entry_fields(job)) for job in shipment.jobs.get(host, ())}
        names = (*placed.added, *placed.changed, *placed.removed)
        changes = {name: differences(old.get(name, {}), new.get(name, {})) for name in names}
        hosts[host] = replace(placed, differences=changes)
    return replace(pushed, hosts=hosts)


def _place(
    contact: Contact, endpoints: Mapping[str, Endpoint], request: Callable[[str], Request], check: bool
) -> Pushed:
    began: dict[str, float] = {}

    def placed(host: str, answers: list[Answer]) -> Placed:
        answer = _end(answers, PushDone)
        warnings = _clock(answer.time, began[host], time.time())
        if answer.renamed is not None:
            message = f"its schedule was pushed under the name {answer.renamed!r} before"
            hint = "Where two inventory names reach one host and user, set agentless_state_dir for one of them."
            warnings.append(Problem("renamed", message, hint))
        if answer.restored:
            way = "it is brought again" if not check else "a push brings it again"
            warnings.append(Problem("restored", f"files of its schedule were gone, so that nothing fired: {way}"))
        return Placed(
            answer.added,
            answer.changed,
            answer.removed,
            answer.unchanged,
            crontab=answer.crontab,
            warnings=tuple(warnings),
        )

    return Pushed(*contact.gather(endpoints, _timed(request, began), placed))


def show(contact: Contact, endpoints: Mapping[str, Endpoint], *, plan: int = 1, log: int = 50) -> Seen:
    """What each host has, what its ticks did, and what it will fire.

    Args:
        plan: fires to come of each entry.
        log: events, the newest.
    """
    began: dict[str, float] = {}
    request = ShowRequest(plan, log)

    def shown(host: str, answers: list[Answer]) -> HostSchedule:
        return _shown(answers, _end(answers, ScheduleState), began[host], time.time())

    return Seen(*contact.gather(endpoints, _timed(lambda _: request, began), shown))


def _timed(request: Callable[[str], Request], began: dict[str, float]) -> Callable[[str], Request]:
    """The same requests; when each host is asked, in Unix seconds, is noted in `began`."""

    def timed(host: str) -> Request:
        began[host] = time.time()
        return request(host)

    return timed


def _end(answers: Sequence[Answer], kind: type[A]) -> A:
    if answers and isinstance(answers[-1], kind):
        return answers[-1]
    raise Refused("protocol", "the helper did not say how it went")


def _clock(at: float | None, began: float, now: float) -> list[Problem]:
    """A warning where the clock of a host, `at` somewhere between these two times of ours, is surely off."""
    if at is None:
        return []
    off = at - now if at > now else min(0.0, at - began)
    if abs(off) <= CLOCK_OFF:
        return []
    way = "ahead" if off > 0 else "behind"
    message = f"its clock is {_long(abs(off))} {way} of this machine's: what it fires, it fires by its own clock"
    return [Problem("clock", message, "Set it right there, by NTP for example (timedatectl set-ntp true).")]


def _long(seconds: float) -> str:
    for size, word in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {word}"
    return f"{seconds:.0f} s"


def _shown(answers: Sequence[Answer], state: ScheduleState, began: float, now: float) -> HostSchedule:
    entries = {answer.name: answer for answer in answers if isinstance(answer, OnHost)}
    warnings = _clock(state.time, began, now)
    ticked, now, error = state.ticked, state.time or now, state.problem
    if state.warning is not None:
        warnings.append(state.warning)
    elif error is None and state.line is False:
        message = "the crontab has another line of ours than a push would put there"
        warnings.append(Problem("crontab", message, "agentless schedule push puts it right."))
    elif error is None and entries and now - (since := max(ticked or 0.0, state.pushed or 0.0)) > LATE:
        message = f"the last tick was {_long(now - ticked)} ago" if ticked else f"no tick for {_long(now - since)}"
        # Two changes within the second in which cron reads the crontabs look like one to it.
        hint = "Look whether cron runs there (systemctl status cron); crontab -l | crontab - has it look again."
        error = Problem("no-tick", f"{message}: nothing fires", hint)
    return HostSchedule(
        ticked=ticked,
        pushed_by=state.controller,
        line=state.line,
        entries=entries,
        events=tuple(answer for answer in answers if isinstance(answer, ScheduleEvent)),
        warnings=tuple(warnings),
        error=error,
    )
