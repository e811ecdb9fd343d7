"""Results as one HTML file that can be mailed: it loads nothing, needs no script, and is dark where the reader is.

What hosts, inventories and people say is text from outside: Jinja2 escapes all of it, after it went through the door of
`printable`, so that no control character and no reordering of text is left in it. A policy in the page itself forbids
the network, and every script and style but its own two, which it names by their hashes. Outputs are read and written
piece by piece.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from agentless.hostlist import fold
from agentless.model.job import Report
from agentless.model.output import StreamOutput
from agentless.model.problem import Problem
from agentless.model.results import Listed
from agentless.model.states import HostResult, State
from agentless.model.times import local
from agentless.report.page import page
from agentless.report.printable import COLOURS, Printable
from agentless.report.spelling import as_typed
from agentless.report.summary import next_commands, with_unknown
from agentless.report.tables import command
from agentless.report.text import duration, notes, states, word
from agentless.report.timeline import Timeline, percent, quarter_of, ticks
from agentless.values import dataclass

if TYPE_CHECKING:
    from agentless.schedule.coming import Upcoming

__all__ = ["fires_html", "jobs_html", "report_html"]

# Bytes of an output that stands open at once; a browser lays out a longer one when somebody asks for it.
_OPEN_BYTES = 1 << 16
# For who sees no colours: each kind of outcome has a sign and a pattern, too.
_TONES = {
    "ok": ("good", "✓"),
    "running": ("open", "▶"),
    "pending": ("open", "…"),
    "not-started": ("bad", "–"),
    "lost": ("bad", "?"),
    "unreachable": ("bad", "⊘"),
    "failed": ("bad", "✗"),
}


# --- one job ---------------------------------------------------------------------------------------------------------
def report_html(report: Report, now: float) -> Iterator[str]:
    """A job: counts, when each host worked, and what it wrote; the same output of several hosts stands once.

    Args:
        now: Unix seconds.

    Raises:
        CacheError: the output of a host cannot be read from the job cache.
    """
    job, results = report.job, with_unknown(report)
    groups = _groups(results)
    group_of = {host: group.name for group in groups for host in group.hosts}
    counts = _counts([_kind(result) for result in results.values()])
    heading = job.metadata.get("step") or command(job, 120) or job.function or f"Job {job.jid}"
    verdict = _verdict(report, len(results))
    line = Timeline.of(report, now)
    commands = [f"agentless jobs lookup {job.jid}", *(text.strip() for text in next_commands(report))]
    return page(
        "report.html.j2",
        now,
        title=f"{heading}: {verdict}",
        tone="good" if report.ok else "bad" if any(count.tone == "bad" for count in counts) else "open",
        verdict=verdict,
        heading=heading,
        command=command(job, None),
        job=job,
        counts=counts,
        ticks=ticks(line.quarter),
        rows=[_row(name, result, group_of[name], line) for name, result in results.items()],
        groups=groups,
        commands=commands,
    )


def _kind(result: HostResult) -> str:
    """Which of the kinds of outcome a host's is."""
    return ("failed" if result.failed else "ok") if result.state is State.RETURNED else result.state.value


def _verdict(report: Report, total: int) -> str:
    hosts = "1 host" if total == 1 else f"{total} hosts"
    if report.interrupted:
        return f"Interrupted, on {hosts}"
    if report.ok:
        how = "Accepted" if report.detached else "OK"
        return f"{how} on {'its one host' if total == 1 else f'all of {hosts}'}"
    counts = dict(report.summary)
    counts[State.UNREACHABLE.value] += len(report.unknown_hosts)
    return f"Of {hosts}: {states(counts)}" if total else "No host that answered knows of it"


def _row(name: str, result: HostResult, group: str, line: Timeline) -> dict[str, str]:
    """A host: how it ended, when it worked, and what went wrong."""
    kind, bar, problem = _kind(result), line.bar(name, result), result.problem
    tone, symbol = _TONES[kind]
    return {
        "name": name,
        "group": group,
        "word": kind,
        "outcome": word(result),
        "tone": tone,
        "symbol": symbol,
        "took": duration(result.ret.duration) if result.ret and result.ret.duration is not None else "",
        "at": bar.at,
        "width": bar.width,
        "span": bar.text,
        "why": bar.why if problem is None else f"{problem.kind}: {as_typed(problem.message)}",
    }


@dataclass(frozen=True, slots=True)
class _Count:
    """How many hosts, or jobs, have this kind of outcome; `at` and `width` are percents of all."""

    word: str
    tone: str
    symbol: str
    number: int
    at: str
    width: str


def _counts(kinds: Iterable[str]) -> list[_Count]:
    numbers = dict.fromkeys(_TONES, 0)
    for kind in kinds:
        numbers[kind] += 1
    total, before, counts = sum(numbers.values()), 0, []
    for kind, number in numbers.items():
        if number:
            tone, symbol = _TONES[kind]
            counts.append(_Count(kind, tone, symbol, number, percent(before / total), percent(number / total)))
        before += number
    return counts


@dataclass(frozen=True, slots=True)
class _ReportStream:
    """One stream of a group's output."""

    name: str
    output: StreamOutput

    def text(self) -> Iterator[str]:
        """Its printable form without colours, in pieces."""
        shown = Printable()
        for piece in self.output.pieces():
            yield COLOURS.sub("", shown.feed(piece))
        yield COLOURS.sub("", shown.feed(b"", final=True))


