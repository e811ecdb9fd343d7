"""The process `agentless`, or `python -m agentless`."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from types import FrameType

from agentless.report.failure import interrupted

_INTERRUPTED = 130
# Objects between two collections of garbage, in place of 700: what a command loads is no garbage, and looking through
# it again and again takes a tenth of its start.
_COLLECT_AFTER = 200_000
# What the command line writes is its own matter, once there is one.
_loaded: list[object] = []


def _leave(number: int, frame: FrameType | None) -> None:
    """Leave while the command line is loaded, or when all is written."""
    if not _loaded:
        os.write(1, interrupted(sys.argv[1:], "interrupted; nothing was sent").encode())
    os._exit(_INTERRUPTED)


def main() -> int:
    """Run this process's command line and return its exit code.

    Until the command line has its own handlers, nothing was begun that an interruption could spoil: a tenth of a second
    of imports is no reason for a traceback. What was ignored (nohup) stays ignored.
    """
    gc.set_threshold(_COLLECT_AFTER)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _leave)
    from agentless.cli import main as run_command_line

    try:
        _loaded.append(run_command_line)
        code = run_command_line()
    except KeyboardInterrupt:
        code = _INTERRUPTED
    if threading.active_count() > 1:
        # One that was given up is at work still: after an interruption, or in a resolver that does not answer.
        from agentless.background import end

        sys.stdout.flush()
        sys.stderr.flush()
        end(code)
    # What is left goes with the process: Python would search it for garbage, for a fifth of a quick command's time.
    gc.freeze()
    return code


if __name__ == "__main__":
    sys.exit(main())
