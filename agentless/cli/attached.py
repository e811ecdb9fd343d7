"""Following a job on the screen: its events go to a printer, and Ctrl-C lets the person choose what becomes of it.

However a person leaves a job, the JID and the next command to type are printed.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from agentless.cli.interrupts import Interrupted
from agentless.cli.invocation import Invocation
from agentless.cli.printers import Printer
from agentless.cli.progress import Progress
from agentless.cli.screen import ReaderGone, Screen
from agentless.errors import AgentlessError
from agentless.hostlist import fold
from agentless.model.answers import Output
from agentless.model.job import Job, Report
from agentless.model.states import Dispatched, State
from agentless.report.spelling import as_typed
from agentless.report.text import heading
from agentless.values import dataclass

# The runner is imported when there is something to follow: help is not to wait for it.
if TYPE_CHECKING:
    from agentless.fleet import Fleet
    from agentless.runner.dispatcher import PreparedJob
    from agentless.runner.run import Event, Run
    from agentless.runner.sender import HandedOver

__all__ = ["Attachment", "follow", "send"]

_NOTHING_SENT = "interrupted; nothing was sent"
# What a job is given to end after it was signalled, before this command leaves all the same.
_GRACE = 10.0
_AGAIN = 2.0
_CHOICES = {
    "detach": "leave the job running on the hosts",
    "term": "send it SIGTERM, which lets it clean up",
    "kill": "send it SIGKILL",
}


@dataclass(slots=True)
class Attachment:
    """A run that this command follows, to its end or until the person leaves it.

    Args:
        invocation: the screen, and the options of the command line.
        run: the run; iterating over it gives its events.
        printer: shows the events.
        on_interrupt: what a signal such as Ctrl-C does to the job: `ask`, `detach`, `term` or `kill`. None where the
            command only watches a job that was sent before: a signal then ends only the command.
        given: whether `on_interrupt` was given on the command line.
        batched: whether the job was sent with `--batch`, so that later hosts get it only when earlier ones have ended.
    """

    invocation: Invocation
    run: Run
    printer: Printer
    on_interrupt: str | None = None
    given: bool = False
    batched: bool = False

    def to_the_end(self, early: Interrupted | None = None) -> Report:
        """Show all events; return the report, whose exit code is the command's.

        Args:
            early: the interruption that came while the job was being sent; None where none came.
        """
        try:
            if early is not None:
                raise early
            self._iterate()
            report = self.run.report()
        except Interrupted as interruption:
            try:
                report = self._interrupted(interruption)
            except Interrupted:
                # A second one, in a moment in which nothing waits for it.
                report = self.run.report(interrupted=True)
        try:
            report = _end(self.invocation, self.printer, report)
        finally:
            # Below the results, where the eye is; also when their reader is gone or does not read.
            if report.interrupted and self.on_interrupt is not None:
                _say_what_goes_on(self.invocation.screen, report)
        return report

    def _iterate(self) -> None:
        with self.invocation.screen.progress(
            self.run.waiting_for, len(self.run.job.hosts), self.run.standing
        ) as progress:
            try:
                for event in self.run:
                    with self.invocation.interrupts.held():
                        self._show(event, progress)
            except ReaderGone:
                # The reader has had enough (`| head`); hosts that were not reached yet shall get the job all the same.
                self._dispatch_all()
                raise

    def _show(self, event: Event, progress: Progress | None) -> None:
        if isinstance(event, Output):
            if progress is not None and self.invocation.screen.out_look.terminal and not self.printer.whole_lines:
                progress.pause(True)
            self.printer.output(event.host, event.stream, event.data, event.dropped)
            return
        host, result = event.host, event.result
        self.invocation.step(heading(host, result))
        if result.settled:
            self.printer.done(host, result)
        elif result.problem is not None:
            self.invocation.screen.detail(
                f"agentless: {host}: {result.state.value}: {result.problem.kind}: {as_typed(result.problem.message)}"
            )

    def _dispatch_all(self) -> None:
        if self.batched:
            self.run.stop_dispatching("interrupted")
        self._reach_the_rest()

    def _reach_the_rest(self) -> None:
        """Wait until each host has the job, or has not got it: none is left in between."""
        while self.run.dispatching:
            if next(iter(self.run), None) is None:
                return

    # --- interruption ---
    def _interrupted(self, interruption: Interrupted) -> Report:
        screen, jid = self.invocation.screen, self.run.job.jid
        if self.on_interrupt is None:
            screen.below_the_echo()
            screen.say(f"agentless: no longer watching; job {jid} goes on")
            return self.run.report(interrupted=True)
        action = self._choose(self.on_interrupt, interruption)
        try:
            with self.invocation.interrupts.held():
                self.run.stop_dispatching("interrupted")
            if action == "detach":
                self._reach_the_rest()
            else:
                self._signal(action)
        except Interrupted:
            screen.say(f"agentless: leaving job {jid} as it is")
        except AgentlessError as error:
            screen.error(f"job {jid} could not be told: {error.message}", error.hint)
        return self.run.report(interrupted=True)

    def _choose(self, wanted: str, interruption: Interrupted) -> str:
        if interruption.number in (signal.SIGHUP, signal.SIGQUIT):
            # The terminal is gone, which is what jobs are detached for; who types Ctrl-\ wants out with no question.
            return wanted if self.given and wanted != "ask" else "detach"
        if wanted != "ask":
            return wanted
        if interruption.number != signal.SIGINT or not self.invocation.screen.can_ask():
            return "term"
        screen = self.invocation.screen
        results = self.run.report().results
        on = [host for host in self.run.waiting_for() if results[host].state is not State.PENDING]
        if not on and screen.prompts.refused:
            # Who is asked for a passphrase, and types Ctrl-C, wants no job.
            return "term"
        screen.below_the_echo()
        screen.say(f"job {self.run.job.jid} is on {len(on)} of {len(results)} hosts")
        try:
            return screen.question("[d]etach and leave it running, [t]erm, or [k]ill it? (d)", _CHOICES, "detach")
        except Interrupted:
            return "detach"

    def _signal(self, action: str) -> None:
        """Signal the job, and wait for its returns for a while; hosts that start it only now are signalled again."""
        jid, fleet = self.run.job.jid, self.invocation.fleet
        reached: set[str] = set()
        late: list[str] | None = None
        self.invocation.screen.say(f"agentless: sending {action.upper()} to job {jid}")
        for _ in range(round(_GRACE / _AGAIN)):
            if late is None or late:
                target = None if late is None else ",".join(late)
                signalled = (fleet.term_job if action == "term" else fleet.kill_job)(jid, target)
                reached |= {host for host, answer in signalled.hosts.items() if answer.delivered}
            if self._iterate_for(_AGAIN):
                return
            # Also one that had said nothing when others were signalled: it may have had the request, and begin it now.
            results = self.run.report().results
            late = [
                host for host in self.run.waiting_for() if results[host].state is State.RUNNING and host not in reached
            ]

    def _iterate_for(self, seconds: float) -> bool:
        """Whether the run ended within that time."""
        try:
            with self.invocation.interrupts.alarm(seconds):
                self._iterate()
        except Interrupted as over:
            if over.number != signal.SIGALRM:
                raise
            return False
        return True


def follow(
    invocation: Invocation,
    start: Callable[[Fleet], Run | PreparedJob],
    printer: Callable[[Job], Printer],
    *,
    jid: str | None = None,
    on_interrupt: str | None = None,
    given: bool = False,
    batched: bool = False,
    target: str | None = None,
    announced: bool = False,
) -> Report:
    """Start a run, show it to its end or until the person leaves it, and close it.

    Args:
        invocation: the screen, and the options of the command line.
        start: called with the fleet. Gives a `PreparedJob`, which is sent here, or the `Run` of a job that was sent
            before. An interruption before `start` has returned leaves no job behind; a later one can name the job.
        printer: called with the job; gives what shows it.
        jid: the job that is only watched; None where a new one is sent.
        on_interrupt, given, batched: as for `Attachment`.
        announced: name a job before it is sent, where nobody sits at a terminal.
        target: a pattern; only these of the job's hosts are watched.

    Raises:
        Interrupted: a signal came before there was a job.
        ReaderGone: nobody reads stdout any more.
    """
    from agentless.runner.dispatcher import PreparedJob

    run: Run | None = None
    sent: list[Job] = []

    def begun(job: Job) -> None:
        """The job is in the cache, and no packet has left: from here on its name is all that must not be lost."""
        sent.append(job)
        if announced and not invocation.screen.err_look.terminal:
            repeats = f", as a retry of job {job.retry_of}" if job.retry_of else ""
            count = "1 host" if len(job.hosts) == 1 else f"{len(job.hosts)} hosts"
            invocation.screen.say(f"job {job.jid}: sending it to {count}{repeats}")

    try:
        early = None
        try:
            made = start(invocation.fleet)
            if isinstance(made, PreparedJob):
                made.meet()
                with invocation.interrupts.held():
                    run = made.send(begun)
            else:
                run = made
        except Interrupted as interruption:
            if run is None:
                if jid is not None:
                    return _known(invocation, interruption, printer, jid, target)
                if sent:
                    # A second signal, in the moment in which the first one waited for the run.
                    return _known(invocation, interruption, printer, sent[0].jid, None, sent=True)
                raise Interrupted(interruption.number, _NOTHING_SENT) from None
            early = interruption
        attachment = Attachment(invocation, run, printer(run.job), on_interrupt, given, batched)
        return attachment.to_the_end(early)
    except ReaderGone as gone:
        if run is not None and not all(result.settled for result in run.report().results.values()):
            why = gone.reason or "nobody reads stdout any more"
            invocation.screen.error(f"{why}; job {run.job.jid} goes on", f"agentless jobs wait {run.job.jid}")
        raise
    finally:
        if run is not None:
            run.close()


def send(
    invocation: Invocation,
    prepare: Callable[[Fleet], PreparedJob],
    printer: Callable[[Job], Printer],
    *,
    on_interrupt: str | None,
    detach: bool,
) -> Report:
    """Send a job and follow it; one whose later batches a process of this controller sends is handed over to that.

    Args:
        prepare: called with the fleet; an interruption before it has returned leaves no job behind.
        on_interrupt: as it was given on the command line; None where it was not.
        detach: the JID is the result, and is not announced.
    """
    try:
        prepared = prepare(invocation.fleet)
    except Interrupted as interruption:
        raise Interrupted(interruption.number, _NOTHING_SENT) from None
    if prepared.in_detached_batches:
        return _hand_over(invocation, prepared, printer, on_interrupt or "detach")
    return follow(
        invocation,
        lambda fleet: prepared,
        printer,
        on_interrupt=on_interrupt or "ask",
        given=on_interrupt is not None,
        batched=prepared.rollout.batch is not None,
        announced=not detach,
    )


def _hand_over(
    invocation: Invocation, prepared: PreparedJob, printer: Callable[[Job], Printer], on_interrupt: str
) -> Report:
    """Have a process of this controller's own send a job in batches; wait until the first one has it.

    Args:
        on_interrupt: what a signal in that time does to the job: `term`, `kill`, else it goes on.
    """
    handed: HandedOver | None = None
    try:
        try:
            prepared.meet()
            with invocation.interrupts.held():
                handed = invocation.fleet.hand_over(prepared)
            handed.first_batch()
            report = handed.report()
        except Interrupted as interruption:
            if handed is None:
                raise Interrupted(interruption.number, _NOTHING_SENT) from None
            if on_interrupt in ("term", "kill"):
                fleet, jid = invocation.fleet, handed.job.jid
                (fleet.term_job if on_interrupt == "term" else fleet.kill_job)(jid)
            report = handed.report(interrupted=True)
        report = _end(invocation, printer(report.job), report)
        jid, pending = report.job.jid, report.summary[State.PENDING.value]
        if report.interrupted:
            _say_what_goes_on(invocation.screen, report)
        elif pending:
            invocation.screen.say(
                f"{len(report.results) - pending} of {len(report.results)} hosts have it; the others get it in their "
                f"batches. How far it is: agentless jobs active. To end it: agentless kill-job {jid}"
            )
        return report
    finally:
        if handed is not None:
            handed.close()


def _known(
    invocation: Invocation,
    interruption: Interrupted,
    printer: Callable[[Job], Printer],
    jid: str,
    target: str | None,
    *,
    sent: bool = False,
) -> Report:
    """Show what the cache has of a job: a signal came before it could be followed, or (`sent`) while it was sent."""
    screen = invocation.screen
    try:
        with invocation.interrupts.held():
            report = replace(invocation.fleet.show(jid, target), interrupted=True)
            if report.open_hosts and not sent:
                screen.below_the_echo()
                screen.say(f"agentless: no longer watching; job {report.job.jid} goes on")
            report = _end(invocation, printer(report.job), report)
            if sent:
                _say_what_goes_on(screen, report)
            return report
    except (AgentlessError, Interrupted):
        if sent:
            message = f"interrupted; to see job {jid}: agentless jobs wait {jid}"
            raise Interrupted(interruption.number, message) from None
        # Not known here, and nobody had answered yet.
        raise interruption from None


def _say_what_goes_on(screen: Screen, report: Report) -> None:
    jid = report.job.jid
    left: dict[str, list[str]] = {}
    for host, result in report.results.items():
        if result.settled:
            continue
        if result.state is State.PENDING:
            what = "was on its way to"
        else:
            what = "may have reached" if result.dispatched is Dispatched.MAYBE else "goes on on"
        left.setdefault(what, []).append(host)
    facts = [f"{what} {fold(hosts)}" for what, hosts in left.items()]
    if not facts:
        screen.error(f"interrupted; job {jid} has ended")
        return
    screen.error(
        f"interrupted; job {jid} {' and '.join(facts)}",
        f"agentless jobs wait {jid}    waits for it\nagentless kill-job {jid}     ends it",
    )


def _end(invocation: Invocation, printer: Printer, report: Report) -> Report:
    with invocation.interrupts.held():
        printer.end(report)
    return report
