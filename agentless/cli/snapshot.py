"""What `agentless top` knows at one moment: jobs, their hosts, and the fires to come; pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import field

from agentless.model.job import Job, Report
from agentless.model.states import HostResult, State
from agentless.report.printable import plain
from agentless.report.text import colour, word
from agentless.values import dataclass

__all__ = [
    "LINE",
    "ComingFire",
    "HostPart",
    "JobPart",
    "Note",
    "Snapshot",
    "foreign_parts",
    "job_part",
    "last_line",
    "last_line_of",
]

LINE = 400
"""Characters of a last line that are shown, at the most."""
# Of hosts that do not run it: what went wrong first.
_RANK = {"yellow": 0, "red": 1, "green": 2}


@dataclass(frozen=True, slots=True)
class HostPart:
    """A host of a job.

    Args:
        host: its inventory name.
        word: where it stands, in people's words.
        colour: of that word.
        running: it runs there, or may.
        since: Unix seconds at which it began there, or None.
        seconds: how long it took; None while it is not over.
        last_line: what it printed last, or why it did not end well.
    """

    host: str
    word: str
    colour: str
    running: bool = False
    since: float | None = None
    seconds: float | None = None
    last_line: str = ""


@dataclass(frozen=True, slots=True)
class JobPart:
    """A job with its hosts; those that go on or went wrong come first.

    Args:
        job: the job.
        ok, failed, running, pending: hosts.
        hosts: all of them.
        unreachable: those that may run it and do not answer; they count as none of the others.
    """

    job: Job
    ok: int
    failed: int
    running: int
    pending: int
    hosts: tuple[HostPart, ...]
    unreachable: int = 0


@dataclass(frozen=True, slots=True)
class ComingFire:
    """A fire of the schedule to come: Unix seconds, and the entry's name and target."""

    at: float
    entry: str
    target: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something to be said, and since when: Unix seconds."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is known at one moment.

    Args:
        jobs: the newest first.
        fires: the next ones.
        hosts: how many hosts there are; None before that is known.
        asked: how many of them have answered, or have been waited for in vain.
        problems: why hosts could not be asked, by name.
        notes: what else there is to say, the newest last.
    """

    jobs: tuple[JobPart, ...] = ()
    fires: tuple[ComingFire, ...] = ()
    hosts: int | None = None
    asked: int = 0
    problems: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()


def job_part(report: Report, silent: Collection[str], seen: Collection[str], last_lines: Mapping[str, str]) -> JobPart:
    """A job as the cache has it, and as its hosts were seen since.

    Args:
        silent: hosts that were asked since and did not say whether they run it.
        seen: hosts that were seen to run it.
        last_lines: what each host printed last; empty where that is not known.
    """
    hosts = tuple(
        _host_part(name, result, name in silent, name in seen, last_lines[name])
        for name, result in report.results.items()
    )
    ordered = sorted(hosts, key=lambda part: (not part.running, _RANK.get(part.colour, 2)))
    counts = report.summary
    settled = sum(result.settled for result in report.results.values())
    ok = counts["returned"] - counts["failed"]
    # Nothing is called running that was not seen running.
    unreachable = sum(part.running and part.word == "unreachable" for part in hosts)
    running = len(hosts) - settled - counts["pending"] - unreachable
    return JobPart(report.job, ok, settled - ok, running, counts["pending"], tuple(ordered), unreachable)


def _host_part(name: str, result: HostResult, silent: bool, seen: bool, last_line: str) -> HostPart:
    ret, problem = result.ret, result.problem
    state_word = word(result)
    if result.state is State.RUNNING and silent:
        state_word = "unreachable"
    elif result.state is State.RUNNING and not seen:
        # Remembered, and not seen yet.
        state_word = "running?"
    # The cache's word that nobody was asked says nothing of a host that was just seen.
    if problem is not None and state_word != "running" and (not last_line or state_word == "unreachable"):
        last_line = f"{problem.kind}: {problem.message}"
    return HostPart(
        name,
        state_word,
        "red" if state_word == "unreachable" else colour(result),
        not result.settled and result.state is not State.PENDING,
        ret.started if ret else result.started,
        ret.duration if ret else None,
        plain(last_line).replace("\n", " ")[:LINE],
    )


def foreign_parts(running: Mapping[str, Mapping[str, Job]], known: Collection[str]) -> list[JobPart]:
    """Jobs that hosts run and the cache does not have.

    Args:
        running: by host, the jobs that it was seen to run, by JID.
        known: the JIDs of the cache.
    """
    jobs: dict[str, tuple[Job, list[HostPart]]] = {}
    for name, by_jid in running.items():
        for jid, job in by_jid.items():
            if jid not in known:
                _, hosts = jobs.setdefault(jid, (job, []))
                hosts.append(HostPart(name, "running", "yellow", True, job.start_time or None))
    return [JobPart(job, 0, 0, len(hosts), 0, tuple(hosts)) for job, hosts in jobs.values()]


def last_line_of(result: HostResult) -> str:
    """What a host printed last; on stderr where it did not end well. Raises CacheError where it cannot be read."""
    output = result.output
    if output is None:
        return ""
    good = result.ret is not None and result.ret.ok
    first, second = (output.out, output.err) if good else (output.err, output.out)
    return last_line(first.tail(LINE)) or last_line(second.tail(LINE))


def last_line(data: bytes) -> str:
    """The last line of an output that is not blank, without control characters."""
    lines = plain(data[-4 * LINE :].decode("utf-8", "backslashreplace")).split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
