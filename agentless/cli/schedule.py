"""Salt's `schedule`: what runs when, in a file; and what of it is on hosts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from agentless.cli.call import Call
from agentless.cli.commands import Command, Group, Option, Verb
from agentless.cli.completion import complete_target
from agentless.cli.options import shared_options
from agentless.cli.proc import tell_problems
from agentless.cli.rows import FORMATS, show
from agentless.errors import UsageError
from agentless.job import Problem
from agentless.report.printable import one_line

if TYPE_CHECKING:
    from agentless.schedule.hosts import Pushed, Seen
    from agentless.scheduling import Scheduling

__all__ = ["schedule", "schedule_file"]

F = TypeVar("F", bound=Callable[..., Any])
_HERE = "agentless.cli.schedule"
_SEE, _EDIT, _NOW, _HOSTS = "See it", "Change the file", "Now", "Hosts"
_VERBS = {
    "list": Verb(_SEE, _HERE, "list_entries"),
    "next": Verb(_SEE, _HERE, "next_fires"),
    "status": Verb(_SEE, _HERE, "status"),
    "pull": Verb(_SEE, _HERE, "pull"),
    "push": Verb(_HOSTS, _HERE, "push"),
    "purge": Verb(_HOSTS, _HERE, "purge"),
    "run": Verb(_NOW, _HERE, "run_entry"),
    "add": Verb(_EDIT, _HERE, "add"),
    "modify": Verb(_EDIT, _HERE, "modify"),
    "delete": Verb(_EDIT, _HERE, "delete"),
    "enable": Verb(_EDIT, _HERE, "enable"),
    "disable": Verb(_EDIT, _HERE, "disable"),
    "copy": Verb(_EDIT, _HERE, "copy"),
    "move": Verb(_EDIT, _HERE, "move"),
    "skip": Verb(_EDIT, _HERE, "skip"),
    "postpone": Verb(_EDIT, _HERE, "postpone"),
}
_PUSH_IT = "the hosts know nothing of it yet: agentless schedule push"


def schedule_file() -> Callable[[F], F]:
    """`--schedule-file`, which every verb of the schedule takes."""
    return click.option(
        "--schedule-file",
        "file",
        cls=Option,
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="PATH",
        help="Default: schedule.yaml beside the inventory, then the one in your config directory.",
    )


@click.group(cls=Group, verbs=_VERBS, invoke_without_command=True)
@shared_options()
@click.pass_context
def schedule(ctx: click.Context, /) -> int:
    """What runs when. Hosts fire what is theirs by their own cron, `agentless scheduler` fires the rest."""
    if ctx.invoked_subcommand is None:
        call = ctx.find_object(Call)
        assert call is not None
        call.screen.result(ctx.get_help() + "\n")
    return 0


def _of(call: Call, file: Path | None) -> Scheduling:
    return call.fleet.schedule(file)


# --- see ---
@click.command("list", cls=Command, examples=[("agentless schedule list", "every entry, and when it comes next")])
@click.option(
    "--show-all", cls=Option, is_flag=True, help="Also what is switched off, and what will not come any more."
)
@schedule_file()
@shared_options()
@click.pass_obj
def list_entries(call: Call, /, show_all: bool, file: Path | None) -> int:
    """The entries of the file: enabled, next fire, last fire, its result, last skip with its reason. Contacts nobody.

    What hosts fired is known here when a contact has brought it home; `schedule status` asks them.
    """
    from agentless.report import schedules as tables

    out = call.out("table", FORMATS)
    rows = [row for row in _of(call, file).overview() if show_all or row.comes]
    document = {row.entry.name: row.to_json() for row in rows}
    show(call, out, document, tables.ENTRIES, lambda: tables.entries(rows), key="name", empty="no entries")
    return 0


@click.command(
    "next",
    cls=Command,
    examples=[
        ("agentless schedule next", "the next fire of every entry"),
        ("agentless schedule next nightly -n 5", "the next five of one"),
    ],
)
@click.argument("name", required=False)
@click.option(
    "-n", "number", cls=Option, type=click.IntRange(min=1, max=1000), default=1, metavar="N", help="How many."
)
@schedule_file()
@shared_options()
@click.pass_obj
def next_fires(call: Call, /, name: str | None, number: int, file: Path | None) -> int:
    """The next fires, with zone and splay, worked out from the file. Contacts nobody.

    The splay of a host is drawn for it; shown is that of an entry's first host. `schedule status` shows what hosts
    will do.
    """
    from agentless.report import schedules as tables

    out = call.out("table", FORMATS)
    fires = _of(call, file).coming(name, number)
    document = {entry: [fire.to_json() for fire in each] for entry, each in fires.items()}
    show(
        call, out, document, tables.FIRES, lambda: tables.fires(fires), key="name", value="fires", empty="nothing comes"
    )
    return 0


@click.command(cls=Command, examples=[("agentless schedule status 'web*'", "what their ticks fired and skipped")])
@click.argument("target", required=False, shell_complete=complete_target)
@click.option(
    "-n",
    "number",
    cls=Option,
    type=click.IntRange(min=0, max=1000),
    default=10,
    metavar="N",
    help="Events shown of each host (10).",
)
@schedule_file()
@shared_options()
@click.pass_obj
def status(call: Call, /, target: str | None, number: int, file: Path | None) -> int:
    """What each host's evaluator did: the last tick, fires, skips with their reasons, errors."""
    from agentless.report import schedules as tables

    out = call.out("table", FORMATS)
    seen = _of(call, file).status(target, log=number)
    show(call, out, seen.to_json, tables.STATUS, lambda: tables.status(seen))
    if out in ("table", "text"):
        for line in tables.events(seen):
            call.screen.say(line)
    return _tell(call, out, seen)


