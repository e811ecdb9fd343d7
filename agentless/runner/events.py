"""The events of a run, on their way from the threads that pursue its hosts to whoever iterates over it."""

from __future__ import annotations

import queue
import threading
import time
from typing import TypeVar

from agentless.model.answers import Output
from agentless.model.states import HostResult
from agentless.values import dataclass

__all__ = ["Changed", "Event", "Events", "Standing", "next_of"]

Item = TypeVar("Item")

# Of output that nobody has read yet. Beyond, the threads wait, nobody reads from their hosts, and these wait, too.
UNREAD_MAX = 4 << 20
# What an event takes besides its bytes, so that empty ones have a bound.
WEIGHT = 512
# Seconds that one wait for an item may last.
LONGEST_WAIT = 0.5


def next_of(items: queue.SimpleQueue[Item], timeout: float | None = None) -> Item:
    """The next item, waited for in such a way that a signal is heard whenever it comes.

    One that comes in the instant before a wait begins is only noted: its handler runs when the wait is over, which
    may be never. So no single wait is long.

    Args:
        timeout: seconds; None waits for ever.

    Raises:
        queue.Empty: nothing came within `timeout`.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        left = LONGEST_WAIT if deadline is None else max(0.0, deadline - time.monotonic())
        try:
            return items.get(timeout=min(left, LONGEST_WAIT))
        except queue.Empty:
            if left == 0.0:
                raise


@dataclass(frozen=True, slots=True)
class Changed:
    """A host of the job came into another state, or is about to be asked again (then with a `problem`)."""

    host: str
    result: HostResult


Event = Output | Changed


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a run is.

    Args:
        ok, failed, running, pending: hosts; `failed` are all that ended otherwise than well, or are given up.
        batch, batches: how many batches were begun, of how many; 0 where there are none.
    """

    ok: int
    failed: int
    running: int
    pending: int
    batch: int = 0
    batches: int = 0


class Events:
    """A queue in which output waits for its reader, and its writers wait with it: a terminal may be slow for days."""

    def __init__(self) -> None:
        # Of C, so that a KeyboardInterrupt in the reader's thread finds an event either here or taken.
        self._queue: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._unread = 0
        self._open = True
        self._changed = threading.Condition()

    def put(self, event: Event | None) -> None:
        """Add an event, or None for the end; output waits until there is room for it."""
        if isinstance(event, Output):
            with self._changed:
                self._changed.wait_for(lambda: self._unread < UNREAD_MAX or not self._open)
                if not self._open:
                    return
                self._unread += len(event.data) + WEIGHT
        self._queue.put(event)

    def get(self, timeout: float | None = None) -> Event | None:
        """The next event, or None for the end; raises queue.Empty after `timeout` seconds, None waits for ever."""
        event = next_of(self._queue, timeout)
        if isinstance(event, Output):
            with self._changed:
                self._unread -= len(event.data) + WEIGHT
                self._changed.notify_all()
        return event

    def empty(self) -> bool:
        return self._queue.empty()

    def close(self) -> None:
        """Nobody reads any more: output is dropped, and nobody waits for room."""
        with self._changed:
            self._open = False
            self._changed.notify_all()
