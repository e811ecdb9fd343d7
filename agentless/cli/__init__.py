"""The command line: the only floor that prints, asks and exits."""

from agentless.later import later

# Both need it for help and for signatures, and it is a thirtieth of a quick command's start.
with later("inspect"):
    import dataclasses  # noqa: F401

    import click  # noqa: F401

from agentless.cli.app import main

__all__ = ["main"]
