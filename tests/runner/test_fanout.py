"""Many hosts at once: bounded, each once, results as they finish."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentless.errors import Unreachable
from agentless.runner.fanout import FanOut, fan_out
from tests.hosts.needs import examples
from tests.hosts.waiting import patience


@settings(max_examples=examples(30), deadline=None)
@given(st.integers(0, 40), st.integers(1, 8))
def test_never_more_than_forks_are_in_flight_and_each_is_called_once(count: int, forks: int) -> None:
    lock = threading.Lock()
    flying, most, called = 0, 0, []

    def call(name: str) -> str:
        nonlocal flying, most
        with lock:
            flying += 1
            most = max(most, flying)
            called.append(name)
        with lock:
            flying -= 1
        return name.upper()

    names = [f"h{number}" for number in range(count)]
    assert dict(fan_out(names, call, forks=forks)) == {name: name.upper() for name in names}
    assert sorted(called) == sorted(names)
    assert most <= forks


def test_the_problem_of_one_host_is_its_result() -> None:
    def call(name: str) -> str:
        if name == "bad":
            raise Unreachable("connect", "no route")
        return "ok"

    results = dict(fan_out(["good", "bad"], call, forks=2))
    assert results["good"] == "ok"
    assert isinstance(results["bad"], Unreachable)


def test_a_defect_is_raised_where_the_results_are_taken() -> None:
    def call(name: str) -> str:
        raise ZeroDivisionError(name)

    with pytest.raises(ZeroDivisionError):
        list(fan_out(["one"], call, forks=1))


def test_a_released_place_lets_the_next_one_start_while_the_first_goes_on() -> None:
    started = {name: threading.Event() for name in "abc"}
    go = threading.Event()
    ended = threading.Semaphore(0)

    def work(name: str) -> None:
        started[name].set()
        pool.release(name)
        pool.pump()
        go.wait(patience(10))
        pool.finished(name)
        ended.release()

    pool = FanOut(list("abc"), work, forks=1)
    pool.pump()
    assert all(event.wait(patience(10)) for event in started.values())
    go.set()
    assert all(ended.acquire(timeout=patience(10)) for _ in "abc")


def test_a_batch_waits_for_the_end_and_not_for_the_place() -> None:
    order: list[str] = []
    done = threading.Event()

    def work(name: str) -> None:
        pool.release(name)
        pool.pump()
        order.append(name)
        pool.finished(name)
        pool.pump()
        if len(order) == 3:
            done.set()

    pool = FanOut(list("abc"), work, forks=5, batch=1)
    pool.pump()
    assert done.wait(patience(10))
    assert order == list("abc")


def test_what_is_not_admitted_is_never_started() -> None:
    pool = FanOut(list("abc"), lambda name: None, forks=5, admit=lambda: False)
    assert pool.pump() == ("a", "b", "c")
    assert pool.pump() == ()
