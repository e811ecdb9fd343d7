"""The verbs, the options before them, and the one place where an error becomes a message and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from agentless.cli.commands import Command, Left, Verb, VerbGroup, meant, option, show_help, the_invocation
from agentless.cli.completion import PROGRAM, VARIABLE, offered
from agentless.cli.interrupts import Interrupts
from agentless.cli.invocation import Invocation
from agentless.cli.options import shared_options
from agentless.cli.screen import ReaderGone, Screen
from agentless.errors import AgentlessError, UsageError
from agentless.model import exit_codes
from agentless.report.failure import failure, interrupted
from agentless.report.wrapping import wrapped

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from agentless.fleet import Fleet

__all__ = ["main"]

_RUN, _SEE, _FLEET, _TIMES, _REST = "Run and end jobs", "See jobs", "The fleet", "At their times", "More"
_VERBS = {
    "run": Verb(_RUN, "agentless.cli.run", "run"),
    "signal-job": Verb(_RUN, "agentless.cli.proc", "signal_job"),
    "term-job": Verb(_RUN, "agentless.cli.proc", "term_job"),
    "kill-job": Verb(_RUN, "agentless.cli.proc", "kill_job"),
    "top": Verb(_SEE, "agentless.cli.top", "top"),
    "running": Verb(_SEE, "agentless.cli.proc", "running"),
    "find-job": Verb(_SEE, "agentless.cli.proc", "find_job"),
    "jobs": Verb(_SEE, "agentless.cli.jobs", "jobs"),
    "hosts": Verb(_FLEET, "agentless.cli.hosts", "hosts"),
    "ping": Verb(_FLEET, "agentless.cli.hosts", "ping"),
    "put": Verb(_FLEET, "agentless.cli.put_and_get", "put"),
    "get": Verb(_FLEET, "agentless.cli.put_and_get", "get"),
    "connections": Verb(_FLEET, "agentless.cli.connections", "connections"),
    "schedule": Verb(_TIMES, "agentless.cli.schedule", "schedule"),
    "scheduler": Verb(_TIMES, "agentless.cli.scheduler", "scheduler"),
    "demo": Verb(_REST, "agentless.cli.demo", "demo"),
    "completion": Verb(_REST, "agentless.cli.completion", "completion"),
    "help": Verb(_REST, "agentless.cli.app", "help_"),
}

_OVERVIEW = """\
agentless: jobs on a fleet, over SSH, without agents.

  agentless run 'web*' -- uptime             run on many hosts, see each result
  agentless run db1 --detach -- ./backup.sh  send it and leave; prints the JID
  agentless jobs active                      what runs where
  agentless jobs wait last                   come back to the newest job
  agentless jobs lookup last                 what it returned, also tomorrow
  agentless jobs retry last                  again, where it did not end well
  agentless kill-job last                    end it, with all that it started
  agentless hosts --graph                    your inventory, which is Ansible's

agentless demo shows all that on a throwaway fleet.
agentless help lists the verbs and options.
"""

_EXAMPLES = [
    ("agentless run 'web*' -- uptime", "on all hosts that match, each one's result as it finishes"),
    ("agentless jobs lookup last", "the same results again"),
]


def _version(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from agentless import __version__

        the_invocation(ctx).screen.result(f"agentless {__version__}\n")
        ctx.exit(0)


@shared_options()
@click.group(
    cls=VerbGroup,
    verbs=_VERBS,
    examples=_EXAMPLES,
    invoke_without_command=True,
    options_metavar="[OPTIONS]",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version.")
@click.pass_context
def cli(ctx: click.Context) -> int:
    """Jobs on a fleet, over SSH, without agents: run, list, follow, signal and look up.

    Every command that is sent becomes a job with a JID. It goes on when this command ends or the connection is cut.
    The options below are accepted before and after the verb.

    Exit codes: 0 all returned 0; 1 a job failed; 2 wrong call, configuration or inventory; 3 a host was unreachable,
    lost or not started; 4 jobs still run; 130 interrupted.
    """  # fmt: skip
    if ctx.invoked_subcommand is None:
        screen = the_invocation(ctx).screen
        lines = [part for line in _OVERVIEW.splitlines() for part in wrapped(line, screen.columns, " " * 6)]
        screen.result("\n".join(lines) + "\n")
    return 0


def _complete_verb(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    at: click.Command | None = ctx.find_root().command
    for word in ctx.params.get("verb") or ():
        at = at.get_command(ctx, word) if isinstance(at, VerbGroup) else None
    return [offered(name) for name in at.verbs if name.startswith(incomplete)] if isinstance(at, VerbGroup) else []


@click.command("help", cls=Command)
@click.argument("verb", nargs=-1, shell_complete=_complete_verb)
@option("--man", is_flag=True, help="The manual page instead, for `man -l -`.")
@click.pass_context
def help_(ctx: click.Context, verb: Sequence[str], man: bool) -> int:
    """The help of agentless, or of a VERB."""
    at = ctx.find_root()
    for word in verb:
        command = at.command.get_command(at, word) if isinstance(at.command, VerbGroup) else None
        if command is None:
            known = at.command.verbs if isinstance(at.command, VerbGroup) else ()
            raise click.UsageError(f"there is no verb {' '.join(verb)!r}{meant(word, known)}")
        at = click.Context(command, info_name=word, parent=at)
    if not man:
        return show_help(at)
    from agentless import __version__
    from agentless.cli.manual import manual

    the_invocation(ctx).screen.result(manual(at, __version__))
    return 0


def _fleet(*arguments: Any, **options: Any) -> Fleet:
    # paramiko, yaml and the rest: only for verbs that need a fleet.
    from agentless.fleet import Fleet

    return Fleet(*arguments, **options)


def main(
    arguments: Sequence[str] | None = None,
    *,
    make_fleet: Callable[..., Fleet] = _fleet,
    environ: Mapping[str, str] = os.environ,
) -> int:
    """Run one command line and return its exit code; the only place that turns errors into messages.

    Args:
        arguments: the words behind the program's name; None takes this process's.
        make_fleet: what builds the Fleet.
        environ: this command's environment: `NO_COLOR`, `TERM`, and what `run --env K` takes from it.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    screen = Screen(environ)
    try:
        with Interrupts(screen.prompts.end) as interrupts:
            return _run(words, Invocation(screen, make_fleet, interrupts, environ))
    except KeyboardInterrupt:
        # Between the handlers and the command, or while it let go of its connections.
        screen.conclude(interrupted(words, "interrupted"))
        return exit_codes.INTERRUPTED


