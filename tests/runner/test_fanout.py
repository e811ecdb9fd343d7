"""Many hosts at once: bounded, each in its turn, and long jobs are followed without a connection for each."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agentless.cache.scratch import Scratch
from agentless.errors import HostError, Unreachable
from agentless.model.endpoint import Endpoint
from agentless.model.requests import Caller, PingRequest
from agentless.runner.fanout import FanOut, Part, Threads
from agentless.runner.host_call import HostCall
from agentless.runner.reading import Answer
from agentless.runner.writing import write
from agentless.transport.channel import Link
from tests.hosts import until
from tests.hosts.needs import examples, need
from tests.hosts.waiting import patience
from tests.runner.lying import END, Lying

PING = write(PingRequest(), Caller("ada@laptop", 168.0, 1 << 30))


class Hosts:
    """Connections that tell how many of them are open, and what becomes of each call.

    Args:
        called: what to do when a host is asked.
    """

    def __init__(self, called: Callable[[str], object] = lambda name: None) -> None:
        self.calls: list[str] = []
        self.most = 0
        self._called = called
        self._open = 0
        self._lock = threading.Lock()

    def step(self, line: str) -> None:
        pass

    def connect(self, endpoint: Endpoint) -> Link:
        with self._lock:
            self.calls.append(endpoint.name)
            self._open += 1
            self.most = max(self.most, self._open)
        self._called(endpoint.name)
        return _Counted(self, endpoint.name)

    def gone(self) -> None:
        with self._lock:
            self._open -= 1

    def close(self) -> None: ...


class _Counted(Lying):
    def __init__(self, hosts: Hosts, name: str) -> None:
        super().__init__([({"t": "pong", "python": name}, b""), END])
        self._hosts = hosts
        self._closed = False

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._hosts.gone()


class OneCall(Part):
    """A host that is asked `times`, with what happens in between."""

    def __init__(self, name: str, taken: Callable[[str], object], times: int = 1) -> None:
        self._endpoint = Endpoint(name, name)
        self._taken = taken
        self._times = times
        self.error: BaseException | None = None

    def next(self) -> HostCall | float | None:
        return HostCall(self._endpoint, (PING,), 1 << 20, follows=True)

    def ready(self) -> bool:
        return True

    def take(self, answer: Answer) -> None:
        self._taken(self._endpoint.name)

    def over(self, error: HostError | None, *, reached: bool) -> float | None:
        self.error = error
        self._times -= 1
        return 0.01 if self._times else None

    def failed(self, error: BaseException) -> None:
        self.error = error


class Bench:
    """Work on hosts of these names, and whether it is over."""

    def __init__(
        self, names: Sequence[str], hosts: Hosts, *, taken: Callable[[str], object] = lambda name: None,
        times: int = 1, **options: Any,
    ) -> None:  # fmt: skip
        self.done: list[str] = []
        self.parts = {name: OneCall(name, taken, times) for name in names}
        carrier = Threads(hosts, Scratch(tempfile.gettempdir()))
        self.pool = FanOut(names, self.parts.__getitem__, self.done.append, carrier, **options)

    def go(self) -> None:
        self.pool.pump()
        until(lambda: len(self.done) == len(self.parts), "all are done")


@settings(max_examples=examples(30), deadline=None)
@given(st.integers(0, 40), st.integers(1, 8), st.integers(1, 3))
def test_never_more_than_forks_are_in_flight_and_each_is_called_in_its_turn(count: int, forks: int, times: int) -> None:
    hosts = Hosts()
    names = [f"h{number}" for number in range(count)]
    Bench(names, hosts, forks=forks, times=times).go()
    assert sorted(hosts.calls) == sorted(names * times)
    assert hosts.most <= forks


def test_the_problem_of_one_host_is_its_own() -> None:
    def called(name: str) -> None:
        if name == "bad":
            raise Unreachable("connect", "no route")
        if name == "worse":
            raise ZeroDivisionError(name)

    bench = Bench(["good", "bad", "worse"], Hosts(called), forks=2)
    bench.go()
    errors = {name: type(part.error) for name, part in bench.parts.items()}
    assert errors == {"good": type(None), "bad": Unreachable, "worse": ZeroDivisionError}


def test_a_place_that_is_given_back_lets_the_next_one_start_while_the_first_goes_on() -> None:
    go, taken = threading.Event(), set()

    def take(name: str) -> None:
        taken.add(name)
        bench.pool.follows(name)
        go.wait(patience(10))

    bench = Bench(list("ab"), Hosts(), taken=take, forks=1)
    bench.pool.pump()
    until(lambda: taken == {"a", "b"}, "both were taken")
    go.set()
    until(lambda: len(bench.done) == 2, "all are done")


def test_no_more_jobs_are_followed_at_once_than_there_are_places_and_each_in_its_turn() -> None:
    need("many seconds")
    names = [f"h{number}" for number in range(10)]
    left: dict[str, threading.Event] = {name: threading.Event() for name in names}
    most, lock, seen = 0, threading.Lock(), []
    following: set[str] = set()

    class Held(Threads):
        def leave(self, name: str) -> None:
            left[name].set()

    def take(name: str) -> None:
        nonlocal most
        with lock:
            following.add(name)
            most = max(most, len(following))
            seen.append(name)
        bench.pool.follows(name)
        left[name].wait(0.05)
        left[name].clear()
        with lock:
            following.discard(name)

    hosts = Hosts()
    bench = Bench(names, hosts, taken=take, times=2, forks=4)
    carrier = Held(hosts, Scratch(tempfile.gettempdir()))
    bench.pool = FanOut(names, bench.parts.__getitem__, bench.done.append, carrier, forks=4)
    bench.go()
    assert sorted(seen) == sorted(names * 2)
    assert max(most, hosts.most) <= 2 * 4


def test_a_batch_waits_for_the_end_and_not_for_the_place() -> None:
    order: list[str] = []

    def take(name: str) -> None:
        bench.pool.follows(name)
        order.append(name)

    bench = Bench(list("abc"), Hosts(), taken=take, forks=5, batch=1)
    bench.go()
    assert (order, bench.done) == (list("abc"), list("abc"))


def test_what_is_not_admitted_is_never_started() -> None:
    refused: list[Sequence[str]] = []
    bench = Bench(list("abc"), Hosts(), forks=5, admit=lambda: False, refused=refused.append)
    bench.pool.pump()
    bench.pool.pump()
    assert refused == [("a", "b", "c")]
