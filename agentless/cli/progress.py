"""How far a command is, on stderr: `waiting for web3, web7 and 12 more · 45/60 · 12 s`.

On a terminal a job on several hosts has a bar above that line, which says how many hosts stand where. Both are drawn
over themselves, and wiped before anything else is written; elsewhere (`--progress` in a CI log) the line comes now and
then. It shares its lock with whoever writes results, so that nothing is garbled.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from agentless.hostlist import shorten
from agentless.report.cells import cells
from agentless.report.printable import one_line
from agentless.report.text import duration

if TYPE_CHECKING:
    from agentless.runner.events import Standing

__all__ = ["Progress", "line"]

# Quick commands end before a line could be read.
_FIRST = 0.5
_TERMINAL_EVERY = 0.5
_LOG_EVERY = 15.0
_WIPE = "\r\x1b[K"
_WIPE_ABOVE = "\x1b[A\x1b[K"
# Below that, the bar has no room.
_BAR_FROM = 60


def line(waiting: Sequence[str], count: str, seconds: float, width: int, *, before: str = "") -> str:
    """The progress line in at most `width` columns; the counts stay whole where names must be cut.

    Args:
        waiting: the hosts that are waited for.
        count: how far it is, such as `45/60`; may be empty.
        before: what the line begins with, such as the batch.
    """
    since = duration(seconds) if seconds >= 60 else f"{seconds:.0f} s"
    counts = f" · {count} · {since}" if count else f" · {since}"
    for most in (2, 1):
        text = before + "waiting for " + one_line(shorten(waiting, most)) + counts
        if cells(text) <= width:
            return text
    room = width - len(counts) - 1
    if room <= len("waiting for "):
        return counts.removeprefix(" · ")[:width]
    while cells(text) > room:
        text = text[:-1] if len(text) <= room else text[:room]
    return f"{text}…{counts}"


class Progress:
    """The line of one command, drawn by a thread of its own, so that the seconds go on while nothing happens.

    Args:
        write: writes to stderr, at once; raises OSError.
        waiting: gives the hosts that are waited for, whenever a line is drawn.
        total: how many hosts there are in all.
        terminal: whether it can be drawn over itself.
        width: gives the terminal's columns, as they are now.
        lock: held while anything is written to the terminal.
        standing: gives how many hosts of a job are in which state; None where that is not known.
        colour: whether the bar may have colours.
    """

    def __init__(
        self,
        write: Callable[[str], object],
        waiting: Callable[[], Sequence[str]],
        total: int,
        *,
        terminal: bool,
        width: Callable[[], int],
        lock: threading.RLock,
        standing: Callable[[], Standing] | None = None,
        colour: bool = False,
    ) -> None:
        self._write = write
        self._terminal = terminal
        self._width = width
        self._lock = lock
        self._waiting = waiting
        self._total = total
        self._began = time.monotonic()
        self._standing = standing if total > 1 else None
        self._colour = colour
        # What stands on the terminal, or is to stand there again behind what is being written.
        self._text = ""
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
        """Take it away, so that other text can be written; it comes back by itself."""
        with self._lock:
            if self._shown and self._terminal:
                self._put(_WIPE + _WIPE_ABOVE * self._text.count("\n"))
            self._shown = False

    def restore(self) -> None:
        """Draw again what was wiped, below what was written meanwhile, which has ended its line."""
        with self._lock:
            if self._text and self._terminal and not self._quiet and not self._shown and not self._stop.is_set():
                self._shown = self._put(self._text)

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
        standing = self._standing() if self._standing is not None else None
        count = f"{self._total - len(waiting)}/{self._total}"
        batch = f"batch {standing.batch} of {standing.batches} · " if standing and standing.batches else ""
        if standing is not None and self._terminal and width >= _BAR_FROM:
            from agentless.cli.progress_bar import bar

            text = (
                f"{bar(standing, count, width, colour=self._colour)}\n{line(waiting, '', seconds, width, before=batch)}"
            )
        else:
            if standing is not None and standing.failed:
                count += f", {standing.failed} failed"
            text = line(waiting, count, seconds, width, before=batch)
        if self._terminal:
            self.wipe()
            self._text = text
            self._shown = self._put(text)
        else:
            self._put(text + "\n")

    def _put(self, text: str) -> bool:
        try:
            self._write(text)
        except OSError:
            # Nobody reads stderr any more: no progress, but the command goes on.
            self._stop.set()
            return False
        return True
