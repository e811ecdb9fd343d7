"""Shell completion: the scripts for bash, zsh and fish, and what completes hosts, groups, JIDs and signals."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agentless.cli.commands import Command, the_invocation
from agentless.cli.invocation import Invocation
from agentless.report.printable import one_line

# Loaded when a word is completed, which no other command does.
if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = [
    "complete_destination", "complete_entry", "complete_function", "complete_host", "complete_jid", "complete_keys",
    "complete_limit", "complete_remote", "complete_returner", "complete_signal", "complete_spread", "complete_target",
    "completion", "offered",
]  # fmt: skip

PROGRAM = "agentless"
VARIABLE = "_AGENTLESS_COMPLETE"
_MOST_JIDS = 50
# readline takes a colon, an `=` and an `@` for the end of a word, and patterns have them: the words are read from the
# line itself, and what readline keeps of the last one is left out of the replies. An `@` begins what it replaces.
_BASH_WORDS = """\
    local line=${COMP_LINE:0:COMP_POINT} words
    IFS=$' \\t' read -ra words <<< "$line"
    [[ $line != *[[:blank:]] ]] || words+=("")
    local cword=$((${#words[@]} - 1))
    local last=${words[cword]}
    local kept=${last%"${last##*[$COMP_WORDBREAKS]}"}
    kept=${kept%@}
"""
_BASH_CALL = 'env COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD'
_BASH_REPLY = "COMPREPLY+=($value)"
# What ends with one of these is not whole yet: `web:` wants a path, `function=` a value.
_BASH_NO_SPACE = """\
    [[ ${COMPREPLY[0]} != *[:=] ]] || compopt -o nospace

    return 0
"""
_ZSH_NO_SPACE = """\
local -a space
        [[ $completions[1] != *[:=] ]] || space=(-S '')
        compadd "${space[@]}" -U -V"""
_SIGNALS = ("TERM", "KILL", "INT", "HUP", "QUIT", "USR1", "USR2", "STOP", "CONT")


def offered(value: str, help: str | None = None, type: str = "plain") -> CompletionItem:
    """A word that a shell may complete; with `type` `file`, files that begin so."""
    from click.shell_completion import CompletionItem

    return CompletionItem(value, help=help, type=type)


def _beginning(incomplete: str, words: Iterable[str]) -> list[CompletionItem]:
    return [offered(word) for word in words if word.startswith(incomplete)]


def _items(
    ctx: click.Context, incomplete: str, ask: Callable[[Invocation], Iterable[CompletionItem]]
) -> list[CompletionItem]:
    """What can be shown of the words that an inventory or the cache gives, and begins so.

    Completion has nobody to tell what is wrong with them: then it knows no words.
    """
    invocation = ctx.find_object(Invocation)
    if invocation is None:
        return []
    invocation.given.pop("ask_pass", None)
    invocation.given.pop("ask_become_pass", None)
    try:
        shown = (item for item in ask(invocation) if one_line(item.value) == item.value)
        return [item for item in shown if item.value.startswith(incomplete)]
    except Exception:  # noqa: BLE001  a traceback between the words on a prompt helps nobody
        return []


def _jids(invocation: Invocation) -> Iterable[CompletionItem]:
    """The newest jobs of the cache, with what they ran on what."""
    for row in invocation.fleet.list_jobs(limit=_MOST_JIDS).rows:
        job = row.job
        yield offered(job.jid, help=one_line(f"{job.target}: {' '.join(job.arguments)}"[:60]))


def complete_target(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Groups and hosts; behind a `:`, `,`, `!` or `&` of a pattern too."""
    cut = max(incomplete.rfind(mark) for mark in ":,!&") + 1
    before, word = incomplete[:cut], incomplete[cut:]
    items = _items(ctx, word, lambda invocation: map(offered, invocation.fleet.target_names()))
    return [offered(before + item.value) for item in items]


def complete_host(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Hosts alone."""
    return _items(ctx, incomplete, lambda invocation: map(offered, invocation.fleet.target_names(groups=False)))


def complete_limit(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """As a target; behind an `@` jobs whose hosts are meant, or a file."""
    lists = ("@failed:", "@unreachable:")
    for name in lists:
        if incomplete.startswith(name):
            jids = complete_jid(ctx, param, incomplete.removeprefix(name))
            return [offered(name + item.value, help=item.help) for item in jids]
    if incomplete.startswith("@"):
        return _beginning(incomplete, lists)
    return complete_target(ctx, param, incomplete)


def _places(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Targets with the colon that a path follows; nothing where the path has begun."""
    if (
        "/" in incomplete
        or incomplete.startswith((".", "~"))
        or incomplete.rfind(":") > max(map(incomplete.rfind, ",!&"))
    ):
        return []
    return [offered(f"{item.value}:") for item in complete_target(ctx, param, incomplete)]


def _files(incomplete: str) -> list[CompletionItem]:
    """What stands for files of this machine. It comes first: bash's script forgets what came before it."""
    return [] if ":" in incomplete else [offered(incomplete, type="file")]


def _words_before(ctx: click.Context) -> bool:
    return any(ctx.params.get(name) for name in ("sources", "destination", "directory"))


def complete_destination(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """A word of `put`: the first is a file, each further one a file or the TARGET: of a place."""
    return _files(incomplete) + (_places(ctx, param, incomplete) if _words_before(ctx) else [])


def complete_remote(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """A word of `get`: the first is the TARGET: of a place, each further one that or a directory."""
    return (_files(incomplete) if _words_before(ctx) else []) + _places(ctx, param, incomplete)


def complete_function(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """What jobs run."""
    from agentless.schedule.work import HOST_FUNCTIONS

    return _beginning(incomplete, HOST_FUNCTIONS)


def complete_keys(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """A KEY= of a schedule entry, and behind it what the value may be."""
    from agentless.schedule.schedule_file import KEYS
    from agentless.schedule.work import CONTROLLER_FUNCTIONS, HOST_FUNCTIONS

    key, equals, value = incomplete.partition("=")
    if not equals:
        return _beginning(key, [f"{name}=" for name in KEYS])
    if key == "target":
        return [offered(f"target={item.value}") for item in complete_target(ctx, param, value)]
    known = (*HOST_FUNCTIONS, *CONTROLLER_FUNCTIONS) if key == "function" else ()
    return _beginning(incomplete, [f"{key}={name}" for name in known])


def complete_returner(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Returners of the configuration."""
    return _items(ctx, incomplete, lambda invocation: map(offered, invocation.fleet.config.returners))


def complete_spread(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return _beginning(incomplete, ("auto", "threads", "cores", "tcp://", "tls://"))


def complete_jid(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """`last`, and the newest jobs of the cache."""
    last = [offered("last", help="the newest job")] if "last".startswith(incomplete) else []
    return [*last, *_items(ctx, incomplete, _jids)]


def _entries(invocation: Invocation, file: Path | None) -> Iterable[CompletionItem]:
    """The entries of a schedule file, with what they run."""
    for entry in invocation.fleet.schedule(file).file.entries.values():
        yield offered(entry.name, help=one_line(f"{entry.function} {' '.join(entry.args)}".strip()[:60]))


def complete_entry(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of the schedule's entries."""
    file = ctx.params.get("file")
    return _items(ctx, incomplete, lambda invocation: _entries(invocation, None if file is None else Path(file)))


def complete_signal(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return _beginning(incomplete.upper(), _SIGNALS)


@click.command(
    cls=Command,
    examples=[
        ('eval "$(agentless completion bash)"', "in ~/.bashrc"),
        ('eval "$(agentless completion zsh)"', "in ~/.zshrc, after compinit"),
        ("agentless completion fish > ~/.config/fish/completions/agentless.fish", "once"),
    ],
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> int:
    """Print the completion script for a shell: verbs, options, hosts, groups and JIDs complete."""
    from click.shell_completion import get_completion_class

    complete = get_completion_class(shell)
    assert complete is not None
    script = complete(ctx.find_root().command, {}, PROGRAM, VARIABLE).source()
    if shell == "bash":
        script = script.replace("    local response\n", f"    local response\n{_BASH_WORDS}", 1)
        script = script.replace(_BASH_CALL, 'env COMP_WORDS="$line" COMP_CWORD=$cword')
        script = script.replace(_BASH_REPLY, 'COMPREPLY+=("${value#"$kept"}")')
        script = script.replace("    return 0\n", _BASH_NO_SPACE, 1)
    if shell == "zsh":
        script = script.replace("compadd -U -V", _ZSH_NO_SPACE)
    # click's script for fish cuts a word at its first comma, and patterns have commas; and jobs come newest first.
    script = script.replace('string split ","', 'string split --max 1 ","')
    the_invocation(ctx).screen.result(script.replace("complete --no-files", "complete --keep-order --no-files"))
    return 0
