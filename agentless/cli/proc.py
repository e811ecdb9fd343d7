"""The proc system, in Salt's words: `running`, `find-job`, `signal-job`, `term-job`, `kill-job`."""

from __future__ import annotations

from collections.abc import Mapping

import click

from agentless.cli.call import Call
from agentless.cli.commands import Command
from agentless.cli.completion import complete_signal, complete_target
from agentless.cli.options import shared_options
from agentless.cli.rows import FORMATS, show
from agentless.cli.words import JID
from agentless.job import Problem
from agentless.report import tables
from agentless.report.printable import one_line
from agentless.results import Signalled

__all__ = ["find_job", "kill_job", "running", "signal_job", "tell_problems", "term_job"]


def tell_problems(call: Call, out: str, problems: Mapping[str, Problem]) -> None:
    """Who could not be asked, with the hint; the documents say it themselves."""
    hints = dict.fromkeys(problem.hint for problem in problems.values() if problem.hint)
    if out in ("table", "text"):
        for hint in hints:
            call.screen.say(f"  {one_line(hint)}")


@click.command(
    cls=Command,
    examples=[
        ("agentless running 'web*'", "which jobs run there now"),
        ("agentless running --out json", "for a script"),
    ],
)
@click.argument("target", required=False, shell_complete=complete_target)
@shared_options()
@click.pass_obj
def running(call: Call, /, target: str | None) -> int:
    """The jobs that run on each host now, from its proc files. TARGET left out means all hosts."""
    out = call.out("table", FORMATS)
    result = call.fleet.running(target)
    show(
        call,
        out,
        result.to_json,
        tables.RUNNING,
        lambda: tables.running(result),
        value="jobs",
        empty="no job is running",
    )
    tell_problems(call, out, result.problems)
    return result.exit_code


@click.command("find-job", cls=Command, examples=[("agentless find-job last", "where the newest job still runs")])
@click.argument("jid", type=JID)
@click.argument("target", required=False, shell_complete=complete_target)
@shared_options()
@click.pass_obj
def find_job(call: Call, /, jid: str, target: str | None) -> int:
    """On which hosts a job runs. Exit code 0: somewhere, 1: nowhere, 3: a host could not be asked."""
    out = call.out("table", FORMATS)
    result = call.fleet.find_job(jid, target)
    show(call, out, result.to_json, tables.FOUND, lambda: tables.found(result), value="proc")
    tell_problems(call, out, result.problems)
    return result.exit_code


def _signalled(call: Call, result: Signalled, out: str) -> int:
    document = result.to_json()
    show(call, out, document, tables.SIGNALLED, lambda: tables.signalled(result), entries=document["hosts"])
    tell_problems(call, out, result.problems)
    return result.exit_code


@click.command(
    "signal-job", cls=Command, examples=[("agentless signal-job last HUP", "make it read its configuration again")]
)
@click.argument("jid", type=JID)
@click.argument("signal", shell_complete=complete_signal)
@click.argument("target", required=False, shell_complete=complete_target)
@shared_options()
@click.pass_obj
def signal_job(call: Call, /, jid: str, signal: str, target: str | None) -> int:
    """Send SIGNAL, a name or a number, to all processes of a job."""
    out = call.out("table", FORMATS)
    return _signalled(call, call.fleet.signal_job(jid, int(signal) if signal.isdecimal() else signal, target), out)


@click.command("term-job", cls=Command, examples=[("agentless term-job last", "on all its hosts")])
@click.argument("jid", type=JID)
@click.argument("target", required=False, shell_complete=complete_target)
@shared_options()
@click.pass_obj
def term_job(call: Call, /, jid: str, target: str | None) -> int:
    """Send SIGTERM to all processes of a job; it may clean up before it ends."""
    out = call.out("table", FORMATS)
    return _signalled(call, call.fleet.term_job(jid, target), out)


@click.command("kill-job", cls=Command, examples=[("agentless kill-job last db1", "on one host only")])
@click.argument("jid", type=JID)
@click.argument("target", required=False, shell_complete=complete_target)
@shared_options()
@click.pass_obj
def kill_job(call: Call, /, jid: str, target: str | None) -> int:
    """Kill all processes of a job, with what they started. Exit code 1 when something survived."""
    out = call.out("table", FORMATS)
    return _signalled(call, call.fleet.kill_job(jid, target), out)