@dataclass(frozen=True, slots=True)
class _Group:
    """Hosts whose outcome and output are the same to the byte."""

    name: str
    hosts: tuple[str, ...]
    outcome: str
    tone: str
    symbol: str
    problem: Problem | None
    notes: tuple[str, ...]
    streams: tuple[_ReportStream, ...]
    opened: bool

    @property
    def folded(self) -> str:
        return fold(self.hosts)

    @property
    def count(self) -> int:
        return len(self.hosts)

    @property
    def silent(self) -> bool:
        return not self.streams and self.problem is None


def _groups(results: Mapping[str, HostResult]) -> list[_Group]:
    """What went wrong first, then by how many hosts are alike."""
    alike: dict[tuple[Any, ...], list[str]] = {}
    for name, result in results.items():
        output = result.output
        digests = (_digest(output.out), _digest(output.err)) if output is not None else ()
        alike.setdefault((_kind(result), word(result), result.problem, *notes(result), *digests), []).append(name)
    ordered = sorted(alike.values(), key=lambda names: (_kind(results[names[0]]) == "ok", -len(names)))
    return [
        _group(f"g{number}", tuple(names), results[names[0]], few=len(ordered) <= 3)
        for number, names in enumerate(ordered, 1)
    ]


def _digest(output: StreamOutput) -> bytes:
    sha = hashlib.sha256()
    for piece in output.pieces():
        sha.update(piece)
    return sha.digest()


def _group(name: str, hosts: tuple[str, ...], result: HostResult, *, few: bool) -> _Group:
    output = result.output
    both = (("stdout", output.out), ("stderr", output.err)) if output is not None else ()
    heads = {stream: len(data.head(_OPEN_BYTES + 1)) for stream, data in both}
    tone, symbol = _TONES[_kind(result)]
    return _Group(
        name,
        hosts,
        word(result),
        tone,
        symbol,
        result.problem,
        tuple(notes(result)),
        tuple(_ReportStream(stream, data) for stream, data in both if heads[stream]),
        opened=(few or tone != "good") and sum(heads.values()) <= _OPEN_BYTES,
    )


# --- many jobs, and those to come ------------------------------------------------------------------------------------
def jobs_html(listed: Listed, now: float) -> Iterator[str]:
    """The jobs of a list, newest first.

    Args:
        now: Unix seconds.
    """
    counts = _counts(_of_job(row.summary) for row in listed.rows)
    bad = sum(count.number for count in counts if count.tone == "bad")
    total = "1 job" if len(listed.rows) == 1 else f"{len(listed.rows)} jobs"

    def rows() -> Iterator[dict[str, str]]:
        for row in listed.rows:
            job, kind = row.job, _of_job(row.summary)
            tone, symbol = _TONES[kind]
            text = command(job, None) if job.schedule is None else f"[{job.schedule}] {command(job, None)}"
            as_of = f" (as of {local(row.as_of)})" if row.as_of is not None else ""
            yield {
                "jid": job.jid,
                "started": local(job.start_time or None),
                "command": text,
                "target": job.target,
                "user": job.user,
                "word": kind,
                "tone": tone,
                "symbol": symbol,
                "outcome": (states(row.summary) or "no hosts") + as_of,
                "text": " ".join((text, job.target, job.user, job.jid, *job.metadata.values())),
            }

    return page(
        "jobs.html.j2",
        now,
        title=f"agentless: {total}",
        tone="bad" if bad else "good",
        verdict=f"{total}: {bad} went wrong" if bad else f"{total}: none went wrong",
        controller=os.uname().nodename,
        counts=counts,
        rows=rows,
    )


def _of_job(summary: Mapping[str, int]) -> str:
    """What a job counts as: the worst of its hosts' outcomes."""
    worst = ("failed", "lost", "unreachable", "not-started", "running", "pending")
    return next((kind for kind in worst if summary.get(kind)), "ok")


def fires_html(by_entry: Mapping[str, Upcoming], now: float) -> Iterator[str]:
    """The fires to come, of each entry on a line of time, and of all by time.

    Args:
        now: Unix seconds.
    """
    from agentless.report.schedule_tables import fires, in_zone

    every = [fire for upcoming in by_entry.values() for fire in upcoming.fires or ()]
    quarter = quarter_of(max((fire.at - now for fire in every), default=0.0))

    def lane(name: str, upcoming: Upcoming) -> dict[str, Any]:
        return {
            "name": name,
            "zone": upcoming.entry.timezone or "local",
            "runs_on": upcoming.entry.runs_on,
            "known": upcoming.fires is not None,
            "fires": [
                {
                    "at": percent(min(max((fire.at - now) / (4 * quarter), 0.0), 1.0)),
                    "tone": "none" if fire.reason else "good",
                    "when": in_zone(fire.at, fire.shift),
                    "skipped": fire.reason or "",
                }
                for fire in upcoming.fires or ()
            ],
        }

    skipped = sum(fire.reason is not None for fire in every)
    heading = "1 fire to come" if len(every) == 1 else f"{len(every)} fires to come"
    return page(
        "fires.html.j2",
        now,
        title="agentless: the schedule's next fires",
        verdict=f"{heading}, {skipped} of them to be skipped" if skipped else heading,
        controller=os.uname().nodename,
        ticks=ticks(quarter),
        entries=[lane(name, upcoming) for name, upcoming in by_entry.items()],
        fires=list(fires(by_entry, now).rows),
    )
