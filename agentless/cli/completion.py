"""Shell completion: the scripts for bash, zsh and fish, and what completes hosts, groups, JIDs and signals."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import click
from click.shell_completion import CompletionItem, get_completion_class

from agentless.cli.commands import Command
from agentless.cli.invocation import Invocation
from agentless.errors import AgentlessError

__all__ = ["complete_jid", "complete_signal", "complete_target", "completion"]

PROGRAM = "agentless"
VARIABLE = "_AGENTLESS_COMPLETE"
_MOST_JIDS = 50
_SIGNALS = ("TERM", "KILL", "INT", "HUP", "QUIT", "USR1", "USR2", "STOP", "CONT")

T = TypeVar("T")


def _quietly(ctx: click.Context, ask: Callable[[Invocation], Iterable[T]]) -> list[T]:
    """Completion has nobody to tell what is wrong with an inventory or a cache: then it knows no words."""
    invocation = ctx.find_object(Invocation)
    if invocation is None:
        return []
    for name in ("ask_pass", "ask_become_pass"):
        invocation.given.pop(name, None)
    try:
        return list(ask(invocation))
    except (AgentlessError, OSError):
        return []


def _targets(invocation: Invocation) -> Iterable[str]:
    document = invocation.fleet.hosts(None).to_json()
    groups = {group: None for host in document.values() for group in host["groups"]}
    return ["all", *groups, *document]


def complete_target(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Groups and hosts; behind a `:`, `,`, `!` or `&` of a pattern too."""
    cut = max(incomplete.rfind(mark) for mark in ":,!&") + 1
    before, word = incomplete[:cut], incomplete[cut:]
    return [CompletionItem(before + name) for name in _quietly(ctx, _targets) if name.startswith(word)]


def complete_jid(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The newest jobs of the cache, with what they ran on what."""
    rows = _quietly(ctx, lambda invocation: invocation.fleet.list_jobs(limit=_MOST_JIDS).to_json().items())
    jids = [CompletionItem(jid, help=f"{job['target']}: {' '.join(job['arguments'])}"[:60]) for jid, job in rows]
    return [
        item for item in [CompletionItem("last", help="the newest job"), *jids] if item.value.startswith(incomplete)
    ]


def complete_signal(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in _SIGNALS if name.startswith(incomplete.upper())]


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
    invocation = ctx.find_object(Invocation)
    complete = get_completion_class(shell)
    assert invocation is not None
    assert complete is not None
    script = complete(ctx.find_root().command, {}, PROGRAM, VARIABLE).source()
    # click's script for fish cuts a word at its first comma, and patterns have commas.
    invocation.screen.result(script.replace('string split ","', 'string split --max 1 ","'))
    return 0
