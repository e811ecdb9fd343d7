"""The command line: the only floor that prints, asks and exits."""

from agentless.cli.app import main

__all__ = ["main"]
