"""A cluster of Dask distributed as what carries shards out; the only place that imports it."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, InvalidStateError
from typing import Any

from agentless.errors import Unreachable, UsageError
from agentless.extras import way_to_install
from agentless.runner.cluster import WORKERS, Cluster

__all__ = ["cluster_of", "connect"]

# Seconds within which the scheduler answers.
PATIENCE = 10.0
# Seconds for which it is known which workers there are.
FRESH = 1.0
RESOURCE = "resource:"
# Seconds without a heartbeat, after which a worker counts as lost with all that it has. Dask itself waits for minutes,
# and where nobody else may have a task, for good.
SILENCE = 30.0
# Seconds after which it is looked at again who lives, while tasks are out.
LOOK_EVERY = 2.0


def connect(address: str) -> Cluster:
    """The cluster of the scheduler at this address, `tcp://…` or `tls://…`; certificates are Dask's configuration.

    Raises:
        UsageError: Dask is not installed, or the scheduler does not answer.
    """
    try:
        from distributed import Client
    except ImportError as error:
        hint = way_to_install("dask")
        raise UsageError(f"--spread {address} needs Dask distributed, which is not installed here", hint) from error
    # It tells of every connection that breaks: what became of the hosts is told anyway.
    for name in ("distributed", "tornado", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False, name="agentless")  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError, ValueError, TypeError, ImportError, RuntimeError) as error:
        hint = "Is it running there (dask scheduler), and do both sides speak TLS or neither (tls://, tcp://)?"
        raise UsageError(f"the Dask scheduler {address} does not answer: {error}", hint) from error
    return _Dask(client, own=True).cluster()


def cluster_of(executor: Executor) -> Cluster:
    """The cluster behind an executor that `Client.get_executor()` made."""
    return _Dask(executor._client, own=False, executor=executor).cluster()  # type: ignore[attr-defined]


class _Task:
    """What was submitted and has not come back.

    Args:
        future: Dask's.
        fits: whether a worker may carry it out, by what the scheduler knows of it.
    """

    def __init__(self, future: Any, fits: Callable[[str, Mapping[str, Any]], bool]) -> None:
        self.future = future
        self.fits = fits
        self.result: Future[Any] = Future()
        # Since when nobody lives who may have it.
        self.alone_since: float | None = None

    def came(self, done: Future[Any]) -> None:
        # Who gave it up has said so, and nobody waits for this any more.
        with contextlib.suppress(InvalidStateError):
            if done.cancelled():
                self.result.set_exception(CancelledError("Dask has given it up"))
            elif (error := done.exception()) is not None:
                self.result.set_exception(error)
            else:
                self.result.set_result(done.result())

    def lose(self, why: str) -> None:
        """Nobody will bring it."""
        with contextlib.suppress(InvalidStateError):
            self.result.set_exception(BrokenExecutor(why))
        with contextlib.suppress(Exception):
            self.future.cancel()


class _Life:
    """Since when workers have been silent, by heartbeats as the scheduler has them: no two clocks are compared."""

    def __init__(self) -> None:
        self._beats: dict[str, tuple[object, float]] = {}

    def look(self, workers: Mapping[str, Mapping[str, Any]]) -> None:
        """Note what the scheduler knows now."""
        now = time.monotonic()
        self._beats = {
            key: self._beats[key]
            if key in self._beats and self._beats[key][0] == one.get("last_seen")
            else (one.get("last_seen"), now)
            for key, one in workers.items()
        }

    def lives(self, key: str) -> bool:
        """Whether a worker is there, and was heard of late."""
        return key in self._beats and time.monotonic() - self._beats[key][1] < SILENCE


class _Dask(Executor):
    """Submits to a Dask client, and gives up what is with workers that are lost.

    Args:
        client: `distributed.Client`.
        own: it is closed with the executor.
        executor: what a caller brings, with what he set for it; None makes one.
    """

    def __init__(self, client: Any, *, own: bool, executor: Any = None) -> None:
        self._client = client
        self._own = own
        # Each shard is a task of its own, whatever is in it.
        self._any = executor or client.get_executor(pure=False)
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._asked = -FRESH
        self._known: dict[str, Any] = {}
        self._life = _Life()
        self._tasks: set[_Task] = set()
        self._watches = False
        self._over = threading.Event()

    def cluster(self) -> Cluster:
        """What is known of it."""
        workers = self._workers()
        threads = sum(int(worker.get("nthreads", 1)) for worker in workers.values())
        address = str(self._client.scheduler.address if self._client.scheduler else "")
        encrypted = address.startswith(("tls://", "wss://", "inproc://"))
        return Cluster(self, threads or WORKERS, remote=True, private=encrypted, of_worker=self._of_worker)

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """As of `Executor`; the future raises BrokenExecutor where the worker that has the task is lost."""
        workers = self._workers()
        living = [key for key in workers if self._life.lives(key)]
        if not living:
            what = "no workers" if not workers else "no worker that gives a sign of life"
            raise Unreachable("spread", f"the Dask cluster has {what}", "Start one: dask worker SCHEDULER")
        options = dict(self._any._kwargs)
        if len(living) < len(workers) and "workers" not in options:
            options |= {"workers": living, "allow_other_workers": False}
        mine = options.get("workers")
        named = {mine} if isinstance(mine, str) else set(mine or ())
        return self._submit(options, lambda key, worker: not named or bool(_names(key, worker) & named), fn, args)

    def _submit(
        self, options: dict[str, Any], fits: Callable[[str, Mapping[str, Any]], bool], fn: Any, args: tuple[Any, ...]
    ) -> Future[Any]:
        future = self._client.submit(fn, *args, **options)
        task = _Task(future, fits)
        with self._lock:
            self._tasks.add(task)
            starts, self._watches = not self._watches, True
        if starts:
            threading.Thread(target=self._watch, name="agentless-dask", daemon=True).start()
        self._any._wrap_future(future).add_done_callback(task.came)
        task.result.add_done_callback(lambda result: self._forget(task))
        return task.result

    def _forget(self, task: _Task) -> None:
        with self._lock:
            self._tasks.discard(task)
        if task.result.cancelled():
            with contextlib.suppress(Exception):
                task.future.cancel()

    # --- who lives ---
    def _workers(self) -> dict[str, Any]:
        """The workers that the scheduler knows, by address, as of a moment ago.

        `Client.scheduler_info` will not do: a refresh of the client's own, which asks for none, may come between.
        """
        with self._asking:
            if self._client.status != "running":
                raise Unreachable(
                    "spread", "the Dask scheduler is gone", "What runs goes on: agentless jobs wait asks."
                )
            if time.monotonic() >= self._asked + FRESH:
                try:
                    answer = self._client.sync(self._client.scheduler.identity, callback_timeout=PATIENCE)
                except (OSError, TimeoutError) as error:
                    hint = "What runs goes on: agentless jobs wait asks."
                    raise Unreachable("spread", "the Dask scheduler does not answer", hint) from error
                self._known = answer.get("workers", {})
                self._asked = time.monotonic()
                self._life.look(self._known)
            return self._known

    def _watch(self) -> None:
        """Give up tasks that nobody will bring, while there are any."""
        heard_at = time.monotonic()
        while not self._over.wait(LOOK_EVERY):
            with self._lock:
                tasks = list(self._tasks)
                if not tasks:
                    self._watches = False
                    return
            try:
                workers = self._workers()
                ask = self._client.scheduler
                processing = self._client.sync(ask.processing, callback_timeout=PATIENCE)
                keys = [task.future.key for task in tasks]
                results = self._client.sync(ask.who_has, keys=keys, callback_timeout=PATIENCE)
                heard_at = time.monotonic()
            except Exception:  # noqa: BLE001 - whatever it is that a client says whose scheduler is lost
                if time.monotonic() - heard_at >= SILENCE:
                    for task in tasks:
                        task.lose("the Dask scheduler gives no sign of life")
                continue
            has = {key: address for address, keys in processing.items() for key in keys}
            has |= {key: addresses[0] for key, addresses in results.items() if addresses}
            for task in tasks:
                self._look(task, workers, has.get(task.future.key))

    def _look(self, task: _Task, workers: Mapping[str, Any], address: str | None) -> None:
        if address is not None and address in workers:
            if not self._life.lives(address):
                task.lose(f"the Dask worker {workers[address].get('name')} gives no sign of life")
            task.alone_since = None
        elif any(self._life.lives(key) and task.fits(key, worker) for key, worker in workers.items()):
            task.alone_since = None
        elif task.alone_since is None:
            task.alone_since = time.monotonic()
        elif time.monotonic() - task.alone_since >= SILENCE:
            task.lose("no Dask worker is left that may have it")

    def _of_worker(self, word: str) -> Executor:
        """The workers that `agentless_spread_worker` names: their names, addresses or hosts with commas, or
        `resource:NAME`.

        Raises:
            Unreachable: the cluster has none of them now.
        """
        workers = self._workers()
        if word.startswith(RESOURCE):
            name = word.removeprefix(RESOURCE).strip()
            fit = [key for key, worker in workers.items() if worker.get("resources", {}).get(name)]
        else:
            names = {name.strip() for name in word.split(",")}
            fit = [key for key, worker in workers.items() if names & _names(key, worker)]
        living = [key for key in fit if self._life.lives(key)]
        if not living:
            hint = f"Workers there: {', '.join(sorted(str(one.get('name')) for one in workers.values())) or 'none'}."
            what = f"has no worker {word}" if not fit else f"has no sign of life of worker {word}"
            raise Unreachable("spread", f"the Dask cluster {what} (agentless_spread_worker)", hint)
        options: dict[str, Any] = {"pure": False, "workers": living, "allow_other_workers": False}
        if word.startswith(RESOURCE):
            options["resources"] = {name: 1}
        return _Some(lambda fn, args: self._submit(options, lambda key, worker: key in living, fn, args))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._over.set()
        with self._lock:
            tasks = list(self._tasks)
        # A scheduler that has died cannot be told, and is nobody's concern any more.
        with contextlib.suppress(Exception):
            if wait:
                for task in tasks:
                    task.result.exception()
            else:
                self._client.cancel([task.future for task in tasks])
        if self._own:
            with contextlib.suppress(Exception):
                self._client.close(timeout=2.0)


class _Some(Executor):
    """Some workers of a cluster."""

    def __init__(self, submit: Callable[[Any, tuple[Any, ...]], Future[Any]]) -> None:
        self._submit = submit

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        return self._submit(fn, args)


def _names(key: str, worker: Mapping[str, Any]) -> set[str]:
    """What a worker may be called by: its address, its name, its machine."""
    return {key, str(worker.get("name")), str(worker.get("host", ""))}
