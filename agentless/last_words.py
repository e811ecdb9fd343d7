"""What a process wrote last to its stderr."""

from __future__ import annotations

import contextlib
import os
import select
import threading
from typing import IO

__all__ = ["LastWords"]

_KEPT = 2048
# As much as a pipe holds.
_PIPE = 65536


class LastWords:
    """The end of what comes through a pipe. Thread safe.

    A thread that runs `follow` takes it as it comes, so that the process is never held up. When the process has ended,
    all that it wrote was taken, or is in the pipe still: who asks then need not wait until that thread gets its turn.

    Args:
        pipe: where it is read.
    """

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._data = b""
        # Held while something is taken out of the pipe, and until it stands in `_data`.
        self._taking = threading.Lock()
        os.set_blocking(pipe.fileno(), False)

    def follow(self) -> None:
        """Take what comes until its end, and close the pipe."""
        poll = select.poll()
        poll.register(self._pipe, select.POLLIN)
        while poll.poll() and self._take():
            continue
        with self._taking:
            self._pipe.close()

    def lines(self) -> list[str]:
        """Its last lines, 2 KiB at most, none of them empty; what a process that has ended wrote last is among them."""
        self._take()
        lines = self._data.decode("utf-8", "replace").split("\n")
        return [line.strip() for line in lines if line.strip()]

    def _take(self) -> bool:
        """Take what is there; False at its end."""
        with self._taking, contextlib.suppress(BlockingIOError):
            try:
                data = os.read(self._pipe.fileno(), _PIPE)
            except ValueError:
                # It is closed.
                return False
            self._data = (self._data + data)[-_KEPT:]
            return bool(data)
        return True
