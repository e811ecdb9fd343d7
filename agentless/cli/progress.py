"""One line on stderr that names the hosts still waited for: `waiting for web3, web7 and 12 more · 45/60 · 12 s`.

On a terminal the line is drawn over itself and wiped before anything else is written; elsewhere (`--progress` in a CI
log) it is a line of its own now and then. It shares its lock with whoever writes results, so that nothing is garbled.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TextIO

from agentless.hostlist import shorten
from agentless.report.printable import one_line
from agentless.report.text import duration

__all__ = ["Progress", "line"]

# Quick commands end before a line could be read.
_FIRST = 0.5
_TERMINAL_EVERY = 0.5
_LOG_EVERY = 15.0
_WIPE = "\r\x1b[K"


def line(waiting: Sequence[str], done: int, total: int, seconds: float, width: int) -> str:
    """The progress line in at most `width` columns; the counts stay whole where names must be cut."""
    counts = f" · {done}/{total} · {duration(seconds) if seconds >= 60 else f'{seconds:.0f} s'}"
    for most in (2, 1):
        text = "waiting for " + one_line(shorten(waiting, most)) + counts
        if len(text) <= width:
            return text
    room = width - len(counts) - 1
    return f"{text[:room]}…{counts}" if room > len("waiting for ") else counts.removeprefix(" · ")[:width]


class Progress:
    """The line of one command, drawn by a thread of its own, so that the seconds go on while nothing happens.

    Args:
        stream: stderr.
        waiting: tells the hosts still waited for, whenever a line is drawn.
        total: how many hosts there are in all.
        terminal: whether it can be drawn over itself.
        width: asks for the terminal's columns, now.
        lock: held while anything is written to the terminal.
    """

    def __init__(
        self,
        stream: TextIO,
        waiting: Callable[[], Sequence[str]],
        total: int,
        *,
        terminal: bool,
        width: Callable[[], int],
        lock: threading.RLock,
    ) -> None:
        self._stream = stream
        self._terminal = terminal
        self._width = width
        self._lock = lock
        self._waiting = waiting
        self._total = total
        self._began = time.monotonic()
        self._shown = False
        self._quiet = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)

    def __enter__(self) -> Progress:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self.wipe()

    def pause(self, quiet: bool) -> None:
        """Show nothing (while live output or a question stands on the line), or show it again."""
        with self._lock:
            self._quiet = quiet
            self.wipe()

    def wipe(self) -> None:
        """Take the line away, so that other text can be written; it comes back by itself."""
        with self._lock:
            if self._shown and self._terminal:
                self._put(_WIPE)
            self._shown = False

    def _run(self) -> None:
        every = _TERMINAL_EVERY if self._terminal else _LOG_EVERY
        pause = _FIRST if self._terminal else every
        while not self._stop.wait(pause):
            pause = every
            with self._lock:
                self._draw()

    def _draw(self) -> None:
        if self._quiet or not (waiting := self._waiting()):
            return
        seconds = time.monotonic() - self._began
        width = self._width() - 1 if self._terminal else 200
        text = line(waiting, self._total - len(waiting), self._total, seconds, width)
        self._shown = self._put(_WIPE + text if self._terminal else text + "\n")

    def _put(self, text: str) -> bool:
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            # Nobody reads stderr any more: no progress, but the command goes on.
            self._stop.set()
            return False
        return True
