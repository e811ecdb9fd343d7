"""Edits of the schedule's file; nothing of them reaches a host before `schedule push`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agentless.cli.commands import option
from agentless.cli.completion import complete_entry, complete_keys, complete_target
from agentless.cli.invocation import Invocation
from agentless.cli.options import SCHEDULE_FILE, verb
from agentless.cli.schedule import warn_of_silent
from agentless.errors import InventoryError, UsageError
from agentless.report.spelling import as_typed

if TYPE_CHECKING:
    from agentless.schedule.editing import Editor
    from agentless.schedule.schedule_file import Entry, Schedule

__all__ = ["add", "copy", "delete", "disable", "enable", "import_", "modify", "move", "postpone", "skip"]

_NEW_NAME = click.argument("name")
_NAME = click.argument("name", shell_complete=complete_entry)
_NAME_OR_ALL = click.argument("name", required=False, shell_complete=complete_entry)
_OTHER_HOSTS = click.argument("target", metavar="HOST-PATTERN", shell_complete=complete_target)


@verb(
    examples=[
        ("agentless schedule add uptime function=cmd.run args=uptime target='web*' minutes=30", "every half hour"),
        ("agentless schedule add nightly function=cmd.script args='[backup.sh]' target=db cron='30 2 * * *'", ""),
    ]
)
@_NEW_NAME
@click.argument("keys", nargs=-1, metavar="KEY=VALUE...", shell_complete=complete_keys)
@SCHEDULE_FILE
def add(invocation: Invocation, /, name: str, keys: tuple[str, ...], file: Path | None) -> int:
    """A new entry; values are YAML. Nothing reaches a host before `schedule push`."""
    from agentless.schedule.editing import values

    if not keys:
        raise UsageError("an entry needs keys", "As in: function=cmd.run args=uptime target='web*' hours=1")
    return _edit(invocation, file, lambda edit: edit.add(name, values(keys)))


@verb(examples=[("agentless schedule modify uptime minutes=10", "")])
@_NAME
@click.argument("keys", nargs=-1, required=True, metavar="KEY=VALUE...", shell_complete=complete_keys)
@SCHEDULE_FILE
def modify(invocation: Invocation, /, name: str, keys: tuple[str, ...], file: Path | None) -> int:
    """Set keys of an entry; KEY= takes one away."""
    from agentless.schedule.editing import values

    return _edit(invocation, file, lambda edit: edit.modify(name, values(keys)))


@verb()
@_NAME
@SCHEDULE_FILE
def delete(invocation: Invocation, /, name: str, file: Path | None) -> int:
    """Take an entry out of the file."""
    return _edit(invocation, file, lambda edit: edit.delete(name))


@verb()
@_NAME_OR_ALL
@SCHEDULE_FILE
def enable(invocation: Invocation, /, name: str | None, file: Path | None) -> int:
    """Switch an entry on, or the whole schedule."""
    return _edit(invocation, file, lambda edit: edit.enable(name))


@verb()
@_NAME_OR_ALL
@SCHEDULE_FILE
def disable(invocation: Invocation, /, name: str | None, file: Path | None) -> int:
    """Switch an entry off, or the whole schedule."""
    return _edit(invocation, file, lambda edit: edit.disable(name))


@verb(examples=[("agentless schedule copy uptime 'db*'", "the same for other hosts")])
@_NAME
@_OTHER_HOSTS
@SCHEDULE_FILE
def copy(invocation: Invocation, /, name: str, target: str, file: Path | None) -> int:
    """The entry once more, for other hosts, as NAME@HOST-PATTERN."""
    return _edit(invocation, file, lambda edit: edit.copy(name, target))


@verb()
@_NAME
@_OTHER_HOSTS
@SCHEDULE_FILE
def move(invocation: Invocation, /, name: str, target: str, file: Path | None) -> int:
    """Give an entry to other hosts."""
    return _edit(invocation, file, lambda edit: edit.move(name, target))


@verb(examples=[("agentless schedule skip nightly 2026-12-24T02:30", "not on that night")])
@_NAME
@click.argument("time")
@SCHEDULE_FILE
def skip(invocation: Invocation, /, name: str, time: str, file: Path | None) -> int:
    """Leave out the fire of that time; without seconds, those of that minute."""
    return _edit(invocation, file, lambda edit: edit.skip(name, time))


@verb()
@_NAME
@click.argument("time")
@click.argument("new_time", metavar="NEW-TIME")
@SCHEDULE_FILE
def postpone(invocation: Invocation, /, name: str, time: str, new_time: str, file: Path | None) -> int:
    """Leave out the fire of that time, and run it at NEW-TIME."""
    return _edit(invocation, file, lambda edit: edit.postpone(name, time, new_time))


@verb(
    "import",
    examples=[
        ("agentless schedule import /etc/salt/minion.d/_schedule.conf --target web1", "what that minion has"),
        ("salt-call pillar.get schedule --out yaml > pillar.yaml", "there, or as the pillar says it"),
        ("agentless schedule import pillar.yaml --target 'web*' --skip highstate", "without one of them"),
    ],
)
@click.argument("source", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@option("--target", metavar="PATTERN", shell_complete=complete_target, help="The hosts that run its entries.")
@option("--skip", multiple=True, metavar="NAME", help="Leave out this entry; * and ? stand for anything.")
@SCHEDULE_FILE
def import_(
    invocation: Invocation, /, source: Path, target: str | None, skip: tuple[str, ...], file: Path | None
) -> int:
    """Take over a schedule of Salt's: _schedule.conf, a pillar, or what schedule.list prints. All of it or nothing.

    Salt's words for times mean the same here. Keywords of cmd.run and cmd.script that change nothing here are left out,
    runas becomes sudo, and each is told; what cannot be taken is named. A minion runs as root: where an entry needs
    that, push with -b. Nothing reaches a host before `schedule push`.
    """
    schedules = invocation.fleet.schedule(file)
    before = set(schedules.file.entries) if schedules.path.exists() else set()
    for word in schedules.take(source, target=target, skip=skip):
        invocation.screen.say(as_typed(word))
    added = [name for name in schedules.file.entries if name not in before]
    invocation.screen.say(f"imported into {schedules.path}: {', '.join(added)}")
    invocation.screen.say("the hosts know nothing of it yet: agentless schedule push --check --diff")
    return 0


def _edit(invocation: Invocation, file: Path | None, change: Callable[[Editor], Schedule]) -> int:
    schedules = invocation.fleet.schedule(file)
    before = schedules.file.entries if schedules.path.exists() else {}
    after = change(schedules.edit)
    with contextlib.suppress(InventoryError):
        # Nothing can be said without an inventory of what hosts fire.
        silent = schedules.silent()
        warn_of_silent(
            invocation, {name: why for name, why in silent.items() if after.entries[name] != before.get(name)}
        )
    if _on_hosts(after.entries) != _on_hosts(before):
        invocation.screen.say("the hosts know nothing of it yet: agentless schedule push")
    return 0


def _on_hosts(entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """What a push would bring to hosts."""
    return {name: entry for name, entry in entries.items() if entry.runs_on == "host"}
