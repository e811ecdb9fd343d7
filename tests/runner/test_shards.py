"""Shards of hosts in the hands of an executor: how it is known, and what becomes of hosts that it brings nothing of."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agentless.errors import CarrierLost, HostError, Unreachable
from agentless.model.answers import Helper
from agentless.model.endpoint import Endpoint
from agentless.model.requests import PingRequest
from agentless.runner.cluster import WORKERS
from agentless.runner.shard import Results
from agentless.runner.shards import cluster_of
from agentless.runner.spread import Spread
from tests.runner.conftest import Bench
from tests.runner.lying import LyingHosts


class Making(Executor):
    """Answers a task with what `make` gives for it, or raises that."""

    def __init__(self, make: Callable[[], object]) -> None:
        self.tasks = 0
        self._make = make

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.tasks += 1
        future: Future[Any] = Future()
        future.set_result(self._make())
        return future


def broken() -> object:
    raise BrokenProcessPool("a process ended")


def lost(executor: Making) -> Executor:
    """The same, whose tasks fail when they are carried out."""

    class Losing(Making):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            executor.tasks += 1
            future: Future[Any] = Future()
            future.set_exception(BrokenProcessPool("a process ended"))
            return future

    return Losing(lambda: b"")


def asked(bench: Bench, executor: Executor, **hosts: Endpoint) -> dict[str, object]:
    """What a ping of these hosts comes to, over this executor; this process's own connections are not used."""
    spread = Spread("auto", executor, ask=lambda prompt: None, warn=bench.warnings.append)
    contact = replace(bench.contact(LyingHosts()), spread=spread)
    return dict(contact.ask(hosts, lambda name: PingRequest()))


def here(folder: Path, name: str) -> Endpoint:
    return Endpoint(name, name, local=True, state_dir=str(folder / name))


def test_pools_of_this_machine_are_known_and_others_may_be_anywhere() -> None:
    with ThreadPoolExecutor(3) as threads:
        cluster = cluster_of(threads)
        assert (cluster.workers, cluster.remote, cluster.private) == (3, False, True)
    with ProcessPoolExecutor(1) as processes:
        assert not cluster_of(processes).remote
    unknown = cluster_of(Making(lambda: b""))
    assert (unknown.workers, unknown.remote, unknown.private) == (WORKERS, True, False)


def test_every_host_of_a_shard_has_its_answer(bench: Bench, tmp_path: Path) -> None:
    hosts = {name: here(tmp_path, name) for name in ("web1", "web2", "web3")}
    with ThreadPoolExecutor(1) as executor:
        answers = asked(bench, executor, **hosts)
    assert set(answers) == set(hosts)
    for answer in answers.values():
        assert isinstance(answer, list)
        assert isinstance(answer[0], Helper)


def test_a_host_that_a_worker_leaves_out_is_unreachable(bench: Bench) -> None:
    results = pickle.dumps(Results({}, ("the worker's clock is off",)))
    (answer,) = asked(bench, Making(lambda: results), web1=Endpoint("web1", "192.0.2.1")).values()
    assert isinstance(answer, Unreachable)
    assert (answer.kind, answer.message) == ("spread", "the worker left it out")
    assert bench.warnings == ["the worker's clock is off"]


def test_an_executor_that_takes_no_task_has_sent_nothing(bench: Bench) -> None:
    executor = Making(broken)
    (answer,) = asked(bench, executor, web1=Endpoint("web1", "192.0.2.1")).values()
    assert isinstance(answer, Unreachable)
    assert not isinstance(answer, CarrierLost)
    assert "no worker takes it" in answer.message
    assert answer.hint == "Nothing was sent."
    assert executor.tasks == 1


@pytest.mark.parametrize("what", [b"", b"no pickle", b"\x80\x04N."])
def test_what_is_no_results_counts_as_a_lost_worker_and_is_tried_again(bench: Bench, what: bytes) -> None:
    executor = Making(lambda: what)
    (answer,) = asked(bench, executor, web1=Endpoint("web1", "192.0.2.1")).values()
    assert isinstance(answer, HostError)
    assert executor.tasks > 1


def test_a_worker_that_dies_has_its_shard_made_again_some_times(bench: Bench) -> None:
    executor = Making(lambda: b"")
    (answer,) = asked(bench, lost(executor), web1=Endpoint("web1", "192.0.2.1")).values()
    assert isinstance(answer, CarrierLost)
    assert "BrokenProcessPool: a process ended" in answer.message
    assert executor.tasks == 3
