"""`agentless jobs retry`: the same job once more, where it did not end well or never came."""

from __future__ import annotations

from agentless.cli.commands import option
from agentless.cli.invocation import Invocation
from agentless.cli.options import job_and_target, on_interrupt_option, verb
from agentless.cli.report_files import DIFF, GROUP, ReportOptions, report_options
from agentless.cli.word_types import DURATION
from agentless.errors import UsageError
from agentless.hostlist import fold
from agentless.model.job_spec import Delivery
from agentless.model.states import State

__all__ = ["retry"]


@verb(
    examples=[
        ("agentless jobs retry last", "send it again to those that failed, never got it, or were not reached"),
        ("agentless jobs retry 20260203040506070809 'web*' --unreachable", "of these, to those that were not reached"),
    ],
)
@job_and_target
@option("--failed", is_flag=True, help="Only to hosts that failed, are lost, or never got it.")
@option("--unreachable", is_flag=True, help="Only to hosts that were not reached.")
@option("--detach", is_flag=True, help="Leave as soon as every host has accepted it; prints the JID.")
@option("--wait", "seconds", type=DURATION, metavar="TIME", help="How long this command waits; the job goes on.")
@on_interrupt_option()
@GROUP
@DIFF
@report_options
def retry(
    invocation: Invocation,
    /,
    jid: str,
    target: str | None,
    failed: bool,
    unreachable: bool,
    detach: bool,
    seconds: float | None,
    on_interrupt: str | None,
    shown: ReportOptions,
) -> int:
    """Send the same job again to hosts where it failed, that never got it, or that were not reached.

    It has the script, environment, stdin, user, batches and metadata that it had, and a JID of its own. Hosts about
    which it is not known are asked first; one that still runs it, or may have it, is left alone.
    """
    from agentless.cli.attached import send

    screen, out = invocation.screen, invocation.out("text")
    if detach and seconds is not None:
        raise UsageError("--detach leaves at once: it does not go with --wait")
    show = shown.printers(invocation, detach=detach)
    live = None if out == "text" and not detach and screen.out_look.terminal else False
    how = Delivery(detach, seconds, live=live)
    again = invocation.fleet.retry(invocation.job(jid), target, failed=failed, unreachable=unreachable, how=how)
    for state, why in ((State.RUNNING, "still run it"), (State.PENDING, "have yet to get it")):
        names = [name for name in again.left_alone if again.report.results[name].state is state]
        if names:
            screen.say(f"left alone: {fold(names)}, which {why}")
    if again.unasked:
        screen.warn(f"left alone: {fold(again.unasked)}, which may have it and cannot be asked now")
    prepared = again.prepared
    if prepared is None:
        screen.say(f"job {again.report.job.jid}: there is no host to send it to again")
        if out not in ("text", "table"):
            show(again.report.job).end(again.report)
        return again.report.exit_code
    code = send(invocation, lambda fleet: prepared, show, on_interrupt=on_interrupt, detach=detach).exit_code
    return 3 if again.unasked and code in (0, 1) else code
