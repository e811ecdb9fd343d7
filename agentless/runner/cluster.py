"""A cluster: the executor that carries out shards, and what is known of it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor

from agentless.values import dataclass

__all__ = ["WORKERS", "Cluster"]

# Where nothing is known of how many there are.
WORKERS = 4


@dataclass(frozen=True, slots=True)
class Cluster:
    """An executor, and what is known of it.

    Args:
        executor: carries out `shard.carry_out`.
        workers: how many shards it takes at once, as far as that is known.
        remote: other machines carry out its tasks.
        private: what is sent there can be read by nobody on the way.
        of_worker: the executor of those workers that a host's `agentless_spread_worker` names, and raises HostError
            where there is none; None where that means nothing.
    """

    executor: Executor
    workers: int = WORKERS
    remote: bool = False
    private: bool = True
    of_worker: Callable[[str], Executor] | None = None
