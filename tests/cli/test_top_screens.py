"""What `agentless top` puts over its view: what a key answers, and what is shown of an output."""

from __future__ import annotations

import re
from typing import Any

import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.screen import Screen

from agentless.cli.top_app import TopApp
from agentless.cli.top_screens import FollowScreen, Question, SignalInput
from agentless.cli.watcher import Watcher
from agentless.fleet import Fleet
from tests.cli.test_top_app import becomes, drive, flat, shown, still
from tests.cli.test_watcher import fleet, sent
from tests.hosts import Sshd, until

__all__ = ["fleet"]


def over(screen: Screen[Any], *keys: str, shows: str) -> list[object]:
    """What a screen gives back when it shows this and these keys are pressed."""
    app: App[None] = App()
    answers: list[object] = []

    async def play(pilot: Pilot[None]) -> None:
        app.push_screen(screen, answers.append)
        await becomes(pilot, lambda: shows in flat(app), shows)
        await pilot.press(*keys)
        await pilot.pause()

    drive(app, play)
    return answers


@pytest.mark.parametrize(("key", "answer"), [("y", True), ("n", False), ("enter", False), ("escape", False)])
def test_only_y_is_yes(key: str, answer: bool) -> None:
    text = "Send KILL to job [bold]x[/bold]?"
    assert over(Question(text), key, shows=f"{text} [y/N]") == [answer], "and a text is no markup"


@pytest.mark.parametrize(
    ("keys", "signal"), [(("H", "U", "P", "enter"), "HUP"), (("space", "9", "enter"), "9"), (("U", "escape"), "")]
)
def test_a_signal_is_what_was_typed_and_none_where_it_was_left(keys: tuple[str, ...], signal: str) -> None:
    assert over(SignalInput(), *keys, shows="Which signal?") == [signal]


def test_a_question_mark_lists_every_key_of_the_footer() -> None:
    app = still()

    async def play(pilot: Pilot[None]) -> None:
        await pilot.press("question_mark")
        await becomes(pilot, lambda: "with these words" in flat(app), "the keys")
        for key, word in (("k", "KILL"), ("t", "TERM"), ("s", "signal"), ("r", "again"), ("q", "leave")):
            assert re.search(rf"(?m)^.* {key}\b.* {word}\b", shown(app)), shown(app)
        await pilot.press("escape")
        await becomes(pilot, lambda: len(app.screen_stack) == 1, "the view of all")

    drive(app, play)


def test_enter_follows_and_escape_comes_back(fleet: Fleet) -> None:
    jid = sent(fleet, "host1,host2", "echo out of $AGENTLESS_HOST; sleep 300")
    app = TopApp(fleet, Watcher(fleet))

    async def play(pilot: Pilot[None]) -> None:
        await becomes(pilot, lambda: jid[8:10] in shown(app) and "host1" in shown(app), "the job")
        await pilot.press("enter")
        await becomes(pilot, lambda: "host2 | out of host2" in shown(app), "the output of both")
        both = app.screen
        assert isinstance(both, FollowScreen)
        await pilot.press("escape")
        await becomes(pilot, lambda: app.screen is not both, "the view of all")
        await pilot.press("down", "enter")
        await becomes(pilot, lambda: "host1 | out of host1" in shown(app), "the output of one")
        assert "host2 |" not in shown(app)
        await pilot.press("q")
        await becomes(pilot, lambda: len(app.screen_stack) == 1, "the view of all")

    drive(app, play)
    fleet.kill_job(jid)


def followed(app_fleet: Fleet, jid: str, *expected: str) -> str:
    """What is shown of a job that is followed, once all of this is."""
    app: App[None] = App()
    texts: list[str] = []

    async def play(pilot: Pilot[None]) -> None:
        app.push_screen(FollowScreen(app_fleet, jid, None, f"job {jid}"))
        await becomes(pilot, lambda: all(text in shown(app) for text in expected), " and ".join(expected))
        texts.append(shown(app))

    drive(app, play)
    return texts[0]


def test_of_a_job_that_is_over_both_streams_and_the_end_are_shown_and_do_nothing(sshd: Sshd, fleet: Fleet) -> None:
    jid = sent(fleet, "host1", r"printf 'out\033[2J of it'; echo err >&2; exit 3")
    until(lambda: fleet.wait(jid, wait=20.0), "its end")
    text = followed(fleet, jid, "host1 | out^[[2J of it", "host1 | stderr: err", "— host1 | failed (3)")
    assert text.startswith(f"job {jid}")


def test_a_job_that_nobody_knows_says_so(sshd: Sshd, fleet: Fleet) -> None:
    followed(fleet, "20200101000000000000", "— ")
