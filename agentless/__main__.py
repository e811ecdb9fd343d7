"""The process `agentless`, or `python -m agentless`."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

_INTERRUPTED = 130


def _leave(number: int, frame: FrameType | None) -> None:
    os._exit(_INTERRUPTED)


def main() -> int:
    """Run this process's command line and return its exit code.

    Until the command line has its own handlers, nothing was begun that an interruption could spoil: a tenth of a second
    of imports is no reason for a traceback. What was ignored (nohup) stays ignored.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _leave)
    from agentless.cli import main as run_command_line

    try:
        return run_command_line()
    except KeyboardInterrupt:
        return _INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
