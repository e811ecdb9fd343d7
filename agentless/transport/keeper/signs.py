"""Whether a keeper that says nothing is still working: on a busy machine, silence alone means nothing.

What the system tells of processes (proc(5)) decides, where there is that; else a second's silence does.
"""

from __future__ import annotations

import os
import time
from typing import NamedTuple

__all__ = ["MODULE", "SILENCE", "Silence"]

MODULE = "agentless.transport.keeper"
"""What a keeper's process runs."""
SILENCE = 1.0
"""Seconds for which a keeper may be silent that was asked for no more than a word."""
# One that gets on, or is only just being started, may be silent for so long.
_PATIENCE = 5.0
# Stopped by a signal or a tracer, or dead: such a process says nothing.
_STOPPED = "TtXZ"
# It runs, would if there were a processor for it, or waits for a disk.
_GETS_ON = "RD"


class _Process(NamedTuple):
    """A process as it is now; `cpu` is the time that all of its threads have had, in the system's ticks."""

    state: str
    cpu: int


class Silence:
    """The silence of a keeper.

    Args:
        pid: the process that listens, as the kernel says; None where it cannot say.
        lasts: seconds for which it has lasted.
    """

    def __init__(self, pid: int | None, lasts: float = 0.0) -> None:
        self.pid = pid
        self._began = self._got_on = time.monotonic() - lasts
        self._process = _look(pid)

    @property
    def hopeless(self) -> bool:
        """Whether to wait for it any longer is of no use."""
        now = time.monotonic()
        before, self._process = self._process, _look(self.pid)
        if self._process is None:
            if _being_started(self.pid):
                self._got_on = now
        elif self._process.state in _STOPPED:
            return True
        elif self._process.state in _GETS_ON or self._process != before:
            self._got_on = now
        return now - self._got_on > SILENCE or now - self._began > _PATIENCE

    @property
    def known(self) -> bool:
        """Whether that process is a keeper, and not the command that starts one."""
        return self._process is not None or not (_being_started(self.pid) or self.pid is None)


def _look(pid: int | None) -> _Process | None:
    """A keeper's process; None where it cannot be seen, or is no keeper."""
    if pid is None:
        return None
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            if MODULE.encode() not in file.read().split(b"\0"):
                return None
        with open(f"/proc/{pid}/stat", "rb") as file:
            # Behind the name, which is anything in parentheses.
            fields = file.read().rpartition(b")")[2].split()
        return _Process(fields[0].decode("ascii"), int(fields[11]) + int(fields[12]))
    except (OSError, ValueError, IndexError):
        return None


def _being_started(pid: int | None) -> bool:
    """Whether it is the command that starts the keeper, which has made the socket for it."""
    if pid == os.getpid():
        return True
    if pid is None or not os.path.isdir(f"/proc/{os.getpid()}"):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    # One that lives and is not shown (hidepid) may be anything.
    return os.path.isdir(f"/proc/{pid}")
