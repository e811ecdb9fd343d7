"""`agentless top`: the fleet's jobs on one screen, while they run."""

from __future__ import annotations

import importlib.util
import signal
import sys

from agentless.cli.interrupts import handled
from agentless.cli.invocation import Invocation
from agentless.cli.options import TARGET, verb
from agentless.errors import UsageError
from agentless.extras import way_to_install

__all__ = ["top"]

_ONCE = "`agentless jobs active` tells once what runs."


@verb(
    examples=[
        ("agentless top", "all jobs of the fleet, as they go on"),
        ("agentless top 'web*'", "on these hosts"),
    ],
    refused={"out": _ONCE},
)
@TARGET
def top(invocation: Invocation, /, target: str | None) -> int:
    """Watch the fleet's jobs on one screen: what runs where, since when, its last line, and the fires to come.

    Enter follows what is selected; k, t and s send KILL, TERM or another signal after a question; r sends the job again
    where it did not end well; / filters; q leaves. The jobs go on.
    """
    if importlib.util.find_spec("textual") is None:
        raise UsageError("top needs Textual, which is not installed", way_to_install("top"))
    if not (sys.stdin.isatty() and invocation.screen.out_look.terminal and invocation.screen.draws):
        raise UsageError("top needs a terminal that can be drawn on", _ONCE)
    from agentless.cli.top_app import TopApp
    from agentless.cli.watcher import Watcher

    notes: list[str] = []
    # From here on nobody else writes to the terminal or asks on it; passwords that the options ask for come first.
    with invocation.screen.occupied(notes.append):
        fleet = invocation.fleet
        fleet.hosts(target)
        watcher = Watcher(fleet, target)
        invocation.screen.occupant = watcher.note
        for line in notes:
            watcher.note(line)
        app = TopApp(fleet, watcher)
        ended: list[int] = []

        def end(number: int, _: object) -> None:
            ended.append(number)
            app.call_later(app.exit)

        try:
            with handled((signal.SIGTERM, signal.SIGHUP, signal.SIGINT), end):
                app.run()
        finally:
            watcher.close()
    return 130 if ended else 0
