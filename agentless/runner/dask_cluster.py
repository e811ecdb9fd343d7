"""A cluster of Dask distributed as what carries shards out; the only place that imports it."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from concurrent.futures import Executor
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


class _Dask(Executor):
    """Submits to a Dask client.

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
        self._of: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._asked = -FRESH
        self._known: dict[str, Any] = {}

    def cluster(self) -> Cluster:
        """What is known of it."""
        workers = self._workers()
        threads = sum(int(worker.get("nthreads", 1)) for worker in workers.values())
        address = str(self._client.scheduler.address if self._client.scheduler else "")
        encrypted = address.startswith(("tls://", "wss://", "inproc://"))
        return Cluster(self, threads or WORKERS, remote=True, private=encrypted, of_worker=self._of_worker)

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        if not self._workers():
            raise Unreachable("spread", "the Dask cluster has no workers", "Start one: dask worker SCHEDULER")
        return self._any.submit(fn, *args, **kwargs)

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
                answer = self._client.sync(self._client.scheduler.identity, callback_timeout=PATIENCE)
                self._known = answer.get("workers", {})
                self._asked = time.monotonic()
            return self._known

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
            options: dict[str, Any] = {"resources": {name: 1}}
        else:
            names = {name.strip() for name in word.split(",")}
            fit = [
                key for key, worker in workers.items() if names & {key, str(worker.get("name")), worker.get("host", "")}
            ]
            options = {"workers": fit, "allow_other_workers": False}
        if not fit:
            hint = f"Workers there: {', '.join(sorted(str(one.get('name')) for one in workers.values())) or 'none'}."
            raise Unreachable("spread", f"the Dask cluster has no worker {word} (agentless_spread_worker)", hint)
        key = f"{word} {sorted(fit)}"
        with self._lock:
            if key not in self._of:
                self._of[key] = self._client.get_executor(pure=False, **options)
            executor: Executor = self._of[key]
        return executor

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        # A scheduler that has died cannot be told, and is nobody's concern any more.
        for executor in (*self._of.values(), *([self._any] if self._own else [])):
            with contextlib.suppress(Exception):
                executor.shutdown(wait=wait)
        if self._own:
            with contextlib.suppress(Exception):
                self._client.close(timeout=2.0)
