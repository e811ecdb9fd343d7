"""The proc system, in Salt's words: `running`, `find-job`, `signal-job`, `term-job`, `kill-job`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from agentless.cli.completion import complete_signal
from agentless.cli.invocation import Invocation
from agentless.cli.options import TARGET, job_and_target, verb
from agentless.cli.rows import Sheet
from agentless.cli.word_types import JID
from agentless.report import tables

if TYPE_CHECKING:
    from agentless.fleet import Fleet
    from agentless.model.results import Signalled

__all__ = ["find_job", "kill_job", "running", "signal_job", "term_job"]


@verb(
    examples=[
        ("agentless running 'web*'", "which jobs run there now"),
        ("agentless running --out json", "for a script"),
    ]
)
@TARGET
def running(invocation: Invocation, /, target: str | None) -> int:
    """The jobs that run on each host now, from its proc files. TARGET left out means all hosts.

    On a terminal a job is one line, with its hosts folded; -v gives one for each host, with the PID, as a pipe has it.
    """
    sheet = Sheet(invocation)
    result = invocation.fleet.running(target)
    # A person looks at jobs, a script at hosts and processes.
    rows = (tables.running_jobs if sheet.folds else tables.running)(result, time.time())
    sheet.show(result.to_json, rows, value="jobs", empty="no job is running", problems=result.problems)
    sheet.tell_problems(result.problems)
    sheet.tell_others(result.others)
    return result.exit_code


@verb("find-job", examples=[("agentless find-job last", "where the newest job still runs")])
@job_and_target
def find_job(invocation: Invocation, /, jid: str, target: str | None) -> int:
    """On which hosts a job runs. Exit code 0: somewhere, 1: nowhere, 3: a host could not be asked."""
    sheet = Sheet(invocation)
    result = invocation.fleet.find_job(invocation.job(jid), target)
    rows = (tables.found_alike if sheet.folds else tables.found)(result, time.time())
    sheet.show(result.to_json, rows, value="proc", problems=result.problems, fold=True)
    sheet.tell_problems(result.problems)
    return result.exit_code


@verb("signal-job", examples=[("agentless signal-job last HUP", "make it read its configuration again")])
@click.argument("jid", type=JID)
@click.argument("signal", shell_complete=complete_signal)
@TARGET
def signal_job(invocation: Invocation, /, jid: str, signal: str, target: str | None) -> int:
    """Send SIGNAL, a name or a number, to all processes of a job."""
    return _signal(invocation, jid, lambda fleet, jid: fleet.signal_job(jid, signal, target))


@verb("term-job", examples=[("agentless term-job last", "on all its hosts")])
@job_and_target
def term_job(invocation: Invocation, /, jid: str, target: str | None) -> int:
    """Send SIGTERM to all processes of a job; it may clean up before it ends."""
    return _signal(invocation, jid, lambda fleet, jid: fleet.term_job(jid, target))


@verb("kill-job", examples=[("agentless kill-job last db1", "on one host only")])
@job_and_target
def kill_job(invocation: Invocation, /, jid: str, target: str | None) -> int:
    """Kill all processes of a job, with what they started. Exit code 1 when something survived."""
    return _signal(invocation, jid, lambda fleet, jid: fleet.kill_job(jid, target))


def _signal(invocation: Invocation, word: str, send: Callable[[Fleet, str], Signalled]) -> int:
    """Send a signal by `send`, which gets the fleet and the JID that the word means, and show what it did."""
    sheet = Sheet(invocation)
    jid = invocation.job(word)
    result = send(invocation.fleet, jid)
    document = result.to_json()
    rows = tables.signalled(result, pids=not sheet.folds)
    sheet.show(document, rows, entries=document["hosts"], problems=result.problems, fold=True)
    sheet.tell_problems(result.problems)
    if not any(signal.delivered for signal in result.hosts.values()):
        if not result.hosts:
            why = "no host answered"
        else:
            of_whom = "the hosts that answered" if result.problems else "any of these hosts"
            why = f"job {jid} does not run on {of_whom}"
        invocation.screen.warn(f"nothing was signalled: {why}")
    return result.exit_code