@click.command(cls=Command, examples=[("agentless schedule pull web1", "what is on it")])
@click.argument("target", required=False, shell_complete=complete_target)
@schedule_file()
@shared_options()
@click.pass_obj
def pull(call: Call, /, target: str | None, file: Path | None) -> int:
    """The entries that are on hosts, as they have them."""
    from agentless.report import schedules as tables

    out = call.out("table", FORMATS)
    seen = _of(call, file).status(target, log=0)
    show(call, out, seen.to_json, tables.ON_HOSTS, lambda: tables.on_hosts(seen), empty="no host has a schedule")
    return _tell(call, out, seen)


def _tell(call: Call, out: str, result: Seen | Pushed) -> int:
    hosts: Mapping[str, Any] = result.hosts
    for host, found in hosts.items():
        for warning in found.warnings:
            _warn(call, host, warning)
    tell_problems(call, out, result.problems)
    return result.exit_code


def _warn(call: Call, host: str, warning: Problem) -> None:
    call.screen.warn(f"{one_line(host)}: {one_line(warning.message)}")
    if warning.hint:
        call.screen.say(f"  {one_line(warning.hint)}")


# --- hosts ---
_CHECK = click.option("--check", cls=Option, is_flag=True, help="Only show what would change.")


@click.command(
    cls=Command,
    examples=[
        ("agentless schedule push --check", "what would change, and where"),
        ("agentless schedule push", "bring all hosts to what the file says"),
    ],
)
@click.argument("target", required=False, shell_complete=complete_target)
@_CHECK
@schedule_file()
@shared_options()
@click.pass_obj
def push(call: Call, /, target: str | None, check: bool, file: Path | None) -> int:
    """Bring hosts to what the file says: the entries that target them, and one line in the user's crontab."""
    out = call.out("table", FORMATS)
    return _placed(call, out, _of(call, file).push(target, check=check))


@click.command(cls=Command, examples=[("agentless schedule purge web1", "it fires nothing of ours any more")])
@click.argument("target", required=False, shell_complete=complete_target)
@_CHECK
@schedule_file()
@shared_options()
@click.pass_obj
def purge(call: Call, /, target: str | None, check: bool, file: Path | None) -> int:
    """Take everything of ours away from hosts; the crontab is left as it was found."""
    out = call.out("table", FORMATS)
    return _placed(call, out, _of(call, file).purge(target, check=check))


def _placed(call: Call, out: str, result: Pushed) -> int:
    from agentless.report import schedules as tables

    show(call, out, result.to_json, tables.PLACED, lambda: tables.placed(result))
    return _tell(call, out, result)


# --- now ---
@click.command("run", cls=Command, examples=[("agentless schedule run nightly", "now, whatever its times say")])
@click.argument("name")
@click.option("--detach", cls=Option, is_flag=True, help="Only print the JID.")
@schedule_file()
@shared_options()
@click.pass_obj
def run_entry(call: Call, /, name: str, detach: bool, file: Path | None) -> int:
    """An entry now, as a job, shown as `run` shows it. A function of the controller is done here."""
    from agentless.cli.following import follow
    from agentless.cli.reports import printer

    out = call.out("text")
    scheduling = _of(call, file)
    entry = scheduling.file.entry(name)
    if entry.target is None or entry.function.startswith("jobs."):
        call.screen.result(scheduling.here(entry) + "\n")
        return 0
    with follow(
        call,
        lambda fleet: scheduling.start(entry, detach=detach),
        lambda run: printer(call, run.job.hosts, run.job.jid, out),
    ) as following:
        report = following.to_the_end()
    return report.exit_code


