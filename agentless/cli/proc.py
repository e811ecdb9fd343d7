"""The proc system, in Salt's words: `running`, `find-job`, `signal-job`, `term-job`, `kill-job`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from agentless.cli.completion import complete_signal
from agentless.cli.invocation import Call
from agentless.cli.options import TARGET, verb
from agentless.cli.rows import FORMATS, show, tell_problems
from agentless.cli.words import JID
from agentless.report import tables

if TYPE_CHECKING:
    from agentless.fleet import Fleet
    from agentless.model.results import Signalled

__all__ = ["find_job", "kill_job", "running", "signal_job", "term_job"]


@verb(
    examples=[
        ("agentless running 'web*'", "which jobs run there now"),
        ("agentless running --out json", "for a script"),
    ],
)
@TARGET
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


@verb("find-job", examples=[("agentless find-job last", "where the newest job still runs")])
@click.argument("jid", type=JID)
@TARGET
def find_job(call: Call, /, jid: str, target: str | None) -> int:
    """On which hosts a job runs. Exit code 0: somewhere, 1: nowhere, 3: a host could not be asked."""
    out = call.out("table", FORMATS)
    result = call.fleet.find_job(jid, target)
    show(call, out, result.to_json, tables.FOUND, lambda: tables.found(result), value="proc")
    tell_problems(call, out, result.problems)
    return result.exit_code


@verb("signal-job", examples=[("agentless signal-job last HUP", "make it read its configuration again")])
@click.argument("jid", type=JID)
@click.argument("signal", shell_complete=complete_signal)
@TARGET
def signal_job(call: Call, /, jid: str, signal: str, target: str | None) -> int:
    """Send SIGNAL, a name or a number, to all processes of a job."""
    return _signal(call, lambda fleet: fleet.signal_job(jid, signal, target))


@verb("term-job", examples=[("agentless term-job last", "on all its hosts")])
@click.argument("jid", type=JID)
@TARGET
def term_job(call: Call, /, jid: str, target: str | None) -> int:
    """Send SIGTERM to all processes of a job; it may clean up before it ends."""
    return _signal(call, lambda fleet: fleet.term_job(jid, target))


@verb("kill-job", examples=[("agentless kill-job last db1", "on one host only")])
@click.argument("jid", type=JID)
@TARGET
def kill_job(call: Call, /, jid: str, target: str | None) -> int:
    """Kill all processes of a job, with what they started. Exit code 1 when something survived."""
    return _signal(call, lambda fleet: fleet.kill_job(jid, target))


def _signal(call: Call, send: Callable[[Fleet], Signalled]) -> int:
    out = call.out("table", FORMATS)
    result = send(call.fleet)
    document = result.to_json()
    show(call, out, document, tables.SIGNALLED, lambda: tables.signalled(result), entries=document["hosts"])
    tell_problems(call, out, result.problems)
    return result.exit_code
