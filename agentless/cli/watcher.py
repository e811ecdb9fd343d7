"""The threads behind `agentless top`, which keep what is known of the fleet's jobs up to date; nobody waits for them.

One thread reads the job cache, which is quick; others ask hosts, those that did not answer apart from the others and
seldom; each job that runs on few hosts has one that follows its output. `snapshot` only reads.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from agentless.cli.snapshot import (
    LINE,
    ComingFire,
    JobPart,
    Note,
    Snapshot,
    foreign_parts,
    job_part,
    last_line,
    last_line_of,
)
from agentless.errors import AgentlessError, TargetError
from agentless.model.answers import Output
from agentless.model.job import Job, JobRow, Report
from agentless.model.states import State

if TYPE_CHECKING:
    from agentless.fleet import Fleet
    from agentless.runner.run import Run

__all__ = ["Watcher"]

# Jobs that ended longer ago are for `jobs list`.
_RECENT = 15 * 60.0
_JOBS_MAX = 50
# Into how many parts the fleet is divided at first, and how many of them are asked at once.
_PARTS = 32
_AT_ONCE = 6
_CACHE_EVERY, _LOOK_EVERY, _SLOW_EVERY, _SCHEDULE_EVERY = 1.0, 3.0, 20.0, 20.0
# Of a job on more hosts, the output is followed when somebody asks for it.
_FOLLOWED_HOSTS = 50
_FOLLOWED_JOBS = 12
_FIRES = 3


class Watcher:
    """Keeps a snapshot of a fleet's jobs.

    Args:
        fleet: whose public methods are called, from threads.
        target: only jobs and parts of jobs on these hosts; None is all.
    """

    def __init__(self, fleet: Fleet, target: str | None = None) -> None:
        self._fleet = fleet
        self.target = target
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._room = threading.Semaphore(_AT_ONCE)
        self._threads: list[threading.Thread] = []
        self._hosts: tuple[str, ...] | None = None
        self._asked: set[str] = set()
        self._problems: dict[str, str] = {}
        self._rows: dict[str, JobRow] = {}
        self._reports: dict[str, Report] = {}
        # What each host that answered runs, and of which jobs nothing could be learned from a host.
        self._running: dict[str, dict[str, Job]] = {}
        self._silent: dict[str, frozenset[str]] = {}
        self._seen: set[tuple[str, str]] = set()
        self._last_lines: dict[tuple[str, str], str] = {}
        # Hosts whose last line is that of the record; jobs that are over, as they are shown.
        self._recorded: set[tuple[str, str]] = set()
        self._over: dict[str, tuple[Report, JobPart]] = {}
        self._runs: dict[str, Run] = {}
        self._followed: dict[str, float] = {}
        self._fires: tuple[ComingFire, ...] = ()
        self._notes: list[Note] = []

    def start(self) -> None:
        """Begin; `close` ends it."""
        self._spawn("cache", self._every(_CACHE_EVERY, self._read_cache))
        self._spawn("look", self._look)
        self._spawn("schedule", self._every(_SCHEDULE_EVERY, self._read_schedule))

    def close(self, seconds: float = 0.5) -> None:
        """End all threads; calls that are under way are left after these seconds, and what they bring is dropped."""
        if self._stop.is_set():
            return
        self._stop.set()
        with self._lock:
            runs = list(self._runs.values())
        for run in runs:
            run.close()
        until = time.monotonic() + seconds
        for thread in list(self._threads):
            thread.join(max(0.0, until - time.monotonic()))

    def note(self, line: str) -> None:
        """Something to be shown to the person."""
        with self._lock:
            self._notes = [*self._notes[-20:], Note(time.time(), line)]

    def job(self, jid: str) -> JobPart | None:
        """One job as it is known now."""
        return next((part for part in self.snapshot().jobs if part.job.jid == jid), None)

    # --- the reader's side ---
    def snapshot(self) -> Snapshot:
        """What is known now; it waits for nobody."""
        with self._lock:
            parts = [self._kept(report) for report in self._reports.values()]
            parts += foreign_parts(self._running, self._reports)
            parts.sort(key=lambda part: part.job.jid, reverse=True)
            return Snapshot(
                tuple(parts[:_JOBS_MAX]),
                self._fires,
                None if self._hosts is None else len(self._hosts),
                len(self._asked),
                dict(self._problems),
                tuple(self._notes),
            )

    def _kept(self, report: Report) -> JobPart:
        """What is over is made once: a screen with fifty jobs on a thousand hosts is drawn twice a second."""
        jid = report.job.jid
        known, part = self._over.get(jid, (None, None))
        if part is None or known is not report:
            part = self._part(report)
            if not part.running and not part.pending and not part.unreachable:
                self._over[jid] = (report, part)
        return part

    def _part(self, report: Report) -> JobPart:
        jid = report.job.jid
        silent = {name for name in report.results if jid in self._silent.get(name, ())}
        seen = {name for name in report.results if (jid, name) in self._seen}
        last_lines = {name: self._last_lines.get((jid, name), "") for name in report.results}
        return job_part(report, silent, seen, last_lines)

    # --- the threads ---
    def _spawn(self, name: str, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=self._guarded, args=(work,), name=f"top-{name}", daemon=True)
        with self._lock:
            self._threads = [each for each in self._threads if each.is_alive()] + [thread]
        thread.start()

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except AgentlessError as error:
            if not self._stop.is_set():
                self.note(error.message)
        except Exception as error:  # noqa: BLE001  a defect is told, and the view goes on
            if not self._stop.is_set():
                self.note(f"{type(error).__name__}: {error}")

    def _every(self, seconds: float, work: Callable[[], None]) -> Callable[[], None]:
        def loop() -> None:
            while not self._stop.is_set():
                begun = time.monotonic()
                self._guarded(work)
                # What takes long (a cache of ten thousand jobs) is done the less often.
                self._stop.wait(max(seconds, 4 * (time.monotonic() - begun)))

        return loop

    def _read_cache(self) -> None:
        """Jobs that are not over or were lately: those of which something was learned are read again."""
        now = time.time()
        rows: dict[str, JobRow] = {}
        for row in self._fleet.list_jobs(limit=4 * _JOBS_MAX).rows:
            counts = row.summary
            open_ = counts["pending"] or counts["running"] or counts["unreachable"]
            if (open_ and now - row.job.start_time < 7 * 86400) or now - row.last_event < _RECENT:
                rows[row.job.jid] = row
        reports: dict[str, Report] = {}
        for jid, row in list(rows.items())[:_JOBS_MAX]:
            if self._stop.is_set():
                return
            if self._rows.get(jid) == row and jid in self._reports:
                reports[jid] = self._reports[jid]
                continue
            try:
                reports[jid] = self._fleet.show(jid, self.target)
            except TargetError:
                # It was sent to other hosts.
                continue
        last_lines = {
            (jid, name): last_line_of(result)
            for jid, report in reports.items()
            if self._rows.get(jid) != rows[jid]
            for name, result in report.results.items()
            if result.state.final and (jid, name) not in self._recorded
        }
        with self._lock:
            self._rows = rows
            self._reports = reports
            self._recorded.update(last_lines)
            self._last_lines.update({place: line for place, line in last_lines.items() if line})
            self._forget(reports)
        self._follow_some(reports)

    def _forget(self, reports: Mapping[str, Report]) -> None:
        """Of jobs that are not shown any more nothing is kept: the view may stand open for weeks."""
        if not any(jid not in reports for jid in self._over):
            return
        running = {jid for jobs in self._running.values() for jid in jobs}
        for places in (self._recorded, self._seen):
            places.difference_update([place for place in places if place[0] not in reports and place[0] not in running])
        self._last_lines = {place: line for place, line in self._last_lines.items() if place[0] in reports}
        self._over = {jid: kept for jid, kept in self._over.items() if jid in reports}
        self._followed = {jid: at for jid, at in self._followed.items() if jid in reports}

    def _read_schedule(self) -> None:
        try:
            coming = self._fleet.schedule().coming(count=_FIRES)
        except AgentlessError:
            # No schedule, or one that `schedule list` says more about.
            coming = {}
        fires = [
            ComingFire(float(fire.at), name, each.entry.target or "")
            for name, each in coming.items()
            for fire in each.fires or ()
        ]
        with self._lock:
            self._fires = tuple(sorted(fires, key=lambda fire: fire.at)[:_FIRES])

    def _look(self) -> None:
        """Ask hosts what runs: those that answer often, the others seldom."""
        names = tuple(self._fleet.endpoints(self.target))
        with self._lock:
            self._hosts = names
        # At first in many parts, so that a host that does not answer holds up few.
        size = -(-len(names) // _PARTS)
        for number, begin in enumerate(range(0, len(names), size)):
            self._spawn(f"look-{number}", partial(self._ask, names[begin : begin + size]))
        self._spawn("slow", self._every(_SLOW_EVERY, lambda: self._ask(list(self._problems))))
        self._every(_LOOK_EVERY, self._look_again)()

    def _look_again(self) -> None:
        self._ask([name for name in self._hosts or () if name in self._asked and name not in self._problems])

    def _ask(self, names: Sequence[str]) -> None:
        if not names or self._stop.is_set():
            return
        with self._room:
            active = self._fleet.active(",".join(names))
        with self._lock:
            self._asked.update(names)
            for name in names:
                self._problems.pop(name, None)
            self._problems.update(
                {
                    name: f"{problem.kind}: {problem.message}"
                    for name, problem in active.problems.items()
                    if name in names
                }
            )
            for name in names:
                self._running[name] = {jid: one.job for jid, one in active.jobs.items() if name in one.running}
                self._silent[name] = frozenset(jid for jid, one in active.jobs.items() if name in one.unreachable)
                self._seen.update((jid, name) for jid in self._running[name])
                self._seen.difference_update((jid, name) for jid in self._silent[name])

    # --- output ---
    def _follow_some(self, reports: Mapping[str, Report]) -> None:
        now = time.monotonic()
        for jid, report in reports.items():
            running = [name for name, result in report.results.items() if result.state is State.RUNNING]
            with self._lock:
                due = now - self._followed.get(jid, -60.0) > 5.0
                if not running or len(running) > _FOLLOWED_HOSTS or jid in self._runs or not due:
                    continue
                if len(self._runs) >= _FOLLOWED_JOBS or self._stop.is_set():
                    return
                self._followed[jid] = now
            self._spawn(f"follow-{jid}", partial(self._follow, jid))

    def _follow(self, jid: str) -> None:
        with self._fleet.tail(jid, self.target, follow=True) as run:
            with self._lock:
                if jid in self._runs or self._stop.is_set():
                    return
                self._runs[jid] = run
            begun: dict[tuple[str, int], bytes] = {}
            try:
                for event in run:
                    if self._stop.is_set():
                        return
                    if isinstance(event, Output):
                        place = (event.host, event.stream)
                        text = begun.get(place, b"") + event.data
                        begun[place] = text[-LINE:].rpartition(b"\n")[2]
                        if line := last_line(text):
                            with self._lock:
                                self._last_lines[jid, event.host] = line
                                self._seen.add((jid, event.host))
                    elif event.result.state is State.RUNNING:
                        with self._lock:
                            self._seen.add((jid, event.host))
            finally:
                with self._lock:
                    self._runs.pop(jid, None)
                    self._followed[jid] = time.monotonic()
