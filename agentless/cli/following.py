"""A run on its way to the screen: events to a printer, waiting to the progress line, interruption to a choice.

An interruption never loses work silently: whatever is chosen, the JID and the next command to type are said.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agentless.cli.call import Call
from agentless.cli.interrupts import Interrupted, Interrupts
from agentless.cli.printers import Printer
from agentless.cli.screen import ReaderGone
from agentless.job import Report, State
from agentless.progress import Progress
from agentless.report.names import fold
from agentless.runner.run import Event, Output, Run

if TYPE_CHECKING:
    from agentless.fleet import Fleet

__all__ = ["ON_INTERRUPT", "Following", "follow"]

ON_INTERRUPT = ("ask", "detach", "term", "kill")
# What a job is given to end after it was signalled, before this command leaves all the same.
_GRACE = 10.0
_AGAIN = 2.0
_CHOICES = {
    "detach": "leave the job running on the hosts",
    "term": "send it SIGTERM, which lets it clean up",
    "kill": "send it SIGKILL",
}


@dataclass(slots=True)
class Following:
    """One run, followed to its end or to the point where the person leaves it.

    Args:
        call: screen and options.
        run: the events.
        printer: what shows them.
        on_interrupt: `ask`, `detach`, `term` or `kill`; None where the command only watches a job, and leaving it is
            all that an interruption can mean.
        given: whether the person asked for `on_interrupt`.
        batched: hosts wait for others to finish.
        only: the one host of the job that this is about.
    """

    call: Call
    run: Run
    printer: Printer
    interrupts: Interrupts
    on_interrupt: str | None = None
    given: bool = False
    batched: bool = False
    only: str | None = None

    def to_the_end(self) -> Report:
        """Show everything; returns the report that decides about the exit code."""
        try:
            self._iterate()
            report = self.run.report()
        except Interrupted as interruption:
            report = self._interrupted(interruption)
        if self.only is not None:
            report = replace(report, results={self.only: report.results[self.only]})
        try:
            with self.interrupts.held():
                self.printer.end(report)
        finally:
            # Below the results, where the eye is; also when their reader is gone or does not read.
            if report.interrupted and self.on_interrupt is not None:
                self._say_what_goes_on(report)
        return report

    def _iterate(self) -> None:
        with self.call.screen.progress(self.run.waiting_for, len(self.run.job.hosts)) as progress:
            try:
                for event in self.run:
                    with self.interrupts.held():
                        self._show(event, progress)
            except ReaderGone:
                # The reader has had enough (`| head`); hosts that were not reached yet shall get the job all the same.
                self._dispatch_all()
                raise

    def _show(self, event: Event, progress: Progress | None) -> None:
        if isinstance(event, Output):
            if progress is not None and self.call.screen.out_look.terminal:
                progress.pause(True)
            self.printer.output(event.host, event.stream, event.data, event.dropped)
            return
        host, result = event.host, event.result
        if result.settled:
            self.printer.done(host, result)
        elif result.problem is not None:
            self.call.screen.detail(
                f"agentless: {host}: {result.state.value}: {result.problem.kind}: {result.problem.message}"
            )

    def _dispatch_all(self) -> None:
        if self.batched:
            self.run.stop_dispatching("interrupted")
        while self.run.report().summary[State.PENDING.value]:
            if next(iter(self.run), None) is None:
                return

    # --- interruption ---
    def _interrupted(self, interruption: Interrupted) -> Report:
        screen, jid = self.call.screen, self.run.job.jid
        if self.on_interrupt is None:
            screen.say(f"\nagentless: no longer watching; job {jid} goes on")
            return self.run.report(interrupted=True)
        action = self._choose(self.on_interrupt, interruption)
        try:
            with self.interrupts.held():
                self.run.stop_dispatching("interrupted")
            if action in ("term", "kill"):
                self._signal(action)
        except Interrupted:
            screen.say(f"agentless: leaving job {jid} as it is")
        return self.run.report(interrupted=True)

    def _choose(self, wanted: str, interruption: Interrupted) -> str:
        if interruption.number == signal.SIGHUP:
            # The terminal or the connection to it is gone: exactly what jobs are detached for.
            return wanted if self.given and wanted != "ask" else "detach"
        if wanted != "ask":
            return wanted
        if interruption.number != signal.SIGINT or not self.call.screen.can_ask():
            return "term"
        screen = self.call.screen
        screen.say(f"\njob {self.run.job.jid} is on {len(self.run.waiting_for())} of {len(self.run.job.hosts)} hosts")
        try:
            return screen.question("[d]etach and leave it running, [t]erm, or [k]ill it? (d)", _CHOICES, "detach")
        except Interrupted:
            return "detach"

    def _signal(self, action: str) -> None:
        """Signal the job, and wait for its returns for a while; hosts that start it only now are signalled again."""
        jid, fleet = self.run.job.jid, self.call.fleet
        reached: set[str] = set()
        target: str | None = None
        self.call.screen.say(f"agentless: sending {action.upper()} to job {jid}")
        for seconds in (_AGAIN, _AGAIN, _GRACE - 2 * _AGAIN):
            signalled = (fleet.term_job if action == "term" else fleet.kill_job)(jid, target)
            reached |= {host for host, answer in signalled.hosts.items() if answer.delivered}
            if self._iterate_for(seconds):
                return
            results = self.run.report().results
            late = [
                host for host in self.run.waiting_for() if results[host].state is State.RUNNING and host not in reached
            ]
            if not late:
                self._iterate_for(_GRACE - seconds)
                return
            target = ",".join(late)

    def _iterate_for(self, seconds: float) -> bool:
        """Whether the run ended within that time."""
        try:
            with self.interrupts.alarm(seconds):
                self._iterate()
        except Interrupted as over:
            if over.number != signal.SIGALRM:
                raise
            return False
        return True

    def _say_what_goes_on(self, report: Report) -> None:
        screen, jid = self.call.screen, report.job.jid
        running = [host for host, result in report.results.items() if not result.settled]
        if not running:
            screen.error(f"interrupted; job {jid} has ended")
            return
        screen.error(
            f"interrupted; job {jid} goes on on {fold(running)}",
            f"agentless jobs wait {jid}    waits for it\nagentless kill-job {jid}     ends it",
        )


@contextmanager
def follow(
    call: Call,
    start: Callable[[Fleet], Run],
    printer: Callable[[Run], Printer],
    *,
    on_interrupt: str | None = None,
    given: bool = False,
    batched: bool = False,
    only: str | None = None,
) -> Iterator[Following]:
    """Start a run and let go of it in the end, with signals caught from before it exists."""
    fleet = call.fleet
    with Interrupts() as interrupts:
        run = None
        try:
            with interrupts.held():
                run = start(fleet)
            yield Following(call, run, printer(run), interrupts, on_interrupt, given, batched, only)
        except ReaderGone as gone:
            if run is not None and not all(result.settled for result in run.report().results.values()):
                jid = run.job.jid
                why = gone.reason or "nobody reads stdout any more"
                call.screen.error(f"{why}; job {jid} goes on", f"agentless jobs wait {jid}")
            raise
        finally:
            if run is not None:
                run.close()
