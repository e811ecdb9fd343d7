"""The jobs runner, in Salt's words: what became of jobs."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import click

from agentless.cli.commands import Verb, VerbGroup, option, show_help
from agentless.cli.completion import (
    complete_entry,
    complete_function,
    complete_host,
    complete_returner,
    complete_target,
)
from agentless.cli.invocation import Formats, Invocation
from agentless.cli.options import TARGET, job_and_target, shared_options, verb
from agentless.cli.report_files import DIFF, GROUP, ReportOptions, report_options
from agentless.cli.reports import printer, render
from agentless.cli.rows import FORMATS, Sheet
from agentless.cli.word_types import DURATION, MOMENT, pairs
from agentless.model.job import Report
from agentless.model.states import State
from agentless.report import tables

__all__ = ["jobs"]

_HERE = "agentless.cli.jobs"
_VERBS = {
    "active": Verb("Now", _HERE, "active"),
    "wait": Verb("Now", _HERE, "wait"),
    "tail": Verb("Now", _HERE, "tail"),
    "lookup": Verb("Afterwards", _HERE, "lookup"),
    "retry": Verb("Afterwards", "agentless.cli.retry", "retry"),
    "list": Verb("Afterwards", _HERE, "list_jobs"),
    "show": Verb("Afterwards", _HERE, "show_job"),
    "last": Verb("Afterwards", _HERE, "last"),
    "exit-success": Verb("Afterwards", _HERE, "exit_success"),
    "prune": Verb("Upkeep", _HERE, "prune"),
}


@shared_options()
@click.group(cls=VerbGroup, verbs=_VERBS, invoke_without_command=True)
@click.pass_context
def jobs(ctx: click.Context, /) -> int:
    """See, follow and look up jobs. Where a JID is wanted, `last` is the newest job."""
    return show_help(ctx) if ctx.invoked_subcommand is None else 0


@verb(examples=[("agentless jobs active", "what runs anywhere, and which host holds it up")])
@TARGET
def active(invocation: Invocation, /, target: str | None) -> int:
    """The jobs that have not ended everywhere: who runs them (-v: with PIDs), who returned, is lost or unreachable."""
    sheet = Sheet(invocation)
    result = invocation.fleet.active(target)
    rows = tables.active(result, time.time(), pids=invocation.screen.verbose > 0)
    sheet.show(result.to_json, rows, key="jid", empty="no job is active")
    if invocation.screen.err_look.terminal and not invocation.screen.verbose:
        for trouble in tables.unreached(result.problems):
            invocation.screen.error(trouble.line())
    else:
        for host, problem in result.problems.items():
            invocation.screen.error(f"{host}: {tables.not_asked(problem)}")
    sheet.tell_problems(result.problems)
    sheet.tell_others(result.others)
    return result.exit_code


_FROM = option(
    "--from",
    "source",
    metavar="NAME",
    shell_complete=complete_returner,
    help="What the returner of this name was given; its type is sql.",
)


@verb(
    examples=[
        ("agentless jobs lookup last", "the newest job's results, as `run` gave them"),
        ("agentless jobs lookup last 'web*'", "of these hosts alone"),
        ("agentless jobs lookup last --out junit > results.xml", "for a CI server"),
        ("agentless jobs lookup last --out html > report.html", "for people; one file, which can be mailed"),
        ("agentless jobs lookup 20260203040506070809 --from archive", "from a register, a year later"),
    ]
)
@job_and_target
@option("--failed", is_flag=True, help="Only hosts that failed, are lost, or never got it.")
@_FROM
@GROUP
@DIFF
@report_options
def lookup(
    invocation: Invocation,
    /,
    jid: str,
    target: str | None,
    failed: bool,
    source: str | None,
    shown: ReportOptions,
) -> int:
    """What a job returned: the text, the JSON and the exit code of its `run`, in the inventory's order.

    Hosts whose end is not known yet are asked. A JID of another controller is asked of all hosts, or those of --limit.
    """
    show = shown.printers(invocation)
    report = invocation.fleet.lookup(invocation.job(jid), target, source=source)
    if failed:
        report = _only_failed(report)
        if not report.results and invocation.out("text") in ("text", "table"):
            invocation.screen.say(f"job {report.job.jid}: no host failed")
            return report.exit_code
    show(report.job).end(report)
    return report.exit_code


def _only_failed(report: Report) -> Report:
    """The report on the hosts of the retry list @failed."""
    from agentless.inventory.retry_lists import RETRY_LISTS

    results = {name: result for name, result in report.results.items() if RETRY_LISTS["@failed"](result)}
    return replace(report, job=replace(report.job, hosts=tuple(results)), results=results)


@verb(
    "list",
    examples=[
        ("agentless jobs list -n 20", "the newest twenty"),
        ("agentless jobs list --since 2h --state running", "started in the last two hours, running somewhere"),
        ("agentless jobs list --host web1 --state failed --since 21:50", "what failed on web1 since then"),
        ("agentless jobs list --no-schedule", "what people sent, without the fires of schedules"),
        ("agentless jobs list --metadata ticket=4711", "by what was noted with `run --metadata`"),
    ],
    refused={"limit": "jobs are listed whole; --target finds those that were sent to a target"},
)
@option("-n", "number", type=click.IntRange(1, 10**9), metavar="N", help="At most so many.")
@option(
    "--function", metavar="NAMES", shell_complete=complete_function, help="cmd.run, cmd.script, or both with a comma."
)
@option(
    "--host",
    metavar="NAME",
    shell_complete=complete_host,
    help="Sent to this host; * and ? as below. With --state: in that state there.",
)
@option(
    "--target",
    metavar="PATTERN",
    shell_complete=complete_target,
    help="Sent to this target; * and ? stand for anything.",
)
@option("--by", metavar="USER", help="Sent by this user of this machine.")
@option("--since", type=MOMENT, metavar="TIME", help="Not before: 2h ago, 21:50, 2026-11-22T09:50 (local), …Z.")
@option("--until", type=MOMENT, metavar="TIME", help="Not after.")
@option("--metadata", multiple=True, metavar="K=V", help="With this noted; may be given again.")
@option(
    "--schedule",
    is_flag=False,
    flag_value="*",
    metavar="[NAME]",
    shell_complete=complete_entry,
    help="Fired by this entry of a schedule, * and ? as above; by any, where no NAME follows.",
)
@option("--no-schedule", "unscheduled", is_flag=True, help="Fired by no schedule.")
@option(
    "--state",
    type=click.Choice([*(state.value for state in State), "failed"]),
    help="With a host in this state; failed: one that returned, but not with 0.",
)
@_FROM
def list_jobs(
    invocation: Invocation,
    /,
    number: int | None,
    metadata: tuple[str, ...],
    unscheduled: bool,
    **filters: Any,
) -> int:
    """The jobs that this machine knows, newest first. Contacts nobody."""
    if unscheduled:
        if filters["schedule"] is not None:
            raise click.UsageError("--schedule and --no-schedule together leave no job")
        filters["schedule"] = ""
    sheet = Sheet(invocation, (*FORMATS, "html"))
    result = invocation.fleet.list_jobs(limit=number, metadata=pairs("--metadata", metadata), **filters)
    if sheet.out == "html":
        from agentless.report.html import jobs_html

        invocation.screen.result_in_pieces(jobs_html(result, time.time()), utf8=True)
        return result.exit_code
    rows = tables.jobs(result, time.time(), ages=invocation.screen.folds)
    sheet.show(result.to_json, rows, key="jid", empty="no jobs")
    return result.exit_code


@verb("show", examples=[("agentless jobs show last", "what was sent where, and where it stands")])
@job_and_target
def show_job(invocation: Invocation, /, jid: str, target: str | None) -> int:
    """A job and where each of its hosts stands, as this machine knows it. Contacts nobody."""
    return _show_job(invocation, jid, target)


@verb()
def last(invocation: Invocation, /) -> int:
    """`jobs show` of the newest job."""
    return _show_job(invocation, "last")


def _show_job(invocation: Invocation, jid: str, target: str | None = None) -> int:
    out = invocation.out("table")
    report = invocation.fleet.show(jid, target)
    if out in ("table", "text"):
        invocation.screen.result(tables.head(report.job))
        invocation.screen.result_in_pieces(render(invocation.screen, "table")(report))
        return report.exit_code
    printer(invocation.screen, report.job, out).end(report)
    return report.exit_code


@verb(examples=[("agentless jobs wait last --wait 10m", "come back to a detached job")])
@job_and_target
@option(
    "--wait",
    "seconds",
    type=DURATION,
    metavar="TIME",
    help="How long to wait. Default: as long as it takes, but 45 s for hosts that can't be reached.",
)
@GROUP
@DIFF
@report_options
def wait(
    invocation: Invocation,
    /,
    jid: str,
    target: str | None,
    seconds: float | None,
    shown: ReportOptions,
) -> int:
    """Wait until every host has returned, and show what `run` would have shown. Ctrl-C leaves the job alone."""
    from agentless.cli.attached import follow

    show = shown.printers(invocation)
    jid = invocation.job(jid)
    return follow(
        invocation, lambda fleet: fleet.wait(jid, target, wait=seconds), show, jid=jid, target=target
    ).exit_code


_TAIL_FORMATS: Formats = ("text", "json", "jsonl", "yaml")


@verb(examples=[("agentless jobs tail last web1 -f", "watch one host")], taken="f")
@job_and_target
@option("-f", "--follow", "following", is_flag=True, help="Go on until it ends.")
def tail(invocation: Invocation, /, jid: str, target: str | None, following: bool) -> int:
    """A job's output so far, and with -f what it writes from now on. Several hosts: each line behind a host's name."""
    from agentless.cli.attached import follow

    out = invocation.out("text", _TAIL_FORMATS)
    jid = invocation.job(jid)
    return follow(
        invocation,
        lambda fleet: fleet.tail(jid, target, follow=following),
        lambda job: printer(invocation.screen, job, out, tail=True),
        jid=jid,
        target=target,
    ).exit_code


@verb("exit-success", examples=[("agentless jobs exit-success last && deploy", "in a script")])
@job_and_target
def exit_success(invocation: Invocation, /, jid: str, target: str | None) -> int:
    """Whether the job succeeded on each host (0, and not cut off). The exit code is 0 when on all, else lookup's."""
    sheet = Sheet(invocation)
    result = invocation.fleet.exit_success(invocation.job(jid), target)
    unknown = result.report.unknown_hosts
    sheet.show(result.to_json, tables.success(result), value="success", problems=unknown, fold=True)
    sheet.tell_problems(unknown)
    return result.exit_code


@verb(refused={"limit": "jobs are removed whole"})
def prune(invocation: Invocation, /) -> int:
    """Remove jobs older than keep_jobs from this machine's cache; every `run` does so too."""
    sheet = Sheet(invocation)
    result = invocation.fleet.prune()
    for name in result.set_aside:
        invocation.screen.warn(f"{name} in the job cache was no record, and is set aside")
    rows = tables.Table(("REMOVED",), [(jid,) for jid in result.jobs])
    entries: dict[str, str] = dict.fromkeys(result.jobs, "removed")
    sheet.show(result.to_json, rows, entries=entries, key="jid", value="state", empty="nothing to remove")
    return 0
