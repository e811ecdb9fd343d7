"""Salt's `schedule`: what runs when, in a file; and what of it is on hosts."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agentless.cli.commands import Verb, VerbGroup, option, show_help
from agentless.cli.completion import complete_entry
from agentless.cli.invocation import Invocation
from agentless.cli.options import SCHEDULE_FILE, TARGET, shared_options, verb
from agentless.cli.rows import FORMATS, Sheet
from agentless.model.problem import Problem
from agentless.report import schedule_tables as tables
from agentless.report.printable import one_line
from agentless.report.spelling import as_typed

if TYPE_CHECKING:
    from agentless.schedule.host_schedule import Pushed, Seen

__all__ = ["schedule", "warn_of_silent"]

_HERE, _FILE = "agentless.cli.schedule", "agentless.cli.schedule_edit"
_SEE, _EDIT, _NOW, _HOSTS = "See it", "Change the file", "Now", "Hosts"
_VERBS = {
    "list": Verb(_SEE, _HERE, "list_entries"),
    "next": Verb(_SEE, _HERE, "next_fires"),
    "status": Verb(_SEE, _HERE, "status"),
    "pull": Verb(_SEE, _HERE, "pull"),
    "push": Verb(_HOSTS, _HERE, "push"),
    "purge": Verb(_HOSTS, _HERE, "purge"),
    "run": Verb(_NOW, _HERE, "run_entry"),
    "add": Verb(_EDIT, _FILE, "add"),
    "modify": Verb(_EDIT, _FILE, "modify"),
    "delete": Verb(_EDIT, _FILE, "delete"),
    "enable": Verb(_EDIT, _FILE, "enable"),
    "disable": Verb(_EDIT, _FILE, "disable"),
    "copy": Verb(_EDIT, _FILE, "copy"),
    "move": Verb(_EDIT, _FILE, "move"),
    "skip": Verb(_EDIT, _FILE, "skip"),
    "postpone": Verb(_EDIT, _FILE, "postpone"),
    "import": Verb(_EDIT, _FILE, "import_"),
}


@shared_options()
@click.group(cls=VerbGroup, verbs=_VERBS, invoke_without_command=True)
@click.pass_context
def schedule(ctx: click.Context, /) -> int:
    """What runs when. Hosts fire what is theirs by their own cron, `agentless scheduler` fires the rest."""
    return show_help(ctx) if ctx.invoked_subcommand is None else 0


# --- see ---
@verb("list", examples=[("agentless schedule list", "every entry, and when it comes next")])
# Salt's word; every entry is shown.
@option("--show-all", is_flag=True, hidden=True, expose_value=False)
@SCHEDULE_FILE
def list_entries(invocation: Invocation, /, file: Path | None) -> int:
    """The entries of the file: when they run what, whether hosts have them, next and last fire. Contacts nobody.

    PUSHED says on which hosts an entry is as the file has it, as of the last push or `push --check` from here. What
    hosts fired is known here when a contact has brought it home. An interval that hosts fire counts from the last fire
    on each: when it comes next, only they know, and `schedule status` asks them.
    """
    sheet = Sheet(invocation)
    rows = invocation.fleet.schedule(file).overview()
    document = {row.entry.name: row.to_json() for row in rows}
    screen = invocation.screen
    shown = tables.entries(rows, time.time(), ages=screen.folds)
    sheet.show(document, shown, key="name", empty="the schedule file has no entry")
    warn_of_silent(invocation, {row.entry.name: row.forecast.never for row in rows if row.forecast.never})
    if any(row.entry.enabled and row.pushed is not None and row.pushed.others for row in rows):
        screen.say("not all hosts have what the file says: agentless schedule push --check --diff")
    if any(row.entry.enabled and row.entry.counted_on_hosts and not row.forecast.never for row in rows):
        screen.say("when an interval comes next, only its hosts know: agentless schedule status")
    return 0


@verb(
    "next",
    examples=[
        ("agentless schedule next", "the next ten fires"),
        ("agentless schedule next nightly -n 5", "the next five of one entry"),
    ],
)
@click.argument("name", required=False, shell_complete=complete_entry)
@option("-n", "number", type=click.IntRange(min=1, max=1000), default=10, metavar="N", help="How many (10).")
@SCHEDULE_FILE
def next_fires(invocation: Invocation, /, name: str | None, number: int, file: Path | None) -> int:
    """The next fires of all entries, or of one, by time, worked out from the file. Contacts nobody.

    The splay of a host is drawn for it; shown is that of an entry's first host. An interval that hosts fire counts from
    the last fire on each: only they know, and `schedule status` asks them. Of an entry that is switched off none come.
    """
    sheet = Sheet(invocation, (*FORMATS, "html"))
    schedules = invocation.fleet.schedule(file)
    fires = schedules.coming(name, number)
    warn_of_silent(invocation, {each: why for each, why in schedules.silent().items() if name in (None, each)})
    if sheet.out == "html":
        from agentless.report.html import fires_html

        invocation.screen.result_in_pieces(fires_html(fires, time.time()), utf8=True)
        return 0
    document = {entry: upcoming.to_json() for entry, upcoming in fires.items()}
    sheet.show(document, tables.fires(fires, time.time()), key="name", value="fires", empty="nothing comes")
    return 0


@verb(examples=[("agentless schedule status 'web*'", "what their ticks fired and skipped")])
@TARGET
@option(
    "-n",
    "number",
    type=click.IntRange(min=0, max=1000),
    default=10,
    metavar="N",
    help="Events shown of each host (10).",
)
@SCHEDULE_FILE
def status(invocation: Invocation, /, target: str | None, number: int, file: Path | None) -> int:
    """What each host's evaluator did: the last tick, fires, skips with their reasons, errors."""
    sheet = Sheet(invocation)
    seen = invocation.fleet.schedule(file).status(target, log=number)
    sheet.show(seen.to_json, tables.status(seen), problems=seen.problems)
    if sheet.rows:
        for line in tables.events(seen):
            invocation.screen.say(line)
    return _tell(invocation, sheet, seen)


