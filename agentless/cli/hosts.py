"""The inventory and the way to its hosts: `hosts` and `ping`."""

from __future__ import annotations

import click

from agentless.cli.commands import option
from agentless.cli.invocation import Invocation
from agentless.cli.options import TARGET, verb
from agentless.cli.rows import Sheet, tell_no_way
from agentless.hostlist import fold
from agentless.report import tables
from agentless.report.graph import tree
from agentless.report.spelling import as_typed

__all__ = ["hosts", "ping"]


@verb(
    examples=[
        ("agentless hosts 'web*:&prod'", "what a pattern selects"),
        ("agentless hosts --graph", "groups and their hosts as a tree"),
    ]
)
@TARGET
@option("--graph", is_flag=True, help="Show the groups as a tree.")
@option("--show-passwords", is_flag=True, help="Don't mask passwords among the variables.")
def hosts(invocation: Invocation, /, target: str | None, graph: bool, show_passwords: bool) -> int:
    """What a pattern selects, with the resolved connection settings. Contacts nobody.

    An empty PORT or USER is left to your ~/.ssh/config. The exit code is 3 where there is no way to some host.
    """
    sheet = Sheet(invocation)
    result = invocation.fleet.hosts(target, passwords=show_passwords)
    if graph and not sheet.rows:
        raise click.UsageError(f"--graph draws a tree, and --out {sheet.out} has none")
    if graph:
        invocation.screen.result(tree(invocation.fleet.inventory.groups, result.hosts))
    else:
        sheet.show(result.to_json, tables.hosts(result))
    if not invocation.screen.verbose:
        for line in invocation.fleet.origins:
            invocation.screen.say(as_typed(line))
    else:
        for one in invocation.fleet.connections(target).connections:
            names = [name for name in one.names if name in result.hosts]
            if names:
                way = f"the master of ssh at {one.socket}" if one.socket else "a connection that is kept"
                invocation.screen.detail(f"agentless: {fold(names)}: over {way}")
    tell_no_way(invocation, result.problems)
    return result.exit_code


@verb(examples=[("agentless ping", "can every host be reached, and does it have a Python 3.6 or newer")])
@TARGET
def ping(invocation: Invocation, /, target: str | None) -> int:
    """Connect to each host, bring the helper, and say which Python answered."""
    sheet = Sheet(invocation)
    result = invocation.fleet.ping(target)
    sheet.show(result.to_json, tables.ping(result), problems=result.problems)
    sheet.tell_problems(result.problems)
    return result.exit_code
