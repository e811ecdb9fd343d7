"""Limits on connecting: places for handshakes with one sshd; one connection to a bastion for all hosts behind it."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from typing import Generic, Protocol, TypeVar

__all__ = ["HANDSHAKES", "HandshakeLimit", "Shared", "pauses"]

# sshd's MaxStartups starts to drop connections at random when 10 are not logged in yet.
HANDSHAKES = 8


class HandshakeLimit:
    """At most 8 holders at once for each key."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._handshakes: dict[Hashable, threading.BoundedSemaphore] = {}

    @contextlib.contextmanager
    def hold(self, key: Hashable) -> Iterator[None]:
        """Wait for a place; every holder has a deadline of its own, so this ends."""
        with self._lock:
            places = self._handshakes.setdefault(key, threading.BoundedSemaphore(HANDSHAKES))
        with places:
            yield


def pauses(deadline: float, random_: random.Random) -> Iterator[float]:
    """Seconds to sleep before each further try, growing and jittered, as long as the deadline leaves room for one."""
    longest = 0.2
    while True:
        pause = random_.uniform(longest / 2, longest)
        if time.monotonic() + pause >= deadline:
            return
        yield pause
        longest = min(2 * longest, 3.0)


class Resource(Protocol):
    """What can be shared: knows whether it still serves, and can be closed."""

    @property
    def alive(self) -> bool: ...

    def close(self) -> None: ...


R = TypeVar("R", bound=Resource)


class Shared(Generic[R]):
    """Resources by key, each made once by the first who asks while the others wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[Hashable, Future[R]] = {}
        self._closed = False

    def get(self, key: Hashable, make: Callable[[], R], deadline: float) -> R:
        """The resource of `key`, made by `make` unless there is a living one.

        Raises:
            TimeoutError: another one's `make` did not end before the deadline.
            Exception: what `make` raised, to all who waited for it; the next to ask tries again.
        """
        with self._lock:
            future = self._made.get(key)
            if future is not None and future.done() and (future.exception() or not future.result().alive):
                future = None
            mine = future is None
            if future is None:
                future = self._made[key] = Future()
        if not mine:
            return future.result(max(0.0, deadline - time.monotonic()))
        try:
            resource = make()
        except BaseException as problem:
            future.set_exception(problem)
            raise
        future.set_result(resource)
        if self._closed:
            resource.close()
        return resource

    def close(self) -> None:
        """Close all."""
        with self._lock:
            self._closed = True
            futures, self._made = list(self._made.values()), {}
        for future in futures:
            if future.done() and not future.exception():
                future.result().close()
