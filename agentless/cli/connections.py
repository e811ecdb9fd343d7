"""The connections that are kept for the next command."""

from __future__ import annotations

import click

from agentless.cli.commands import Verb, VerbGroup, the_invocation
from agentless.cli.invocation import Invocation
from agentless.cli.options import TARGET, shared_options, verb
from agentless.cli.rows import Sheet
from agentless.model.connections import Connections
from agentless.report import tables

__all__ = ["close", "connections"]

_VERBS = {"close": Verb("Upkeep", "agentless.cli.connections", "close")}


@shared_options()
@click.group(cls=VerbGroup, verbs=_VERBS, invoke_without_command=True)
@click.pass_context
def connections(ctx: click.Context, /) -> int:
    """The connections that are kept for the next command, and for how long. Contacts nobody."""
    if ctx.invoked_subcommand is not None:
        return 0
    invocation = the_invocation(ctx)
    return _show(invocation, invocation.fleet.connections(), "no connection is kept")


@verb(
    examples=[
        ("agentless connections close", "log out everywhere"),
        ("agentless connections close 'web*'", "on these hosts; the next command logs in again"),
    ],
)
@TARGET
def close(invocation: Invocation, /, target: str | None) -> int:
    """Let go of the connections that are kept; shows which. What is under way goes on to its end."""
    return _show(invocation, invocation.fleet.close_connections(target), "no connection was kept")


def _show(invocation: Invocation, result: Connections, empty: str) -> int:
    entries = {str(number): one.to_json() for number, one in enumerate(result.connections)}
    Sheet(invocation).show(result.to_json, tables.connections(result), entries=entries, key="number", empty=empty)
    return result.exit_code
