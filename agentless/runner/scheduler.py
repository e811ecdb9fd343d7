"""The controller's own evaluator: a foreground process that fires what `runs_on: controller`, or one look at it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from agentless.errors import AgentlessError, JobExists
from agentless.model.jid import JID
from agentless.model.job_spec import Delivery
from agentless.model.states import State
from agentless.model.times import local
from agentless.remote import evaluator
from agentless.runner.schedules import Schedules
from agentless.schedule.coming import offset
from agentless.schedule.schedule_file import Entry, Schedule
from agentless.values import dataclass

if TYPE_CHECKING:
    from agentless.runner.run import Run

__all__ = ["Scheduler"]

# The file is looked at again so often.
LOOK_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class _DueFire:
    entry: Entry
    jid: JID


class Scheduler:
    """Fires the controller's entries of one schedule file.

    What is due is noted on disk before it is fired, under a lock: of two schedulers, one fires it. Where that note is
    lost, the job cache has the fire's JID, which says its time and its entry, and makes no second job of it.

    Args:
        schedules: the verbs on the file.
        name: `USER@CONTROLLER`, for which splays are drawn.
        log: told what was fired and skipped and why, a line each.
        deliver: called after each fire that came to its end, to hand over what returners have not had.
        clock: Unix seconds.
    """

    def __init__(
        self,
        schedules: Schedules,
        name: str,
        *,
        log: Callable[[str], None],
        deliver: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._schedules = schedules
        self._name = name
        self._log = log
        self._deliver = deliver
        self._clock = clock
        self._threads: list[threading.Thread] = []
        self._runs: set[Run] = set()
        self._leaving = False
        self._busy: dict[str, int] = {}
        self._lock = threading.Lock()
        self._good: Schedule | None = None
        self._complaint = ""
        self._last_errors: dict[str, str] = {}

    def once(self) -> None:
        """Fire what is due now, and leave as soon as hosts have it: what they return comes home by a later contact.

        Raises:
            ScheduleError: the file is wrong; nothing was fired.
        """
        due, _ = self._look(self._schedules.file)
        for each in due:
            self._fire(each, detach=True)

    def serve(self, stop: threading.Event) -> None:
        """Fire until `stop`; what runs on hosts then goes on there.

        A file that becomes wrong is told, and the last good one holds.

        Raises:
            ScheduleError: the file is wrong at the start.
        """
        self._good = self._schedules.file
        mine = [entry.name for entry in self._good.entries.values() if entry.runs_on == "controller"]
        self._log(f"{self._good.file}: {len(mine)} entries run here: {', '.join(mine) or 'none'}")
        while not stop.is_set():
            schedule = self._current()
            try:
                due, look = self._look(schedule)
            except AgentlessError as error:
                self._log(f"error: {error.message}")
                stop.wait(LOOK_SECONDS)
                continue
            for each in due:
                thread = threading.Thread(target=self._fire, args=(each,), name=f"fire-{each.entry.name}")
                with self._lock:
                    self._busy[each.entry.name] = self._busy.get(each.entry.name, 0) + 1
                self._threads = [old for old in self._threads if old.is_alive()] + [thread]
                thread.start()
            stop.wait(max(0.05, min(LOOK_SECONDS, look - self._clock())))
        self._leave()

    def _leave(self) -> None:
        with self._lock:
            self._leaving = True
            runs = list(self._runs)
        for run in runs:
            run.close()
            self._log(f"{run.job.schedule}: {run.job.jid} goes on where it runs; agentless jobs wait {run.job.jid}")
        for thread in self._threads:
            thread.join()
        self._log("stopped")

    def _current(self) -> Schedule:
        assert self._good is not None
        try:
            self._good = self._schedules.file
            self._complaint = ""
        except AgentlessError as error:
            if error.message != self._complaint:
                self._complaint = error.message
                self._log(f"error: {error.message}; the schedule as it was before holds")
        return self._good

    def _look(self, schedule: Schedule) -> tuple[list[_DueFire], float]:
        """What is due, once that is on disk; and when to look again."""
        due = []
        look = float("inf")
        now = self._clock()
        with self._schedules.history.changing() as histories:
            for entry in schedule.entries.values():
                if entry.runs_on != "controller":
                    continue
                try:
                    outcome = self._evaluate(schedule, entry, histories.get(entry.name), now)
                except Exception as error:  # noqa: BLE001 -- whatever is wrong with one entry, the others fire
                    reason = f"{type(error).__name__}: {error}"
                    # Not at each look the same.
                    if self._last_errors.get(entry.name) != reason:
                        self._last_errors[entry.name] = reason
                        self._log(f"{entry.name}: error: {reason}")
                    continue
                self._last_errors.pop(entry.name, None)
                if outcome.history is None:
                    histories.pop(entry.name, None)
                else:
                    histories[entry.name] = outcome.history
                look = min(look, outcome.look)
                for skip in outcome.skips:
                    times = f" ({skip.count} times since {local(skip.first)})" if skip.count > 1 else ""
                    self._log(f"{entry.name}: skipped {local(skip.last)}: {skip.reason}{times}")
                due += [_DueFire(entry, JID(fire.jid)) for fire in outcome.fires]
        return due, look

    def _evaluate(self, schedule: Schedule, entry: Entry, before: Any, now: float) -> evaluator.Outcome:
        timing, zone = entry.timing, offset(schedule, entry)
        outcome = evaluator.evaluate(timing, before, now, self._name, zone)
        if outcome.fires and entry.jid_include:
            # It is a pure function: with what runs, which may cost a question to hosts, only where it matters.
            outcome = evaluator.evaluate(timing, before, now, self._name, zone, self._count(entry))
        return outcome

    def _count(self, entry: Entry) -> int:
        with self._lock:
            busy = self._busy.get(entry.name, 0)
        return busy or self._schedules.running(entry.name)

    def _fire(self, due: _DueFire, *, detach: bool = False) -> None:
        entry = due.entry
        try:
            if entry.function.startswith("jobs."):
                self._log(f"{entry.name}: {entry.function}: {self._schedules.perform(entry)}")
            else:
                self._send(due, detach=detach)
        except JobExists:
            self._log(f"{entry.name}: {due.jid} was fired already")
        except AgentlessError as error:
            self._log(f"{entry.name}: error: {error.message}")
        except Exception as error:  # noqa: BLE001 -- the fires beside it go on
            self._log(f"{entry.name}: error: {type(error).__name__}: {error}")
        finally:
            with self._lock:
                self._busy[entry.name] = max(0, self._busy.get(entry.name, 0) - 1)
        if not detach:
            self._deliver()

    def _send(self, due: _DueFire, *, detach: bool) -> None:
        entry = due.entry
        with self._schedules.prepare(entry, Delivery(detach, live=False), due.jid).send() as run:
            with self._lock:
                self._runs.add(run)
                if self._leaving:
                    run.close()
            self._log(f"{entry.name}: fired {run.job.jid} on {', '.join(run.job.hosts)}")
            try:
                for _ in run:
                    pass
                states = run.report().summary
            finally:
                with self._lock:
                    self._runs.discard(run)
        counts = ", ".join(f"{count} {state}" for state, count in states.items() if count)
        if detach or not states[State.RUNNING.value]:
            self._log(f"{entry.name}: {run.job.jid}: {counts}")
