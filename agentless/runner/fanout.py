"""Work on many hosts at once, bounded: each host's part is a row of calls, and a carrier carries them out."""

from __future__ import annotations

import heapq
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from itertools import islice
from typing import Protocol

from agentless.cache.scratch import Scratch
from agentless.errors import HostError
from agentless.runner.host_call import HostCall, Talk
from agentless.runner.reading import Answer
from agentless.transport.channel import Connector

__all__ = ["Carrier", "FanOut", "Part", "Threads"]


class Part(Protocol):
    """What is wanted of one host, call by call. The methods are called one after the other, each from any thread."""

    def next(self) -> HostCall | float | None:
        """The call to make now; seconds after which to ask again; None where nothing is wanted any more."""

    def ready(self) -> bool:
        """The request is about to be sent; False keeps it from that, and the call ends without an answer."""

    def take(self, answer: Answer) -> None:
        """An answer has come."""

    def over(self, error: HostError | None, *, reached: bool) -> float | None:
        """The call has ended.

        Args:
            error: why there are no more answers, where it has not ended as it should.
            reached: the host may have got the request.

        Returns:
            Seconds after which to ask `next` for another one; None where there is none.
        """

    def failed(self, error: BaseException) -> None:
        """One of the methods raised this: nothing more is asked of the host."""


class Carrier(Protocol):
    """Carries calls out."""

    def start(self, pool: FanOut, names: Sequence[str]) -> None:
        """Begin the next calls of these hosts; `pool.went` is called when each has ended."""

    def leave(self, name: str) -> None:
        """End the call that follows a job there."""

    def close(self) -> None:
        """End all calls; jobs that are followed go on."""


