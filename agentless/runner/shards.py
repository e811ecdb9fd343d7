"""Shards of hosts, handed to an executor.

The job cache is written here alone: before a shard is submitted, that its hosts may have the job, and what they answer
as each shard comes back. A worker that dies has its shard made again, with the same nonces.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import pickle
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Protocol

from agentless.errors import CarrierLost, HostError, Unreachable
from agentless.model.endpoint import Endpoint
from agentless.model.secret import Secret
from agentless.openssh.settings import Settings
from agentless.runner.cluster import WORKERS, Cluster
from agentless.runner.cores import Cores
from agentless.runner.fanout import FanOut, Part
from agentless.runner.host_call import HostCall
from agentless.runner.shard import OTHER_VERSION, CallOutcome, Results, Shard, carry_out

__all__ = ["Shards", "cluster_of"]

# Seconds for which a shard follows jobs: a quick one has ended by then, and no worker is held for a long one.
FOLLOWS = 2.0
# Seconds until a host is asked without the passphrase that nobody gave: who answered with Ctrl-C wants nothing sent, as
# another thread hears.
UNANSWERED = 0.5
# Bytes of results that are taken in by themselves.
BULKY = 1 << 20
# Threads that write what was learned; the job cache writes for all of them at once.
WRITERS = 32


def cluster_of(executor: Executor) -> Cluster:
    """What is known of an executor that a caller brings."""
    if isinstance(executor, Cores):
        return Cluster(executor, executor.workers * executor.at_once)
    kind = type(executor)
    if kind.__module__.startswith("distributed."):
        from agentless.runner import dask_cluster

        return dask_cluster.cluster_of(executor)
    if isinstance(executor, concurrent.futures.ProcessPoolExecutor):
        # One that forks does it now, with its first task: a fork among our threads may take locks along that they hold.
        with contextlib.suppress(RuntimeError):
            executor.submit(int)
    here = isinstance(executor, (ThreadPoolExecutor, concurrent.futures.ProcessPoolExecutor))
    here = here or kind.__module__.partition(".")[0] == "loky"
    workers = getattr(executor, "_max_workers", None)
    known = workers if isinstance(workers, int) and workers > 0 else WORKERS
    return Cluster(executor, known, remote=not here, private=here)


class _Countdown:
    """Tells the last of so many that it is the last."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._lock = threading.Lock()

    def one_less(self) -> bool:
        with self._lock:
            self._left -= 1
            return not self._left


