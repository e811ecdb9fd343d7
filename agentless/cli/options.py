"""What makes a function a verb: the options that all verbs accept; and the arguments and options of several verbs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import click

from agentless.cli.commands import Command, Example, Option, option
from agentless.cli.completion import complete_limit, complete_spread, complete_target
from agentless.cli.interrupts import ON_INTERRUPT
from agentless.cli.invocation import FORMATS, Invocation
from agentless.cli.word_types import CONNECT_SECONDS, DURATION, JID

__all__ = ["SCHEDULE_FILE", "TARGET", "job_and_target", "on_interrupt_option", "shared_options", "verb"]

C = TypeVar("C", bound=click.Command)
F = TypeVar("F", bound=Callable[..., Any])


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    # Told by the value: click 8.4.0 sets the parameter's source only after this, and every option was lost.
    given = value not in (None, (), 0) or (value is False and bool(param.secondary_opts))
    if isinstance(ctx.obj, Invocation) and given:
        ctx.obj.take(param.name or "", value)


_INVENTORY = "Inventory"
_CONNECTION = "Connection"
_OUTPUT = "Output"


def _declared(taken: str) -> list[Option]:
    def shared(*names: str, section: str, **attributes: Any) -> Option:
        kept = [name for name in names if name.lstrip("-") not in set(taken) or name.startswith("--")]
        return Option(kept, section=section, shared=True, expose_value=False, callback=_remember, **attributes)

    return [
        shared("-i", "--inventory", section=_INVENTORY, multiple=True, metavar="PATH|HOSTS", type=click.Path(),
            help="Inventory file, directory or executable, or host names with commas; may be given again. "
                "Default: $AGENTLESS_INVENTORY, $ANSIBLE_INVENTORY, ./inventory.yaml, that of ansible.cfg, then "
                "the one in your config directory."),
        shared("-l", "--limit", section=_INVENTORY, metavar="PATTERN", shell_complete=complete_limit,
            help="Only these of the hosts: a pattern, @FILE, or @failed:JID and @unreachable:JID of an earlier job."),
        shared("-e", "--extra-vars", section=_INVENTORY, multiple=True, metavar="VAR=VALUE|@FILE",
            help="Variables that stand above the inventory's; a file of them is YAML or JSON."),
        shared("--ask-vault-pass", section=_INVENTORY, is_flag=True,
            help="Ask for the password of Ansible Vault."),
        shared("--vault-password-file", section=_INVENTORY, multiple=True, type=click.Path(), metavar="FILE",
            help="A file with the password of Ansible Vault, or a script that prints it."),
        shared("--vault-id", section=_INVENTORY, multiple=True, metavar="[LABEL@]SOURCE",
            help="A vault id and where its password comes from: a file, a script, or `prompt`."),
        shared("--config", section=_INVENTORY, type=click.Path(path_type=Path),
            metavar="FILE", help="Configuration file instead of the one in your config directory."),
        shared("-u", "--user", section=_CONNECTION, metavar="NAME", help="Log in as this user."),
        shared("--private-key", section=_CONNECTION, type=click.Path(), metavar="FILE",
            help="Log in with this key."),
        shared("-k", "--ask-pass", section=_CONNECTION, is_flag=True, help="Ask for the SSH password."),
        shared("--connection-password-file", "--conn-pass-file", section=_CONNECTION, metavar="FILE",
            type=click.Path(path_type=Path), help="A file with the SSH password, or a program that prints it."),
        shared("-b", "--become", section=_CONNECTION, is_flag=True,
            help="Run as another user: root, unless --become-user says else."),
        shared("--become-method", section=_CONNECTION, type=click.Choice(["sudo", "su", "doas"]),
            help="What becomes another user (sudo)."),
        shared("--become-user", section=_CONNECTION, metavar="NAME", help="The user to become."),
        shared("-K", "--ask-become-pass", section=_CONNECTION, is_flag=True,
            help="Ask for the password of sudo, su or doas."),
        shared("--become-password-file", "--become-pass-file", section=_CONNECTION, metavar="FILE",
            type=click.Path(path_type=Path), help="A file with that password, or a program that prints it."),
        shared("-f", "--forks", section=_CONNECTION, type=click.IntRange(min=1), metavar="N",
            help="Hosts that are contacted at once (100). A job that only runs on takes no place."),
        shared("--spread", section=_CONNECTION, metavar="WHERE", shell_complete=complete_spread,
            help="Contact hosts from: threads, cores (a process each), a Dask cluster (tcp://SCHEDULER:8786, tls://), "
                "or auto: cores from 500 hosts on where there are four."),
        shared("--ssh-common-args", section=_CONNECTION, metavar="ARGS",
            help="Arguments of ssh, as Ansible takes them: '-o ProxyJump=bastion'."),
        shared("-T", "--connect-timeout", section=_CONNECTION, type=CONNECT_SECONDS, metavar="SECONDS",
            help="For connecting to one host, all its phases together (10)."),
        shared("--keep", section=_CONNECTION, type=DURATION, metavar="TIME",
            help="How long connections stay for the next command after their last use (0 keeps none)."),
        shared("--host-key-checking", section=_CONNECTION, type=click.Choice(["strict", "accept-new"]),
            help="accept-new adds the keys of unknown hosts to known_hosts; a changed key is always refused."),
        shared("--out", section=_OUTPUT, type=click.Choice(FORMATS), help="How results are written to stdout."),
        shared("--color", section=_OUTPUT, type=click.Choice(["auto", "always", "never"]),
            help="Colours: on terminals (auto), also into pipes (always), nowhere. $NO_COLOR and $FORCE_COLOR too."),
        shared("--progress/--no-progress", section=_OUTPUT, default=None,
            help="Name the hosts still waited for, on stderr. Default: on a terminal."),
        shared("-v", "--verbose", section=_OUTPUT, count=True,
            help="Say on stderr what was decided and why: inventory, settings, logins. -vv: each step, too."),
        shared("-q", "--quiet", section=_OUTPUT, is_flag=True, help="No summaries and hints on stderr."),
    ]  # fmt: skip


def shared_options(*, taken: str = "") -> Callable[[C], C]:
    """Let a command accept the shared options behind its own, but without the letters that it has `taken`."""

    def decorate(command: C) -> C:
        command.params += _declared(taken)
        return command

    return decorate


def verb(
    name: str | None = None,
    *,
    examples: Sequence[Example] = (),
    cls: type[Command] = Command,
    taken: str = "",
    refused: Mapping[str, str] = MappingProxyType({}),
    needed: Sequence[str] = (),
) -> Callable[[Callable[..., int]], Command]:
    """Make a function a verb: it gets the `Invocation` and its own options and arguments, and returns the exit code.

    Args:
        name: where the function's name is not the verb's.
        taken: as for `shared_options`.
        refused: shared options that this verb could only ignore, each with what to do instead.
        needed: shared options that its help shows, for they are needed most.
    """

    def decorate(function: Callable[..., int]) -> Command:
        @functools.wraps(function)
        def run(invocation: Invocation, /, *arguments: Any, **options: Any) -> int:
            invocation.refuse(refused)
            return function(invocation, *arguments, **options)

        command = click.command(name, cls=cls, examples=examples, needed=needed)(click.pass_obj(run))
        return shared_options(taken=taken)(command)

    return decorate


TARGET = click.argument("target", required=False, shell_complete=complete_target)


def job_and_target(function: F) -> F:
    """The arguments JID and, after it, [TARGET]."""
    return click.argument("jid", type=JID)(TARGET(function))


on_interrupt_option = functools.partial(
    option,
    "--on-interrupt",
    type=click.Choice(ON_INTERRUPT),
    help="What Ctrl-C does. Default: ask on a terminal, term elsewhere. A closed terminal detaches.",
)
SCHEDULE_FILE = option(
    "--schedule-file",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="PATH",
    help="Default: schedule.yaml beside the inventory, then the one in your config directory.",
)
