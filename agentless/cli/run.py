"""`agentless run`: the main job."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agentless.cli.commands import Command, Example, option
from agentless.cli.completion import complete_returner, complete_target
from agentless.cli.environment import job_environment
from agentless.cli.invocation import Invocation
from agentless.cli.options import on_interrupt_option, verb
from agentless.cli.report_files import ReportOptions, report_options
from agentless.cli.word_types import DURATION, SHARE, pairs
from agentless.errors import UsageError
from agentless.files import read_stream
from agentless.model.job_spec import INPUT_MIB, Delivery, JobSpec, Script, read_input, shell_text

if TYPE_CHECKING:
    from agentless.fleet import Fleet
    from agentless.runner.dispatcher import PreparedJob

__all__ = ["run"]

_EXAMPLES: list[Example] = [
    ("agentless run web1 -- uptime", "one host: its output as it comes"),
    ("agentless run 'web*:&prod' --group -- cat /etc/os-release", "many hosts, identical results under one heading"),
    (
        "agentless run db --detach --timeout 3h --script backup.sh -- --full",
        "send a script with its arguments, and leave",
    ),
    (
        "agentless run all --batch 10% --max-fail 1 -b -- systemctl restart app",
        "a tenth at a time; stop when two failed",
    ),
]


_what = partial(option, section="What is run")
_how_long = partial(option, section="How long")
_how_many = partial(option, section="How many")


class _Run(Command):
    """What belongs to the remote command must stand behind `--`, or be the last words and have no option among them.

    `run web1 ls -l` and `run web1 reboot --check` could each mean two things; nothing is guessed.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = list(args)
        try:
            rest = super().parse_args(ctx, args)
        except click.MissingParameter:
            raise
        except click.UsageError as error:
            if "--" in given or ctx.resilient_parsing:
                raise
            message = error.format_message().rstrip(".")
            raise click.UsageError(f"{message}; what belongs to COMMAND goes behind --", ctx) from None
        words = list(ctx.params.get("command") or ())
        tail = given[given.index("--") + 1 :] if "--" in given else given[len(given) - len(words) :]
        if words != tail and not ctx.resilient_parsing:
            if "--" in given and len(words) < len(tail):
                raise click.MissingParameter(ctx=ctx, param=self.params[0])
            raise click.UsageError("put -- in front of the command: agentless run TARGET [OPTIONS] -- COMMAND…", ctx)
        return rest


_NEEDED = ("-i", "-l", "-u", "-k", "-b", "-K", "-f", "--host-key-checking", "--out", "-v")


