"""Help, and verbs that are loaded when they are needed."""

from __future__ import annotations

import re
from pathlib import Path

import click

from agentless.cli.app import cli
from agentless.cli.commands import VerbGroup
from tests.cli.conftest import Say, made


def test_alone_it_shows_an_overview_and_help_shows_everything(say: Say) -> None:
    code, out, err = say()
    assert (code, err) == (0, "")
    assert "agentless run" in out
    assert len(out.splitlines()) < 20
    assert say("help")[1] == say("--help")[1]
    assert say("help", "jobs", "list")[1] == say("jobs", "list", "-h")[1]
    assert say("jobs")[1] == say("jobs", "--help")[1]


def test_the_examples_of_the_help_are_command_lines_that_can_be_read(say: Say) -> None:
    """Each is parsed as it stands; only what it would do is left out."""
    import shlex

    def examples(command: click.Command, ctx: click.Context) -> list[str]:
        found = [line for line, _ in getattr(command, "examples", ())]
        if isinstance(command, VerbGroup):
            for name in command.list_commands(ctx):
                inner = command.get_command(ctx, name)
                assert inner is not None
                found += examples(inner, click.Context(inner, parent=ctx))
        return found

    lines = [
        line for line in examples(cli, click.Context(cli, **cli.context_settings)) if line.startswith("agentless ")
    ]
    assert len(lines) > 20
    Path("backup.sh").touch()
    for line in lines:
        words = shlex.split(re.split(r" > | && ", line)[0])[1:]
        if words[0] in ("demo", "completion", "help", "top"):
            continue
        assert "inventory" in made(*words)


def test_a_page_of_help_fits_a_terminal(say: Say) -> None:
    for words in ([], ["run"], ["jobs"], ["jobs", "list"], ["hosts"], ["kill-job"], ["completion"]):
        out = say(*words, "--help")[1]
        assert max(map(len, out.splitlines())) <= 80, words
