"""Options that every verb accepts, before it or after it."""

from __future__ import annotations

import click
import pytest

from agentless.cli.app import cli
from agentless.cli.commands import VerbGroup
from tests.cli.conftest import made


def test_they_are_seen_without_what_click_knows_of_their_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """click 8.4.0 notes it after it has called back: `-i` and all others before and behind the verb were lost."""
    monkeypatch.setattr(click.Context, "get_parameter_source", lambda self, name: None)
    options = made("-i", "a,", "-b", "running", "-l", "web")
    assert (options["inventory"], options["become"], options["limit"]) == (("a,",), True, "web")


@pytest.mark.parametrize(
    "words",
    [
        ["-i", "a,", "-l", "web", "-u", "ada", "-f", "7", "-b", "running"],
        ["running", "-i", "a,", "-l", "web", "-u", "ada", "-f", "7", "-b"],
        ["-i", "a,", "running", "-l", "web", "all", "-u", "ada", "-f7", "-b"],
        ["-i", "a,", "-f", "3", "-l", "no", "running", "-l", "web", "-u", "ada", "-f", "7", "--become"],
        ["-i", "a,", "-u", "ada", "jobs", "-l", "web", "active", "-f", "7", "-b"],
    ],
)
def test_shared_options_stand_before_or_after_the_verb_and_the_later_wins(words: list[str]) -> None:
    options = made(*words)
    assert [options[key] for key in ("inventory", "limit", "user", "forks", "become")] == [
        ("a,",),
        "web",
        "ada",
        7,
        True,
    ]


def test_a_verb_s_own_letter_wins() -> None:
    assert made("jobs", "tail", "last", "-f")["forks"] is None
    assert made("-f", "3", "jobs", "tail", "last", "-f", "--forks", "4")["forks"] == 4


def test_every_verb_accepts_every_shared_option() -> None:
    def verbs(group: VerbGroup, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
        ctx = click.Context(group)
        found = []
        for name in group.list_commands(ctx):
            command = group.get_command(ctx, name)
            assert command is not None
            found.append(((*path, name), command))
            if isinstance(command, VerbGroup):
                found += verbs(command, (*path, name))
        return found

    assert isinstance(cli, VerbGroup)
    shared = {option for param in cli.params if getattr(param, "shared", False) for option in param.opts}
    for path, command in verbs(cli):
        if path[0] not in ("demo", "completion", "help"):
            missing = shared - {option for param in command.params for option in param.opts}
            assert not missing, path
