"""The schedule on hosts: what a push sends, and what hosts say of what is there."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from agentless.errors import HostError, Refused, ScheduleError, UsageError
from agentless.model.answers import Answer, Reply
from agentless.model.endpoint import Endpoint
from agentless.model.problem import Problem
from agentless.model.requests import (
    JobSpec,
    PurgeRequest,
    PushRequest,
    Request,
    Script,
    Section,
    ShowRequest,
    shell_text,
)
from agentless.remote import evaluator
from agentless.runner.contact import Contact, problem_of
from agentless.runner.writing import job_fields
from agentless.schedule import Entry, Fire, Schedule
from agentless.schedule.hosts import Event, HostSchedule, OnHost, Placed, Pushed, Seen

__all__ = ["Shipment", "job_spec", "purge", "push", "show"]

# Of a clock that is further off, everybody's logs disagree; nothing of ours depends on it.
CLOCK_OFF = 60.0
LATE = 150.0
DAY = 86400
# A number that is counted; a host that says more is wrong.
COUNT_MAX = 1 << 31


class Shipment:
    """The entries of a schedule as they travel; the same for all hosts but for which of them each gets.

    Args:
        schedule: the file, checked.
        targets: by entry, the hosts that it is for.
        now: Unix seconds: new entries count from the next full minute on, the same one on all hosts.

    Raises:
        ScheduleError: a script cannot be read.
    """

    def __init__(self, schedule: Schedule, targets: Mapping[str, Iterable[str]], *, user: str, cap: int, now: float):
        self._zones = schedule.zones
        self._user = user
        self._cap = cap
        self._files: dict[str, bytes] = {}
        self._since = int(now // 60) * 60 + 60
        self._by_host: dict[str, list[Entry]] = {}
        entries = [entry for entry in schedule.entries.values() if entry.runs_on == "host"]
        self._made = {entry.name: self._travel(entry, schedule.file) for entry in entries}
        for entry in entries:
            for host in targets[entry.name]:
                self._by_host.setdefault(host, []).append(entry)

    def _travel(self, entry: Entry, file: str) -> dict[str, Any]:
        spec = job_spec(entry, file)
        job = job_fields(spec, entry.target or "")
        job["jid_include"] = entry.jid_include
        # Who does not want it kept has no use for it at home either.
        job["return_job"] = entry.return_job is True
        if spec.script is not None:
            job["script"] = self._file(spec.script.data)
        if spec.stdin is not None:
            job["stdin"] = self._file(spec.stdin)
        return {**entry.timing, "since": self._since, "job": job}

    def _file(self, data: bytes) -> str:
        name = hashlib.sha256(data).hexdigest()
        self._files[name] = data
        return name

    def request(self, host: str, *, check: bool) -> PushRequest:
        """What one host is asked."""
        entries = [self._made[entry.name] for entry in self._by_host.get(host, ())]
        zones = {entry["zone"] for entry in entries if "zone" in entry}
        tables = {name: self._zones[name] for name in sorted(zones)}
        return PushRequest(host, self._user, self._cap, check, entries, tables, self._sections(host, check=check))

    def _sections(self, host: str, *, check: bool) -> tuple[Section, ...]:
        """Scripts and inputs, and what no `ps` on the host may show."""
        entries = self._by_host.get(host, ())
        env = {entry.name: dict(entry.kwargs["env"]) for entry in entries if entry.kwargs.get("env")}
        sections = [Section("env", json.dumps(env).encode("ascii"))] if env else []
        if not check:
            jobs = [self._made[entry.name]["job"] for entry in entries]
            named = {job[key] for job in jobs for key in ("script", "stdin") if key in job}
            sections += [Section(name, self._files[name]) for name in sorted(named)]
        return tuple(sections)


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
    )


def push(contact: Contact, endpoints: Mapping[str, Endpoint], shipment: Shipment, *, check: bool) -> Pushed:
    """Bring each host to what the schedule says of it; `check` only tells what would change."""
    return _place(contact, endpoints, lambda host: shipment.request(host, check=check))


def purge(contact: Contact, endpoints: Mapping[str, Endpoint], *, check: bool) -> Pushed:
    """Take the schedule and its line in the crontab away."""
    return _place(contact, endpoints, lambda host: PurgeRequest(check))


def _place(contact: Contact, endpoints: Mapping[str, Endpoint], request: Callable[[str], Request]) -> Pushed:
    hosts: dict[str, Placed] = {}
    problems: dict[str, Problem] = {}
    for name, reply, asked in _ask(contact, endpoints, request, "pushed"):
        if isinstance(reply, HostError):
            problems[name] = problem_of(reply)
            continue
        meta = reply[-1].meta
        warnings = _clock(meta, asked)
        if (before := meta.get("renamed")) is not None:
            message = f"its schedule was pushed under the name {_text(before)!r} before"
            hint = "Where two inventory names reach one host and user, set agentless_state_dir for one of them."
            warnings.append(Problem("renamed", message, hint))
        words = {word: _texts(meta.get(word)) for word in ("added", "changed", "removed", "unchanged")}
        hosts[name] = Placed(**words, crontab=_text(meta.get("crontab")), warnings=tuple(warnings))
    return Pushed(
        {name: hosts[name] for name in endpoints if name in hosts},
        {name: problems[name] for name in endpoints if name in problems},
    )


def show(contact: Contact, endpoints: Mapping[str, Endpoint], *, plan: int = 1, log: int = 50) -> Seen:
    """What each host has, what its ticks did, and what it will fire.

    Args:
        plan: fires to come of each entry.
        log: events, the newest.
    """
    hosts: dict[str, HostSchedule] = {}
    problems: dict[str, Problem] = {}
    request = ShowRequest(plan, log)
    for name, replies, asked in _ask(contact, endpoints, lambda host: request, "schedule"):
        if isinstance(replies, HostError):
            problems[name] = problem_of(replies)
        else:
            hosts[name] = _shown(replies, asked)
    return Seen(
        {name: hosts[name] for name in endpoints if name in hosts},
        {name: problems[name] for name in endpoints if name in problems},
    )


def _ask(
    contact: Contact,
    endpoints: Mapping[str, Endpoint],
    request: Callable[[str], Request],
    last: str,
) -> Iterable[tuple[str, list[Reply] | HostError, tuple[float, float]]]:
    """Each host with its replies, of which the last is of that kind, and between which times they were made."""
    began: dict[str, float] = {}

    def asked(host: str) -> Request:
        began[host] = time.time()
        return request(host)

    for name, answers in contact.ask(endpoints, asked):
        now = time.time()
        if isinstance(answers, HostError):
            yield name, answers, (now, now)
            continue
        replies = _replies(answers)
        if not replies or replies[-1].kind != last:
            yield name, Refused("protocol", "the helper did not say how it went"), (now, now)
        else:
            yield name, replies, (began.get(name, now), now)


def _replies(answers: Iterable[Answer]) -> list[Reply]:
    return [answer for answer in answers if isinstance(answer, Reply)]


def _clock(meta: Mapping[str, Any], asked: tuple[float, float]) -> list[Problem]:
    """A warning where the host's clock is off, as far as the duration of the call lets it be known."""
    at = _number(meta.get("time"))
    if at is None:
        return []
    off = at - asked[1] if at > asked[1] else min(0.0, at - asked[0])
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