class _Batch(_Countdown):
    """Calls that go into one shard, while they are prepared; the last one sends it."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.calls: dict[str, HostCall] = {}
        self.settings: dict[str, Settings] = {}


class Home(Protocol):
    """What a shard takes from the controller: `spread.Spread`, and how its methods are meant."""

    @property
    def passphrases(self) -> Mapping[str, tuple[Secret | None, ...]]: ...

    def settings(self, endpoint: Endpoint) -> Settings: ...

    def answer(self, prompt: str, private: bool, known: int) -> bool: ...

    def warn(self, line: str) -> None: ...


class Shards:
    """Carries out calls as shards (`fanout.Carrier`).

    Args:
        size: hosts in a shard.
    """

    def __init__(self, spread: Home, cluster: Cluster, size: int) -> None:
        self._spread = spread
        self._cluster = cluster
        self._size = size
        self._writers = _Writers()
        self._futures: set[Future[bytes]] = set()
        self._gathered: deque[str] = deque()
        # Shards that are prepared, carried out or taken in.
        self._out = 0
        self._lock = threading.Lock()
        self._bulky = threading.Lock()
        self._closed = False

    def start(self, pool: FanOut, names: Sequence[str]) -> None:
        with self._lock:
            self._gathered.extend(names)
        self._fill(pool)

    def _fill(self, pool: FanOut) -> None:
        """Make shards of what has gathered: whole ones, and a smaller one only where a worker has nothing to do.

        Hosts that come one by one, as the places of others become free, would else each be a shard of its own.
        """
        while True:
            with self._lock:
                idle = self._out < self._cluster.workers
                if self._closed or not self._gathered or (len(self._gathered) < self._size and not idle):
                    return
                some = [self._gathered.popleft() for _ in range(min(self._size, len(self._gathered)))]
                self._out += 1
            batch = _Batch(len(some))
            for name in some:
                self._writers.put(lambda name=name, batch=batch: self._prepare(pool, name, batch))  # type: ignore[misc]

    def _done(self, pool: FanOut) -> None:
        """All hosts of a shard have been heard, and others may have taken their places."""
        with self._lock:
            self._out -= 1
        self._fill(pool)

    def leave(self, name: str) -> None:
        """A shard ends by itself."""

    def close(self) -> None:
        with self._lock:
            self._closed = True
            futures, self._futures = self._futures, set()
        for future in futures:
            future.cancel()
        self._writers.close()

    # --- out ---
    def _prepare(self, pool: FanOut, name: str, batch: _Batch) -> None:
        part = pool.part(name)
        pause: float | None = None
        goes = False
        try:
            call = part.next()
            if isinstance(call, HostCall):
                try:
                    settings = None if call.endpoint.local else self._spread.settings(call.endpoint)
                except HostError as error:
                    pause = part.over(error, reached=False)
                else:
                    if part.ready():
                        batch.calls[name] = call
                        if settings is not None:
                            batch.settings[name] = settings
                        goes = True
                    else:
                        pause = part.over(None, reached=False)
            else:
                pause = call
        except BaseException as error:  # noqa: BLE001 - whatever it is, a thread must not end unseen
            part.failed(error)
        if not goes:
            pool.went(name, pause)
        if batch.one_less():
            self._submit(pool, batch)
            self._done(pool)

    def _submit(self, pool: FanOut, batch: _Batch) -> None:
        """Hand the shard over, in parts where its hosts are reached by different workers."""
        groups: dict[str | None, dict[str, HostCall]] = {}
        for name, call in batch.calls.items():
            here = call.endpoint.local and self._cluster.remote
            groups.setdefault("" if here else call.endpoint.spread_worker, {})[name] = call
        for worker, calls in groups.items():
            known = self._spread.passphrases
            with self._lock:
                self._out += 1
            settings = {name: batch.settings[name] for name in calls if name in batch.settings}
            shard = Shard(calls, settings, str(Path.home()), FOLLOWS, known)
            counts = {prompt: len(answers) for prompt, answers in known.items()}
            try:
                future = self._send(worker, pickle.dumps(shard, pickle.HIGHEST_PROTOCOL))
            except HostError as error:
                self._lost(pool, calls, error)
                continue
            except Exception as error:  # noqa: BLE001 - whatever an executor says that takes no task
                what = f"{type(error).__name__}: {error}"[:500]
                self._lost(pool, calls, Unreachable("spread", f"no worker takes it ({what})", "Nothing was sent."))
                continue
            with self._lock:
                self._futures.add(future)
            arrived = partial(self._arrived, pool, calls, counts)
            if isinstance(self._cluster.executor, Cores):
                # It holds what is large back until this is taken in; another's threads are not ours to hold up.
                future.add_done_callback(arrived)
            else:
                future.add_done_callback(lambda future, arrived=arrived: self._writers.put(partial(arrived, future)))  # type: ignore[misc]

    def _send(self, worker: str | None, data: bytes) -> Future[bytes]:
        from agentless import __version__

        if worker == "":
            # This machine means the controller's own, wherever the other hosts are asked from.
            here = ThreadPoolExecutor(1, thread_name_prefix="agentless-here")
            future = here.submit(carry_out, __version__, data)
            here.shutdown(wait=False)
            return future
        executor = self._cluster.executor
        if worker is not None and self._cluster.of_worker is not None:
            executor = self._cluster.of_worker(worker)
        return executor.submit(carry_out, __version__, data)

    # --- back ---
    def _arrived(
        self, pool: FanOut, calls: Mapping[str, HostCall], counts: Mapping[str, int], future: Future[bytes]
    ) -> None:
        with self._lock:
            self._futures.discard(future)
        if self._closed:
            return
        try:
            data = future.result()
        except BaseException as error:  # noqa: BLE001 - a worker's death comes as what its executor calls it
            self._lost(pool, calls, _lost(error))
            return
        # What is large is taken in one shard at a time: else all shards' output would be in memory twice.
        bulky = len(data) > BULKY
        with self._bulky if bulky else contextlib.nullcontext():
            try:
                results = pickle.loads(data)
                if not isinstance(results, Results):
                    raise TypeError(f"a {type(results).__name__} came instead of results")
            except Exception as error:  # noqa: BLE001 - no results, whatever it is
                self._lost(pool, calls, _lost(error))
                return
            for line in results.warnings:
                self._spread.warn(line)
            missing = CallOutcome(error=Unreachable("spread", "the worker left it out"))
            outcomes = {name: results.outcomes.get(name) or missing for name in calls}
            del results
            self._absorb_all(pool, outcomes, counts, here=bulky)

    def _absorb_all(
        self, pool: FanOut, outcomes: dict[str, CallOutcome], counts: Mapping[str, int], *, here: bool = False
    ) -> None:
        """Take in what became of the hosts of a shard: in this thread, one after the other, or by the writers."""
        left = _Countdown(len(outcomes))

        def take(name: str, outcome: CallOutcome) -> None:
            self._take(pool, name, outcome, counts)
            if left.one_less():
                self._done(pool)

        for name in list(outcomes):
            task = partial(take, name, outcomes.pop(name))
            if here:
                task()
            else:
                self._writers.put(task)

    def _take(self, pool: FanOut, name: str, outcome: CallOutcome, counts: Mapping[str, int]) -> None:
        if outcome.prompt is not None:
            pool.went(name, self._asked(pool.part(name), outcome.prompt, counts))
            return
        if outcome.again:
            pool.went(name, 0.0)
            return
        part = pool.part(name)
        pause: float | None = None
        try:
            error = outcome.error
            try:
                for answer in outcome.answers:
                    part.take(answer)
            except HostError as problem:
                error = problem
            pause = part.over(error, reached=outcome.reached)
        except BaseException as error:  # noqa: BLE001 - whatever it is, a thread must not end unseen
            part.failed(error)
        pool.went(name, pause)

    def _asked(self, part: Part, prompt: str, counts: Mapping[str, int]) -> float | None:
        """Ask the person; seconds after which the host is asked again."""
        try:
            # Who is interrupted at the question has sent nothing.
            part.over(None, reached=False)
            answered = self._spread.answer(prompt, self._cluster.private, counts.get(prompt, 0))
        except BaseException as error:  # noqa: BLE001 - whatever it is, a thread must not end unseen
            part.failed(error)
            return None
        return 0.0 if answered else UNANSWERED

    def _lost(self, pool: FanOut, calls: Mapping[str, HostCall], error: HostError) -> None:
        # Nobody knows how far the worker came.
        outcome = CallOutcome(error=error, reached=isinstance(error, CarrierLost))
        self._absorb_all(pool, dict.fromkeys(calls, outcome), {})


def _lost(error: BaseException) -> HostError:
    if isinstance(error, RuntimeError) and str(error).startswith(OTHER_VERSION):
        return Unreachable("spread", str(error)[:500], "Nothing was sent. Install one version on all machines.")
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    hint = "The job may run: agentless jobs wait asks the host."
    return CarrierLost("spread", f"the worker that asked it gave no result ({what})"[:500], hint)


class _Writers:
    """Threads that do small tasks in the order in which they come; as many as there is work for, up to `WRITERS`."""

    def __init__(self) -> None:
        self._tasks: deque[Callable[[], None]] = deque()
        self._changed = threading.Condition()
        self._threads = 0
        self._idle = 0
        self._closed = False

    def put(self, task: Callable[[], None]) -> None:
        with self._changed:
            if self._closed:
                return
            self._tasks.append(task)
            if self._idle < len(self._tasks) and self._threads < WRITERS:
                self._threads += 1
                threading.Thread(target=self._work, name="agentless-writer", daemon=True).start()
            else:
                self._changed.notify()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._idle += 1
                self._changed.wait_for(lambda: self._tasks or self._closed)
                self._idle -= 1
                if not self._tasks:
                    return
                task = self._tasks.popleft()
            task()

    def close(self) -> None:
        """What has come is done; nothing more is taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
