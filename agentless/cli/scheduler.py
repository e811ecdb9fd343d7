"""The controller's own evaluator of the schedule."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

from agentless.cli.commands import option
from agentless.cli.interrupts import handled
from agentless.cli.invocation import Invocation
from agentless.cli.options import SCHEDULE_FILE, verb
from agentless.model.times import local

__all__ = ["scheduler"]


@verb(
    examples=[
        ("agentless scheduler", "in the foreground, as a service manager wants it"),
        ("agentless scheduler --once", "each minute by cron, or from a CI schedule"),
    ]
)
@option("--once", is_flag=True, help="Fire what is due now, and leave.")
@SCHEDULE_FILE
def scheduler(invocation: Invocation, /, once: bool, file: Path | None) -> int:
    """Fire what the schedule has for this machine: functions of the controller, and entries with runs_on: controller.

    What hosts fire by themselves (`schedule push`) needs it not. SIGTERM and SIGINT stop it; jobs on hosts go on.
    Two of them never fire the same entry twice.
    """
    lock = threading.Lock()

    def log(line: str) -> None:
        stamp = local(time.time())
        with lock:
            invocation.screen.say(f"{stamp} {line}")

    evaluator = invocation.fleet.scheduler(log, file)
    if once:
        evaluator.once()
        return 0
    stop = threading.Event()
    with handled((signal.SIGTERM, signal.SIGINT), lambda *_: stop.set()):
        evaluator.serve(stop)
    return 0
