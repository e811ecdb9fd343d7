"""SIGINT, SIGTERM, SIGHUP and SIGQUIT as one exception that is raised only where it can be dealt with."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType

__all__ = ["ON_INTERRUPT", "Interrupted", "Interrupts", "handled"]

ON_INTERRUPT = ("ask", "detach", "term", "kill")
# timeout(1) sends its signal to the command and then to its whole group: within this many seconds it is the same one.
# No person types SIGTERM twice; a second Ctrl-C is one, however soon it comes.
_TWICE = 0.5
# How often, and for how many seconds each time, a signal that comes in an import waits for its end.
_WAITS, _A_MOMENT = 200, 0.005
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


@contextmanager
def handled(numbers: Iterable[int], handler: signal._HANDLER) -> Iterator[None]:
    """Let these signals have another handler while the block runs."""
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


class Interrupted(KeyboardInterrupt):
    """A signal asked this command to end, or (`number` SIGALRM) a bounded wait is over.

    Args:
        number: the signal.
        message: what the person is told.
    """

    def __init__(self, number: int, message: str = "interrupted") -> None:
        super().__init__(message)
        self.number = number


class Interrupts:
    """Handlers for the time of a `with` block; signals that were ignored before (nohup) stay ignored.

    Inside `held()` the first signal waits for the end of the held block, so that no result is half written; a second
    one is raised at once, because a held block may hang on a full pipe. In an import a signal waits for a moment, too.

    Args:
        on_signal: called for each signal, in its handler: it must not wait for anything.
    """

    def __init__(self, on_signal: Callable[[], None] = lambda: None) -> None:
        self._on_signal = on_signal
        self._before: dict[int, signal._HANDLER] = {}
        self._holding = False
        self._pending: int | None = None
        self._terminated: float | None = None
        self._waited = 0
        self._again: threading.Timer | None = None

    def __enter__(self) -> Interrupts:
        for number in (*_SIGNALS, signal.SIGALRM):
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *exception: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        if self._again is not None:
            self._again.cancel()
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if _is_import(frame) and self._waited < _WAITS:
            self._waited += 1
            self._again = threading.Timer(_A_MOMENT, os.kill, (os.getpid(), number))
            self._again.daemon = True
            self._again.start()
            return
        self._waited = 0
        if number == signal.SIGTERM:
            before, self._terminated = self._terminated, time.monotonic()
            if before is not None and self._terminated - before < _TWICE:
                return
        if number != signal.SIGALRM:
            self._on_signal()
        if self._holding and (self._pending is None or number == signal.SIGALRM):
            self._pending = number if self._pending is None else self._pending
            return
        # The one that waited is over with it: it must not end the next held block, which may act on the answer.
        self._pending = None
        raise Interrupted(number)

    @contextmanager
    def held(self) -> Iterator[None]:
        self._holding = True
        try:
            yield
        finally:
            self._holding = False
        if self._pending is not None:
            number, self._pending = self._pending, None
            raise Interrupted(number)

    def ignored(self) -> AbstractContextManager[None]:
        """Let no signal in, for the few lines that a command ends with."""
        return handled(self._before, signal.SIG_IGN)

    @contextmanager
    def alarm(self, seconds: float) -> Iterator[None]:
        """Raise Interrupted with SIGALRM in the block when the time is over."""
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)


def _is_import(frame: FrameType | None) -> bool:
    """Whether a module is being loaded: Python loses what is raised in some steps of that, and makes a RuntimeError of
    what is raised in others (`__set_name__`, before 3.12)."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