@verb(cls=_Run, examples=_EXAMPLES, needed=_NEEDED)
@click.argument("target", shell_complete=complete_target)
@click.argument("command", nargs=-1, metavar="-- COMMAND...")
@_what(
    "--script",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Send this script, and run it by its #! line; the words behind -- are its arguments.",
)
@_what("--shell", metavar="SHELL", default="/bin/sh", help="The shell that gets COMMAND (/bin/sh).")
@_what("--cwd", metavar="DIR", help="Run it in this directory of the host.")
@_what(
    "--env",
    multiple=True,
    metavar="K[=V]",
    help="Set an environment variable, K alone to the value that it has here; may be given again.",
)
@_what(
    "--env-file",
    "env_files",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Set those of a file, lines of KEY=VALUE: no `ps` shows them. May be given again; --env wins.",
)
@_what(
    "--stdin",
    metavar="FILE|-",
    type=click.Path(),
    help="Give it this file as stdin (on every host), - is this command's own.",
)
@_what(
    "--metadata",
    multiple=True,
    metavar="K=V",
    help="Note something with the job, for `jobs list --metadata`; may be given again.",
)
@_what(
    "--return",
    "returners",
    multiple=True,
    shell_complete=complete_returner,
    metavar="NAME",
    help="Hand what hosts return to this returner of the configuration, too; may be given again.",
)
@_what(
    "--template",
    is_flag=True,
    help="COMMAND, the script and what --env sets are Jinja templates over the host's inventory variables; values are "
    "quoted for the shell, but for {{ … | safe }}. --check shows what each host would get.",
)
@_what("--check", is_flag=True, help="Contact nobody: show which hosts would get what.")
@_how_long("--detach", is_flag=True, help="Leave as soon as every host has accepted it; prints the JID.")
@_how_long(
    "--timeout",
    type=DURATION,
    metavar="TIME",
    help="The job's own deadline, kept by the host: 90, 90s, 15m, 3h. Output so far is kept.",
)
@_how_long(
    "--wait",
    type=DURATION,
    metavar="TIME",
    help="How long this command waits; the job goes on. With --batch, later batches are not sent then.",
)
@on_interrupt_option(section="How long")
@_how_many(
    "--batch",
    type=SHARE,
    metavar="N|N%",
    help="At most so many hosts at a time. With --detach, a process here sends the later ones; kill-job ends it.",
)
@_how_many(
    "--batch-wait",
    type=DURATION,
    metavar="TIME",
    help="Pause after a host has ended, before the next one gets its place in the batch.",
)
@_how_many(
    "--subset", type=click.IntRange(min=1), metavar="N", help="Only N of the hosts, picked at random; it says which."
)
@_how_many(
    "--max-fail",
    type=SHARE,
    metavar="N|N%",
    help="Start no further host when more than so many failed or were unreachable.",
)
@option(
    "--live",
    section="How it is shown",
    is_flag=True,
    help="Show output as it comes, of many hosts, too: each line behind the name of its host.",
)
@option("--group", section="How it is shown", is_flag=True, help="Identical results under one heading, at the end.")
@option(
    "--diff",
    section="How it is shown",
    is_flag=True,
    help="At the end the largest group of hosts with identical results, and how the others differ from it.",
)
@report_options
def run(
    invocation: Invocation,
    /,
    target: str,
    command: tuple[str, ...],
    check: bool,
    live: bool,
    shown: ReportOptions,
    on_interrupt: str | None,
    **options: Any,
) -> int:
    """Run COMMAND on the hosts of TARGET, as a job that goes on whatever becomes of this command.

    TARGET is a pattern as Ansible has it: a host, a group, web*, web*:&prod:!web3, ~regex, group[0:2], all.

    COMMAND given as one word goes to the shell as it stands; several words are quoted and joined.
    """  # fmt: skip
    from agentless.cli.attached import send

    out = invocation.out("text")
    words = _command(command, options["script"])
    env = job_environment(options["env"], options["env_files"], invocation.environ)
    metadata = pairs("--metadata", options["metadata"])
    if options["detach"] and options["wait"] is not None:
        raise UsageError("--detach leaves at once: it does not go with --wait")
    if options["batch_wait"] is not None and options["batch"] is None:
        raise UsageError("--batch-wait is a pause between batches: give --batch, too")
    if live:
        _refuse_with_live(out, detach=options["detach"], group=shown.group, diff=shown.diff)
    # Before stdin is read, which somebody may type.
    show = shown.printers(invocation, detach=options["detach"], live=live)
    spec = JobSpec(
        "" if options["script"] else shell_text(words, template=options["template"]),
        script=Script.read(options["script"], command) if options["script"] else None,
        env=env,
        stdin=_stdin(options["stdin"]),
        metadata=metadata,
        returners=tuple(options["returners"]),
        **{name: options[name] for name in ("cwd", "shell", "timeout", "template")},
    )
    alone = out == "text" and not options["detach"] and invocation.screen.out_look.terminal
    streams = True if live else None if alone else False
    how = Delivery(
        live=streams,
        **{name: options[name] for name in ("detach", "wait", "batch", "max_fail", "batch_wait", "subset")},
    )

    def prepare(fleet: Fleet) -> PreparedJob:
        prepared = fleet.prepare(target, spec, how)
        _tell_subset(invocation, prepared, "; the next run picks anew" if check else "")
        return prepared

    if check:
        from agentless.cli.preview import preview

        return preview(invocation, prepare(invocation.fleet), _shown(words, options["script"], spec), options["batch"])
    return send(invocation, prepare, show, on_interrupt=on_interrupt, detach=options["detach"]).exit_code


def _refuse_with_live(out: str, *, detach: bool, group: bool, diff: bool) -> None:
    for given, name in ((detach, "--detach"), (group, "--group"), (diff, "--diff"), (out != "text", f"--out {out}")):
        if given:
            raise UsageError(f"--live shows lines as they come, and {name} does not")


def _tell_subset(invocation: Invocation, prepared: PreparedJob, more: str) -> None:
    from agentless.hostlist import fold

    if len(prepared.endpoints) < prepared.selected:
        count = f"{len(prepared.endpoints)} of {prepared.selected} hosts"
        invocation.screen.say(f"subset of {count}, picked at random{more}: {fold(prepared.endpoints)}")


def _command(command: Sequence[str], script: Path | None) -> str | Sequence[str]:
    if script is not None:
        return command
    if not command or not any(word.strip() for word in command):
        raise UsageError("there is no command to run", "agentless run TARGET -- COMMAND…, or --script FILE")
    return command[0] if len(command) == 1 else command


def _stdin(source: str | None) -> bytes | None:
    if source is None:
        return None
    if source != "-":
        return read_input(source)
    try:
        return read_stream(sys.stdin.buffer, INPUT_MIB)
    except OSError as error:
        raise UsageError(f"--stdin -: {error.strerror}") from error


def _shown(words: str | Sequence[str], script: Path | None, spec: JobSpec) -> str:
    """The command as a shell would be given it."""
    import shlex

    return shlex.join([str(script), *words]) if script else shell_text(words, template=spec.template)
