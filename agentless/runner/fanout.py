"""Work on many hosts at once, bounded: a thread a host, as many as there are places."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TypeVar

from agentless.errors import HostError

__all__ = ["FanOut", "fan_out"]

R = TypeVar("R")


class FanOut:
    """Call `work(name)` for each name in a thread of its own, never more than `forks` in flight.

    Work that only waits (a long job that is being followed) gives its place back with `release(name)` and goes on.

    Args:
        names: what to work on, in order.
        work: called in a daemon thread; it must not raise.
        forks: calls in flight.
        batch: names that may be unfinished at once, released or not; None is no bound.
        admit: asked before each name is taken, under the lock; False ends the dispatch for good.
    """

    def __init__(
        self,
        names: Sequence[str],
        work: Callable[[str], None],
        *,
        forks: int,
        batch: int | None = None,
        admit: Callable[[], bool] = lambda: True,
    ) -> None:
        self._waiting = deque(names)
        self._work = work
        self._forks = forks
        self._batch = batch
        self._admit = admit
        self._placed: set[str] = set()
        self._unfinished: set[str] = set()
        self._lock = threading.Lock()

    def pump(self) -> tuple[str, ...]:
        """Start what there is room for; return the names that will never be started because `admit` said no."""
        starting = []
        refused: tuple[str, ...] = ()
        with self._lock:
            while self._waiting and self._room():
                if not self._admit():
                    refused = self._drain()
                    break
                name = self._waiting.popleft()
                self._placed.add(name)
                self._unfinished.add(name)
                starting.append(name)
        for name in starting:
            threading.Thread(target=self._work, args=(name,), name=f"agentless-{name}", daemon=True).start()
        return refused

    def _room(self) -> bool:
        return len(self._placed) < self._forks and (self._batch is None or len(self._unfinished) < self._batch)

    def release(self, name: str) -> None:
        """Give the place back; the work goes on. The caller pumps."""
        with self._lock:
            self._placed.discard(name)

    def finished(self, name: str) -> None:
        """The work on `name` is over. The caller pumps."""
        with self._lock:
            self._placed.discard(name)
            self._unfinished.discard(name)

    def stop(self) -> tuple[str, ...]:
        """Start nothing more; return the names that were not started."""
        with self._lock:
            return self._drain()

    def drop(self, names: Collection[str]) -> tuple[str, ...]:
        """Don't start these; return those of them that were not started."""
        with self._lock:
            dropped = tuple(name for name in self._waiting if name in names)
            self._waiting = deque(name for name in self._waiting if name not in names)
            return dropped

    def _drain(self) -> tuple[str, ...]:
        left = tuple(self._waiting)
        self._waiting.clear()
        return left


def fan_out(names: Sequence[str], call: Callable[[str], R], *, forks: int) -> Iterator[tuple[str, R | HostError]]:
    """Yield each name with what `call(name)` returned, or the `HostError` that it raised, as they finish.

    Any other exception of `call` is raised here.
    """
    results: queue.SimpleQueue[tuple[str, R | HostError | BaseException]] = queue.SimpleQueue()

    def work(name: str) -> None:
        try:
            outcome: R | HostError | BaseException = call(name)
        except BaseException as error:  # noqa: BLE001 - carried to the caller's thread, which raises it
            outcome = error
        pool.finished(name)
        pool.pump()
        results.put((name, outcome))

    pool = FanOut(names, work, forks=forks)
    pool.pump()
    try:
        for _ in names:
            name, outcome = results.get()
            if isinstance(outcome, BaseException) and not isinstance(outcome, HostError):
                raise outcome
            yield name, outcome
    finally:
        pool.stop()
