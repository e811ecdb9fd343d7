"""`agentless demo`: a throwaway fleet on this machine, and the main job run on it."""

from __future__ import annotations

import click

from agentless.cli.commands import Command, option
from agentless.cli.invocation import Invocation

__all__ = ["demo"]


@click.command(
    cls=Command,
    examples=[
        ("agentless demo", "see what it does"),
        ("agentless demo --keep", "leave the fleet up, to try things by hand in another terminal"),
    ],
)
@option("--hosts", type=click.IntRange(1, 50), default=3, metavar="N", help="How many hosts (3).")
@option("--keep", is_flag=True, help="Leave the fleet up until Ctrl-C, and say how to use it.")
@click.pass_obj
def demo(invocation: Invocation, /, hosts: int, keep: bool) -> int:
    """Start a fleet on this machine, run jobs on it, kill one, look it up. Needs no root, no sshd, no inventory."""
    from agentless.demo import demo as tell

    own = "the demo has a fleet and an output of its own"
    invocation.refuse(dict.fromkeys(invocation.given.keys() - {"quiet", "verbose", "progress"}, own))

    return tell(lambda line: invocation.screen.result(line + "\n"), hosts=hosts, keep=keep)
