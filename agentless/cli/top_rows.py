"""The rows of `agentless top`: each job, and below it the hosts that say most; made from a snapshot, pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agentless.cli.snapshot import HostPart, JobPart, Snapshot
from agentless.model.jid import jid_time
from agentless.model.times import local
from agentless.report.printable import one_line
from agentless.report.tables import command
from agentless.values import dataclass

__all__ = ["HEADINGS", "TopRow", "age", "fires", "heading", "rows", "status", "widths"]

HEADINGS = ("JOB / HOST", "STATE", "SINCE", "LAST LINE")
# Of columns: the least of the first, the least and the most of STATE, all of SINCE, the least of LAST LINE.
_FIRST, _STATE, _STATE_MOST, _SINCE, _LAST = 14, 12, 26, 7, 23
# Of a column, for the space on both sides of it; of all, for the scroll bar.
_GAP, _BAR_OF_TABLE = 2, 2
# Of one job, in a view of all.
_HOSTS = 8
_BAR = 6
# Seconds for which a note is shown.
_NOTED = 15.0


@dataclass(frozen=True, slots=True)
class TopRow:
    """A row.

    Args:
        key: the same for the same job and host in every snapshot.
        jid: the job.
        host: None of the job's own row.
        cells: by heading.
        colour: of the state.
    """

    key: str
    jid: str
    host: str | None
    cells: tuple[str, str, str, str]
    colour: str


def widths(columns: int, shown: Sequence[TopRow]) -> tuple[int, ...]:
    """How wide each column is on a terminal of so many; 0 leaves one out: first SINCE, then LAST LINE.

    STATE has room for what it says, which LAST LINE says no more about.
    """
    wanted = max((len(row.cells[1]) for row in shown), default=0)
    state = min(max(wanted, _STATE), _STATE_MOST)
    room = columns - _BAR_OF_TABLE - _GAP * 2 - state
    since = _SINCE if room >= _FIRST + _SINCE + _LAST + 2 * _GAP else 0
    last = room >= _FIRST + _LAST + _GAP
    room -= (since + _GAP if since else 0) + (_GAP if last else 0)
    if not last:
        return max(room, 1), state, 0, 0
    # What is left over is shared.
    first = _FIRST + (room - _FIRST - _LAST) // 3
    first = min(max(first, 23), room - _LAST)
    return first, state, since, room - first


def age(seconds: float) -> str:
    """`12s`, `3m20s`, `2h05m`, `3d`."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m" if whole < 86400 else f"{whole // 86400}d"


def rows(snapshot: Snapshot, now: float, wanted: str = "") -> list[TopRow]:
    """The rows that have all words of `wanted` in JID, command, user, host or state; all where it is empty."""
    words = wanted.lower().split()
    return [row for part in snapshot.jobs for row in _job(part, now, words)]


def _job(part: JobPart, now: float, words: list[str]) -> Iterator[TopRow]:
    job = part.job
    about = f"{job.jid} {command(job)} {job.user} {job.schedule or ''} {job.target}".lower()
    left = [word for word in words if word not in about]
    hosts = [host for host in part.hosts if all(word in f"{host.host} {host.word}".lower() for word in left)]
    if left and not hosts:
        return
    shown = hosts if words else [host for host in hosts if host.colour != "green" or len(part.hosts) <= _HOSTS]
    began = jid_time(job.jid)
    name = one_line(f"{local(began)[11:19]} {command(job)}")
    colour = "red" if part.failed or part.unreachable else "yellow" if part.running or part.pending else "green"
    yield TopRow(job.jid, job.jid, None, (name, _state(part), age(now - began), _progress(part)), colour)
    for host in shown[:_HOSTS]:
        yield TopRow(f"{job.jid} {host.host}", job.jid, host.host, _host(host, now), host.colour)
    if len(shown) > _HOSTS:
        more = f"  … {len(shown) - _HOSTS} more hosts"
        yield TopRow(f"{job.jid} …", job.jid, None, (more, "", "", "enter shows all of it"), "")


def _state(part: JobPart) -> str:
    counts = {"ok": part.ok, "failed": part.failed, "unreachable": part.unreachable}
    counts |= {"running": part.running, "pending": part.pending}
    first = [f"{count} {name}" for name, count in counts.items() if count and name not in ("ok", "pending")]
    return ", ".join(first) or next((f"{count} {name}" for name, count in counts.items() if count), "")


def _progress(part: JobPart) -> str:
    total = part.ok + part.failed + part.running + part.pending + part.unreachable
    ended = part.ok + part.failed
    full = _BAR * ended // total if total else 0
    job = part.job
    pending = f", {part.pending} pending" if part.pending else ""
    if pending and job.batch:
        # As the run that sends it counts.
        pending += f" (batch {-(-(total - part.pending) // job.batch)} of {-(-total // job.batch)})"
    origin = f" by schedule {job.schedule}" if job.schedule else f" by {job.user}" if job.user else ""
    return one_line(f"{'━' * full}{'╌' * (_BAR - full)} {ended}/{total}{pending}{origin}")


def _host(host: HostPart, now: float) -> tuple[str, str, str, str]:
    since = age(host.seconds) if host.seconds is not None else age(now - host.since) if host.since else ""
    return f"  {one_line(host.host)}", one_line(host.word), since, one_line(host.last_line)


def heading(snapshot: Snapshot, now: float, target: str | None) -> str:
    """The first line: what runs, and how much of the fleet has answered."""
    running = sum(bool(part.running or part.pending) for part in snapshot.jobs)
    parts = [f"agentless top{f' {target}' if target else ''}", f"{running} running"]
    if snapshot.hosts is not None:
        so_far = "" if snapshot.asked >= snapshot.hosts else f", {snapshot.asked} asked"
        parts.append(f"{snapshot.hosts} {'host' if snapshot.hosts == 1 else 'hosts'}{so_far}")
    if snapshot.problems:
        parts.append(f"{len(snapshot.problems)} not reached")
    return one_line(" · ".join([*parts, local(now)[11:19]]))


def fires(snapshot: Snapshot, now: float) -> str:
    """The fires to come, on one line."""
    coming = [f"{local(fire.at)[11:16]} {fire.entry} (in {age(fire.at - now)})" for fire in snapshot.fires]
    return one_line("next: " + " · ".join(coming)) if coming else ""


def status(snapshot: Snapshot, now: float) -> str:
    """What else there is to say: the newest note, for a while, else the first host that is out of reach."""
    if snapshot.notes and now - snapshot.notes[-1].at < _NOTED:
        return one_line(snapshot.notes[-1].text)
    for host, why in snapshot.problems.items():
        return one_line(f"{host}: {why}")
    return ""
