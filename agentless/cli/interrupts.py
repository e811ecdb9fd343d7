"""SIGINT, SIGTERM, SIGHUP and SIGQUIT as one exception that is raised only where it can be dealt with."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType

__all__ = ["ON_INTERRUPT", "Interrupted", "Interrupts", "handled"]

ON_INTERRUPT = ("ask", "detach", "term", "kill")
# timeout(1) sends its signal to the command and then to its whole group: within this many seconds it is the same one.
# No person types SIGTERM twice; a second Ctrl-C is one, however soon it comes.
_TWICE = 0.5
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
    one is raised at once, because a held block may hang on a full pipe.

    Args:
        heard: called for each signal, in its handler: it must not wait for anything.
    """

    def __init__(self, heard: Callable[[], None] = lambda: None) -> None:
        self._heard = heard
        self._before: dict[int, signal._HANDLER] = {}
        self._holding = False
        self._pending: int | None = None
        self._terminated: float | None = None

    def __enter__(self) -> Interrupts:
        for number in (*_SIGNALS, signal.SIGALRM):
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *exception: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGTERM:
            before, self._terminated = self._terminated, time.monotonic()
            if before is not None and self._terminated - before < _TWICE:
                return
        if number != signal.SIGALRM:
            self._heard()
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