@verb(examples=[("agentless schedule pull web1", "what is on it")])
@TARGET
@SCHEDULE_FILE
def pull(invocation: Invocation, /, target: str | None, file: Path | None) -> int:
    """The entries that are on hosts, as they have them."""
    sheet = Sheet(invocation)
    seen = invocation.fleet.schedule(file).status(target, log=0)
    rows = tables.on_hosts(seen)
    sheet.show(seen.to_json, rows, empty="no host has a schedule", problems=seen.problems, fold=True)
    return _tell(invocation, sheet, seen)


def warn_of_silent(invocation: Invocation, silent: Mapping[str, str]) -> None:
    """Warn of entries that are switched on and fire no more; by name, with the reasons."""
    for name, why in silent.items():
        invocation.screen.warn(f"schedule: {one_line(name)} does not fire: {why}")


def _tell(invocation: Invocation, sheet: Sheet, result: Seen | Pushed) -> int:
    from agentless.schedule.host_schedule import Seen

    hosts: Mapping[str, Any] = result.hosts
    for host, outcome in hosts.items():
        for warning in outcome.warnings:
            _warn(invocation, host, warning)
    stopped = result.stopped if isinstance(result, Seen) else {}
    for host, problem in stopped.items():
        invocation.screen.error(f"{host}: {problem.message}")
    sheet.tell_problems({**result.problems, **stopped})
    return result.exit_code


def _warn(invocation: Invocation, host: str, warning: Problem) -> None:
    invocation.screen.warn(f"{one_line(host)}: {one_line(warning.message)}")
    if warning.hint:
        invocation.screen.say(f"  {one_line(as_typed(warning.hint))}")


# --- hosts ---
_CHECK = option("--check", is_flag=True, help="Only show what would change.")


@verb(
    examples=[
        ("agentless schedule push --check --diff", "what would change where, with old and new values"),
        ("agentless schedule push", "bring all hosts to what the file says"),
    ]
)
@TARGET
@_CHECK
@option("--diff", is_flag=True, help="Show old and new values of what changes; this asks hosts once more.")
@SCHEDULE_FILE
def push(invocation: Invocation, /, target: str | None, check: bool, diff: bool, file: Path | None) -> int:
    """Bring hosts to what the file says: the entries that target them, and one line in the user's crontab."""
    sheet = Sheet(invocation)
    schedules = invocation.fleet.schedule(file)
    pushed = schedules.push(target, check=check, diff=diff)
    warn_of_silent(invocation, schedules.silent())
    code = _placed(invocation, sheet, pushed)
    if sheet.rows:
        lines = tables.changes(pushed, invocation.screen.out_look)
        invocation.screen.result("".join(f"{line}\n" for line in lines))
    return code


@verb(examples=[("agentless schedule purge web1", "it fires nothing of ours any more")])
@TARGET
@_CHECK
@SCHEDULE_FILE
def purge(invocation: Invocation, /, target: str | None, check: bool, file: Path | None) -> int:
    """Take everything of ours away from hosts; the crontab is left as it was found."""
    sheet = Sheet(invocation)
    return _placed(invocation, sheet, invocation.fleet.schedule(file).purge(target, check=check))


def _placed(invocation: Invocation, sheet: Sheet, result: Pushed) -> int:
    sheet.show(result.to_json, tables.placed(result), problems=result.problems, fold=True)
    return _tell(invocation, sheet, result)


# --- now ---
@verb("run", examples=[("agentless schedule run nightly", "now, whatever its times say")])
@click.argument("name", shell_complete=complete_entry)
@option("--detach", is_flag=True, help="Only print the JID.")
@SCHEDULE_FILE
def run_entry(invocation: Invocation, /, name: str, detach: bool, file: Path | None) -> int:
    """An entry now, as a job, shown as `run` shows it. A function of the controller is done here."""
    from agentless.cli.attached import follow
    from agentless.cli.reports import printer
    from agentless.model.job_spec import Delivery

    out = invocation.out("text")
    schedules = invocation.fleet.schedule(file)
    entry = schedules.file.entry(name)
    if entry.target is None or entry.function.startswith("jobs."):
        invocation.screen.result(schedules.perform(entry) + "\n")
        return 0
    return follow(
        invocation,
        lambda _: schedules.prepare(entry, Delivery(detach)),
        lambda job: printer(invocation.screen, job, out, detach=detach),
    ).exit_code
