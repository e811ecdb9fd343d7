"""The screen of `agentless top`, driven by Textual's pilot."""

from __future__ import annotations

import asyncio
import html
import re
import time
from collections.abc import Awaitable, Callable

import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Input

from agentless.cli.snapshot import Snapshot
from agentless.cli.top_app import TopApp
from agentless.cli.top_screens import Question
from agentless.cli.watcher import Watcher
from agentless.fleet import Fleet
from tests.cli.test_top_rows import NOW, SNAPSHOT
from tests.cli.test_watcher import fleet, part, sent
from tests.hosts import Sshd, patience, until
from tests.hosts.client import ROOT

__all__ = ["fleet"]

PICTURE = re.compile(r"```text\n(.*?)```", re.DOTALL)
_TEXT = re.compile(r'<text class="[^"]*" x="([\d.]+)" y="([\d.]+)" textLength="[\d.]+"[^>]*>(.*?)</text>')


class Still(Watcher):
    """One snapshot for ever."""

    def start(self) -> None:
        pass

    def snapshot(self) -> Snapshot:
        return SNAPSHOT


def shown(app: App[None]) -> str:
    """What stands on the screen."""
    cells: dict[int, dict[int, str]] = {}
    for x, y, text in _TEXT.findall(app.export_screenshot()):
        row = cells.setdefault(round(float(y) / 24.4), {})
        for at, char in enumerate(html.unescape(text)):
            row[round(float(x) / 12.2) + at] = " " if char == "\xa0" else char
    lines = ["".join(row.get(at, " ") for at in range(max(row) + 1)).rstrip() for _, row in sorted(cells.items())]
    return "\n".join(lines)


def flat(app: App[None]) -> str:
    """The same without frames and ends of lines, so that a question may go on over lines."""
    return " ".join(re.sub("[─│╭╮╰╯]", " ", shown(app)).split())


def drive(app: App[None], play: Callable[[Pilot[None]], Awaitable[None]]) -> None:
    async def run() -> None:
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.pause()
            await play(pilot)

    asyncio.run(run())


async def becomes(pilot: Pilot[None], holds: Callable[[], object], what: str) -> None:
    """Let the screen live until something holds."""
    deadline = time.monotonic() + patience(60)
    while time.monotonic() < deadline:
        if holds():
            return
        await pilot.pause(0.05)
    raise AssertionError(f"{what}, but:\n{shown(pilot.app)}")


def still() -> TopApp:
    made = Fleet.__new__(Fleet)
    return TopApp(made, Still(made), clock=lambda: NOW)


def test_the_picture_of_the_docs_is_what_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    app = still()
    picture = PICTURE.search((ROOT / "docs/top.md").read_text())
    assert picture is not None

    async def play(pilot: Pilot[None]) -> None:
        await becomes(pilot, lambda: "q quit" in shown(app), "the footer")
        assert shown(app) + "\n" == picture[1]

    drive(app, play)


def test_a_filter_narrows_the_rows_and_escape_takes_it_away() -> None:
    app = still()

    async def play(pilot: Pilot[None]) -> None:
        await pilot.press("slash", *"failed")
        await becomes(pilot, lambda: "web12" not in shown(app), "the filter")
        assert "web2" in shown(app)
        await pilot.press("enter")
        await becomes(pilot, lambda: "filter: failed" in shown(app), "what it is narrowed by")
        assert not app.query_one("#filter", Input).display
        await pilot.press("escape")
        await becomes(pilot, lambda: "web12" in shown(app), "all rows")

    drive(app, play)


@pytest.mark.parametrize("key", ["down", "question_mark"])
def test_the_columns_follow_the_terminal_when_it_is_resized(key: str) -> None:
    app = still()

    async def play(pilot: Pilot[None]) -> None:
        await becomes(pilot, lambda: "./deploy.sh…" in shown(app), "the command, cut")
        await pilot.press(key)
        await pilot.resize_terminal(140, 30)
        await becomes(pilot, lambda: "./deploy.sh --all" in shown(app), "the command, whole")
        await pilot.resize_terminal(80, 24)
        await becomes(pilot, lambda: "./deploy.sh…" in shown(app), "the command, cut again")

    drive(app, play)


def test_what_became_of_a_signal_is_said_beside_a_filter() -> None:
    app = still()

    async def play(pilot: Pilot[None]) -> None:
        await pilot.press("slash", *"web", "enter")
        await becomes(pilot, lambda: "filter: web · web20: connect-timeout: no answer" in shown(app), "both")

    drive(app, play)


def test_a_signal_is_sent_after_a_yes_and_not_after_anything_else(sshd: Sshd, fleet: Fleet) -> None:
    jid = sent(fleet, "host1,host2", "echo begun; sleep 300")
    watcher = Watcher(fleet)
    app = TopApp(fleet, watcher)

    async def play(pilot: Pilot[None]) -> None:
        await becomes(pilot, lambda: "begun" in shown(app), "the job")
        await pilot.press("down", "k")
        question = f"Send KILL to job {jid} "
        await becomes(pilot, lambda: question in flat(app) and "on host1? [y/N]" in flat(app), "the question")
        await pilot.press("enter")
        await becomes(pilot, lambda: not isinstance(app.screen, Question), "no is no")
        seen = part(watcher, jid, "host1")
        assert seen is not None
        assert seen.running
        await pilot.press("s", *"TERM", "enter")
        await becomes(pilot, lambda: "Send TERM" in flat(app) and "on host1? [y/N]" in flat(app), "the question")
        await pilot.press("y")
        await becomes(pilot, lambda: "killed (TERM" in shown(app), "its end on one host")
        seen = part(watcher, jid, "host2")
        assert seen is not None
        assert seen.running

    drive(app, play)
    fleet.kill_job(jid)


def test_r_sends_the_job_again_where_it_failed(fleet: Fleet) -> None:
    sent(fleet, "host1,host2", "[ $AGENTLESS_HOST = host1 ] || exit 3")
    until(lambda: fleet.wait("last", wait=20.0), "its end")
    app = TopApp(fleet, Watcher(fleet))

    async def play(pilot: Pilot[None]) -> None:
        await becomes(pilot, lambda: "failed (3)" in shown(app), "the failed job")
        await pilot.press("r")
        await becomes(pilot, lambda: "again to host2? [y/N]" in flat(app), "the question")
        await pilot.press("y")
        await becomes(pilot, lambda: "sent again, as job" in shown(app), "it was sent")

    drive(app, play)
    newest = next(iter(fleet.list_jobs().rows)).job
    assert newest.hosts == ("host2",)