def _shown(replies: Sequence[Reply], asked: tuple[float, float]) -> HostSchedule:
    meta = replies[-1].meta
    entries: dict[str, OnHost] = {}
    events: list[Event] = []
    for reply in replies[:-1]:
        if reply.kind == "entry" and (entry := _entry(reply.meta)) is not None:
            entries[entry.name] = entry
        elif reply.kind == "event":
            events.append(_event(reply.meta))
    warnings = _clock(meta, asked)
    problem, line = meta.get("problem"), meta.get("line")
    ticked, now = _number(meta.get("ticked")), _number(meta.get("time")) or asked[1]
    if isinstance(problem, Mapping):
        warnings.append(Problem(*(_text(problem.get(key)) for key in ("kind", "message", "hint"))))
    elif line is False:
        message = "the crontab lacks our line, or has another one" if entries else "the crontab has a line of ours left"
        warnings.append(Problem("crontab", message, "agentless schedule push puts it right."))
    elif entries and now - (since := max(ticked or 0.0, _number(meta.get("pushed")) or 0.0)) > LATE:
        message = f"the last tick was {_long(now - ticked)} ago" if ticked else f"no tick for {_long(now - since)}"
        warnings.append(Problem("no-tick", message, "Look whether cron runs there (systemctl status cron)."))
    by = _text(meta.get("controller"))
    return HostSchedule(ticked, by, line if isinstance(line, bool) else None, entries, tuple(events), tuple(warnings))


def _entry(meta: Mapping[str, Any]) -> OnHost | None:
    raw, history = meta.get("entry"), meta.get("history")
    if not isinstance(raw, Mapping) or not isinstance(job := raw.get("job"), Mapping):
        return None
    past = history if isinstance(history, Mapping) else {}
    fired, skipped = past.get("f"), past.get("s")
    plan = meta.get("plan")
    planned = [_planned(each, _text(raw.get("id"))) for each in plan] if isinstance(plan, list) else []
    last_skip = None
    if isinstance(skipped, list) and len(skipped) == 2 and (at := _number(skipped[1])) is not None:
        last_skip = (_text(skipped[0]), at)
    return OnHost(
        name=_text(raw.get("name")),
        function=_text(job.get("fun")),
        arguments=_texts(job.get("arg")),
        target=_text(job.get("tgt")),
        enabled=bool(raw.get("enabled", 1)),
        last_fire=_number(fired[1]) if isinstance(fired, list) and len(fired) == 2 else None,
        last_skip=last_skip,
        running=running if isinstance(running := meta.get("running"), int) and 0 <= running < COUNT_MAX else 0,
        coming=tuple(fire for fire in planned if fire is not None),
        timezone=_text(raw.get("zone")) or None,
    )


def _planned(row: object, digits: str) -> Fire | None:
    """A fire to come as a host works it out: nominal time, time, reason, seconds ahead of UTC."""
    if not isinstance(row, list) or len(row) != 4:
        return None
    nominal, at, shift = _number(row[0]), _number(row[1]), row[3]
    if nominal is None or at is None or not isinstance(shift, int) or abs(shift) >= DAY:
        return None
    return Fire(int(nominal), int(at), evaluator.jid({"id": digits}, int(nominal)), shift, _text(row[2]) or None)


def _event(meta: Mapping[str, Any]) -> Event:
    count = meta.get("count")
    return Event(
        at=_number(meta.get("at")) or 0.0,
        name=_text(meta.get("name")),
        jid=_text(meta.get("jid")) or None,
        reason=_text(meta.get("skip")) or None,
        count=count if isinstance(count, int) and 0 <= count < COUNT_MAX else 1,
        error=_text(meta.get("error")) or None,
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()


def _number(value: object) -> float | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 2**33:
        return float(value)
    return None