# --- edits ---
@click.command(
    cls=Command,
    examples=[
        ("agentless schedule add uptime function=cmd.run args=uptime target='web*' minutes=30", "every half hour"),
        ("agentless schedule add nightly function=cmd.script args='[backup.sh]' target=db cron='30 2 * * *'", ""),
    ],
)
@click.argument("name")
@click.argument("keys", nargs=-1, metavar="KEY=VALUE...")
@schedule_file()
@shared_options()
@click.pass_obj
def add(call: Call, /, name: str, keys: tuple[str, ...], file: Path | None) -> int:
    """A new entry; values are YAML. Nothing reaches a host before `schedule push`."""
    from agentless.schedule import values

    if not keys:
        raise UsageError("an entry needs keys", "As in: function=cmd.run args=uptime target='web*' hours=1")
    _of(call, file).edit.add(name, values(keys))
    return _edited(call)


@click.command(cls=Command, examples=[("agentless schedule modify uptime minutes=10", "")])
@click.argument("name")
@click.argument("keys", nargs=-1, required=True, metavar="KEY=VALUE...")
@schedule_file()
@shared_options()
@click.pass_obj
def modify(call: Call, /, name: str, keys: tuple[str, ...], file: Path | None) -> int:
    """Set keys of an entry; KEY= takes one away."""
    from agentless.schedule import values

    _of(call, file).edit.modify(name, values(keys))
    return _edited(call)


@click.command(cls=Command)
@click.argument("name")
@schedule_file()
@shared_options()
@click.pass_obj
def delete(call: Call, /, name: str, file: Path | None) -> int:
    """Take an entry out of the file."""
    _of(call, file).edit.delete(name)
    return _edited(call)


@click.command(cls=Command)
@click.argument("name", required=False)
@schedule_file()
@shared_options()
@click.pass_obj
def enable(call: Call, /, name: str | None, file: Path | None) -> int:
    """Switch an entry on, or the whole schedule."""
    _of(call, file).edit.enable(name)
    return _edited(call)


@click.command(cls=Command)
@click.argument("name", required=False)
@schedule_file()
@shared_options()
@click.pass_obj
def disable(call: Call, /, name: str | None, file: Path | None) -> int:
    """Switch an entry off, or the whole schedule."""
    _of(call, file).edit.disable(name)
    return _edited(call)


@click.command(cls=Command, examples=[("agentless schedule copy uptime 'db*'", "the same for other hosts")])
@click.argument("name")
@click.argument("target", metavar="HOST-PATTERN", shell_complete=complete_target)
@schedule_file()
@shared_options()
@click.pass_obj
def copy(call: Call, /, name: str, target: str, file: Path | None) -> int:
    """The entry once more, for other hosts, as NAME@HOST-PATTERN."""
    _of(call, file).edit.copy(name, target)
    return _edited(call)


@click.command(cls=Command)
@click.argument("name")
@click.argument("target", metavar="HOST-PATTERN", shell_complete=complete_target)
@schedule_file()
@shared_options()
@click.pass_obj
def move(call: Call, /, name: str, target: str, file: Path | None) -> int:
    """Give an entry to other hosts."""
    _of(call, file).edit.move(name, target)
    return _edited(call)


@click.command(cls=Command, examples=[("agentless schedule skip nightly 2026-12-24T02:30", "not on that night")])
@click.argument("name")
@click.argument("time")
@schedule_file()
@shared_options()
@click.pass_obj
def skip(call: Call, /, name: str, time: str, file: Path | None) -> int:
    """Leave out the fire of that time; without seconds, those of that minute."""
    _of(call, file).edit.skip(name, time)
    return _edited(call)


@click.command(cls=Command)
@click.argument("name")
@click.argument("time")
@click.argument("new_time", metavar="NEW-TIME")
@schedule_file()
@shared_options()
@click.pass_obj
def postpone(call: Call, /, name: str, time: str, new_time: str, file: Path | None) -> int:
    """Leave out the fire of that time, and run it at NEW-TIME."""
    _of(call, file).edit.postpone(name, time, new_time)
    return _edited(call)


def _edited(call: Call) -> int:
    call.screen.say(_PUSH_IT)
    return 0