class FanOut:
    """Calls on many hosts, never more than `forks` in flight.

    A host that only follows a long job gives its place back (`follows`), and up to `forks` more do that. Where there
    are more jobs to follow, the one that has been followed longest is left, and asked about again in its turn: however
    many run, no more connections are held.

    Args:
        names: whom to work on, in order.
        part: the part of a host.
        done: called when a host's part is over.
        carrier: carries the calls out.
        forks: calls in flight.
        batch: hosts that may be unfinished at once, whether they have a place or not; None is no bound.
        admit: asked before each host is begun, under the lock; False ends the dispatch for good.
        refused: called with those that are never begun because of that.
    """

    def __init__(
        self,
        names: Sequence[str],
        part: Callable[[str], Part],
        done: Callable[[str], None],
        carrier: Carrier,
        *,
        forks: int,
        batch: int | None = None,
        admit: Callable[[], bool] = lambda: True,
        refused: Callable[[Sequence[str]], None] = lambda names: None,
    ) -> None:
        self.part = part
        self.forks = forks
        self._waiting = deque(names)
        self._total = len(self._waiting)
        self._done = done
        self._carrier = carrier
        self._batch = batch
        self._admit = admit
        self._refused = refused
        self._placed: set[str] = set()
        self._following: dict[str, None] = {}
        self._leaving: set[str] = set()
        self._unfinished: set[str] = set()
        self._ready: deque[str] = deque()
        self._due: list[tuple[float, int, str]] = []
        self._count = 0
        self._closed = False
        self._lock = threading.Lock()
        self._clock = threading.Condition(self._lock)
        self._ticking = False

    @property
    def waiting(self) -> int:
        """How many were not begun yet."""
        with self._lock:
            return len(self._waiting)

    def pump(self) -> None:
        """Begin what there is room for."""
        starting, refused, leaving = self._pick()
        for name in leaving:
            self._carrier.leave(name)
        if starting:
            self._carrier.start(self, starting)
        if refused:
            self._refused(refused)

    def _pick(self) -> tuple[list[str], tuple[str, ...], list[str]]:
        starting: list[str] = []
        refused: tuple[str, ...] = ()
        leaving: list[str] = []
        with self._lock:
            while self._waiting and self._has_room():
                if not self._admit():
                    refused = self._drain()
                    break
                starting.append(name := self._waiting.popleft())
                self._placed.add(name)
                self._unfinished.add(name)
            now = time.monotonic()
            while self._due and self._due[0][0] <= now:
                self._ready.append(heapq.heappop(self._due)[2])
            while self._ready and len(self._placed) + len(self._following) < self.forks:
                starting.append(name := self._ready.popleft())
                self._placed.add(name)
            leaving = self._left_for(min(len(self._ready), self.forks - len(self._placed)))
            self._tick()
        return starting, refused, leaving

    def _has_room(self) -> bool:
        """For a host that was not begun yet."""
        in_batch = self._batch is None or len(self._unfinished) < self._batch
        open_calls = len(self._placed) + len(self._following)
        return in_batch and len(self._placed) < self.forks and open_calls < 2 * self.forks

    @property
    def begun(self) -> int:
        """How many names were taken so far, or will never be."""
        return self._total - len(self._waiting)

    def _left_for(self, count: int) -> list[str]:
        """Jobs to be followed no longer, so that so many others can be asked about."""
        going = (name for name in self._following if name not in self._leaving)
        left = list(islice(going, max(0, count - len(self._leaving))))
        self._leaving.update(left)
        return left

    def follows(self, name: str) -> None:
        """The call only follows a long job from now on: its place goes to another host."""
        with self._lock:
            if name not in self._placed:
                return
            self._placed.discard(name)
            self._following[name] = None
            over = self._left_for(len(self._following) - self.forks)
        for other in over:
            self._carrier.leave(other)
        self.pump()

    def went(self, name: str, pause: float | None) -> None:
        """A call has ended; the host is asked again after so many seconds, or never (None)."""
        with self._lock:
            followed = name in self._following
            self._placed.discard(name)
            self._following.pop(name, None)
            self._leaving.discard(name)
            if pause is None:
                self._unfinished.discard(name)
            elif not self._closed:
                # Of many that are followed, no more are asked in a second than there are places.
                crowd = len(self._unfinished) / self.forks
                pause = max(pause, crowd) if followed and crowd > 1 else pause
                self._count += 1
                heapq.heappush(self._due, (time.monotonic() + pause, self._count, name))
        if pause is None:
            self._done(name)
        self.pump()

    # --- what is due later ---
    def _tick(self) -> None:
        """Wake the thread that waits for what is due; the lock is held."""
        if self._due and not self._ticking:
            self._ticking = True
            threading.Thread(target=self._wait, name="agentless-due", daemon=True).start()
        elif self._ticking:
            self._clock.notify()

    def _wait(self) -> None:
        while True:
            with self._lock:
                if not self._due or self._closed:
                    self._ticking = False
                    return
                if (left := self._due[0][0] - time.monotonic()) > 0:
                    self._clock.wait(left)
                    continue
            self.pump()

    # --- more of it, and ending it ---
    def add(self, name: str) -> None:
        """There is more to be done on this host, whose part is another one now."""
        with self._lock:
            if not self._closed:
                self._ready.append(name)
                self._unfinished.add(name)

    def stop(self) -> tuple[str, ...]:
        """Begin no other host; return those that were not begun."""
        with self._lock:
            return self._drain()

    def drop(self, names: Collection[str]) -> tuple[str, ...]:
        """Don't begin these; return those of them that were not begun."""
        with self._lock:
            dropped = tuple(name for name in self._waiting if name in names)
            self._waiting = deque(name for name in self._waiting if name not in names)
            return dropped

    def close(self) -> None:
        """Begin nothing more, and end the calls that are under way."""
        with self._lock:
            self._closed = True
            self._drain()
            self._due.clear()
            self._ready.clear()
            self._clock.notify()
        self._carrier.close()

    def _drain(self) -> tuple[str, ...]:
        left = tuple(self._waiting)
        self._waiting.clear()
        return left


class Threads:
    """Carries out each call in a thread of this process.

    Args:
        connector: opens connections.
        scratch: where long output waits for its return.
    """

    def __init__(self, connector: Connector, scratch: Scratch) -> None:
        self._connector = connector
        self._scratch = scratch
        self._talks: dict[str, Talk] = {}
        self._closed = False

    def start(self, pool: FanOut, names: Sequence[str]) -> None:
        for name in names:
            threading.Thread(target=self._work, args=(pool, name), name=f"agentless-{name}", daemon=True).start()

    def _work(self, pool: FanOut, name: str) -> None:
        part = pool.part(name)
        pause = None
        try:
            call = part.next()
            pause = self._carry_out(name, part, call) if isinstance(call, HostCall) else call
        except BaseException as error:  # noqa: BLE001 - whatever it is, a thread must not end unseen
            part.failed(error)
        finally:
            pool.went(name, pause)

    def _carry_out(self, name: str, part: Part, call: HostCall) -> float | None:
        talk = self._talks[name] = Talk(call, self._connector, self._scratch)
        if self._closed:
            talk.leave()
        error: HostError | None = None
        try:
            for answer in talk.answers(part.ready):
                part.take(answer)
        except HostError as problem:
            error = problem
        finally:
            self._talks.pop(name, None)
        return part.over(error, reached=talk.reached)

    def leave(self, name: str) -> None:
        if (talk := self._talks.get(name)) is not None:
            talk.leave()

    def close(self) -> None:
        self._closed = True
        for talk in list(self._talks.values()):
            talk.leave()