def _run(words: Sequence[str], invocation: Invocation) -> int:
    screen = invocation.screen
    try:
        _check_words(words)
        code = cli.main(
            list(words),
            prog_name=PROGRAM,
            complete_var=VARIABLE,
            standalone_mode=False,
            obj=invocation,
        )
        if code != exit_codes.INTERRUPTED:
            invocation.deliver()
        return code if isinstance(code, int) else 0
    except click.UsageError as error:
        context = error.ctx
        verb = context.command_path if context is not None else PROGRAM
        hint = f"{verb} --help tells more." if verb != PROGRAM else f"{PROGRAM} help lists the verbs."
        habit = _in_our_words(words)
        screen.error(_lower(error.format_message()), f"In agentless's words: {habit}" if habit else hint)
        return exit_codes.USAGE
    except click.ClickException as error:
        screen.error(error.format_message())
        return exit_codes.USAGE
    except AgentlessError as error:
        screen.error(error.message, error.hint)
        if not isinstance(error, UsageError):
            _conclude(screen, words, error.kind, error.message, error.hint, exit_codes.USAGE)
        return exit_codes.USAGE
    except (KeyboardInterrupt, click.Abort, Left) as interruption:
        with invocation.interrupts.ignored():
            screen.below_the_echo()
            message = str(interruption) or "interrupted"
            screen.error(message)
            screen.conclude(interrupted(words, message))
        return exit_codes.INTERRUPTED
    except ReaderGone as gone:
        screen.abandon_stdout()
        if not gone.reason:
            return exit_codes.PIPE
        screen.error(f"cannot write to stdout: {gone.reason}")
        return exit_codes.OUTPUT
    except Exception as error:  # noqa: BLE001  the last boundary: it shows the traceback
        from traceback import format_exc

        screen.defect(format_exc())
        screen.error("this is a defect of agentless, not of your hosts; please report it with the lines above")
        _conclude(screen, words, "internal", f"{type(error).__name__}: {error}", "", exit_codes.DEFECT)
        return exit_codes.DEFECT
    finally:
        invocation.close()


def _conclude(screen: Screen, words: Sequence[str], kind: str, message: str, hint: str, exit_code: int) -> None:
    screen.conclude(failure(words, kind, message, hint, exit_code))


def _in_our_words(words: Sequence[str]) -> str | None:
    """What was probably meant, where a line is in the words of another tool."""
    from agentless.cli.habits import translated
    from agentless.cli.jobs import jobs
    from agentless.cli.synonyms import retyped

    assert isinstance(jobs, VerbGroup)
    return retyped(words, _VERBS, jobs.verbs, cli.params) or translated(words)


def _check_words(words: Sequence[str]) -> None:
    """Refuse what no argument list of a process can hold, and no file name, host or command either."""
    for word in words:
        try:
            encoded = os.fsencode(word)
        except UnicodeEncodeError:
            encoded = b"\0"
        if b"\0" in encoded:
            raise click.UsageError(f"{word[:40]!r} holds a NUL byte, or a character that has no encoding here")


def _lower(message: str) -> str:
    """click's messages are sentences; behind `agentless:` they begin small and end without a full stop, on one line."""
    message = message.replace("\n\t", " ")
    first, rest = message[:1], message[1:]
    return first.lower() + rest.rstrip(".") if rest[:1].islower() or rest[:1] == " " else message
