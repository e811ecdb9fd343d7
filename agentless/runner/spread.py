"""Decides whether calls are carried out in other processes, on this machine or on others, and by which of them.

What carries them out is in `shards.py`, which most commands do without: it is loaded where it is needed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from agentless.errors import Refused, UsageError
from agentless.model.endpoint import Endpoint
from agentless.model.secret import Secret
from agentless.openssh.resolver import Resolver
from agentless.openssh.settings import Settings
from agentless.runner.fanout import Carrier

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from agentless.runner.cluster import Cluster

__all__ = ["AUTO_CORES", "AUTO_HOSTS", "Spread"]

# The largest shard: results arrive shard by shard.
SHARD = 25
# With `auto`: cores from so many hosts on, where there are so many cores.
AUTO_HOSTS = 500
AUTO_CORES = 4


class Spread:
    """Where calls are carried out.

    Args:
        word: `auto`, `threads`, `cores`, or the address of a Dask scheduler.
        executor: instead of that; it stays the caller's.
        ask: shows a prompt for the passphrase of a key, and returns the answer.
        warn: shows one line.
    """

    def __init__(
        self,
        word: str,
        executor: Executor | None,
        *,
        ask: Callable[[str], Secret | None],
        warn: Callable[[str], None],
    ) -> None:
        self._word = word
        self._given = executor
        self._ask = ask
        self._warn = warn
        self._lock = threading.Lock()
        self._made: Cluster | None = None
        self._warned: set[str] = set()
        self._resolver = Resolver(warn=warn)
        self._passphrases: dict[str, tuple[Secret | None, ...]] = {}

    @property
    def remote(self) -> bool:
        """Whether other machines contact the hosts."""
        if self._given is not None:
            return self._cluster().remote
        return self._word not in ("auto", "threads", "cores")

    def carrier(self, endpoints: Mapping[str, Endpoint], forks: int) -> Carrier | None:
        """What carries out calls on these hosts; None leaves it to threads of this process.

        Raises:
            UsageError: a secret would go where others can read it.
        """
        if self._given is None:
            if self._word == "threads" or (self._word == "auto" and len(endpoints) < AUTO_HOSTS):
                return None
            from agentless.runner.cores import cores

            if self._word == "auto" and cores() < AUTO_CORES:
                return None
        cluster = self._cluster()
        self._check(cluster, endpoints)
        size = max(1, min(SHARD, forks // cluster.workers, -(-len(endpoints) // cluster.workers)))
        from agentless.runner.shards import Shards

        return Shards(self, cluster, size)

    def _cluster(self) -> Cluster:
        from agentless.runner.cores import Cores, cores
        from agentless.runner.shards import cluster_of

        with self._lock:
            if self._made is None:
                if self._given is not None:
                    self._made = cluster_of(self._given)
                elif self._word in ("auto", "cores"):
                    self._made = cluster_of(Cores(cores()))
                else:
                    from agentless.runner.dask_cluster import connect

                    self._made = connect(self._word)
            return self._made

    def _check(self, cluster: Cluster, endpoints: Mapping[str, Endpoint]) -> None:
        """Refuse to send a secret where others can read it; raises UsageError, before anything is sent."""
        if cluster.private:
            return
        for name, endpoint in endpoints.items():
            become = endpoint.become
            if not endpoint.local and (endpoint.password or (become and become.password)):
                what = "the password to log in" if endpoint.password else f"the password of {become and become.method}"
                raise UsageError(
                    f"{name}: {what} would go to workers on other machines, and this cluster does not encrypt",
                    "Use a cluster with TLS (`spread=tls://…`), keys that the workers have, or `spread=threads`.",
                )

    def settings(self, endpoint: Endpoint) -> Settings:
        """How to connect to a host; raises HostError."""
        if endpoint.problem is not None:
            raise Refused(endpoint.problem.kind, endpoint.problem.message, endpoint.problem.hint)
        return self._resolver.settings(endpoint)

    # --- prompts ---
    @property
    def passphrases(self) -> Mapping[str, tuple[Secret | None, ...]]:
        """What was answered so far."""
        with self._lock:
            return dict(self._passphrases)

    def answer(self, prompt: str, private: bool, known: int) -> bool:
        """Ask a person once for what workers need to log in, unless another host's worker needed it before; whether
        there was an answer.

        Args:
            private: the answer can go to the workers.
            known: how many answers to this prompt the worker had.
        """
        with self._lock:
            answers = self._passphrases.get(prompt, ())
            if len(answers) > known:
                return answers[known] is not None
            if private:
                answer = self._ask(prompt)
            else:
                answer = None
                self._warn_once(f"{prompt.strip(' :')}: not asked for, this cluster does not encrypt: use its agent")
            self._passphrases[prompt] = (*answers, answer)
            return answer is not None

    def warn(self, line: str) -> None:
        """Show a line of a worker's, once."""
        with self._lock:
            self._warn_once(line)

    def _warn_once(self, line: str) -> None:
        if line not in self._warned:
            self._warned.add(line)
            self._warn(line)

    def close(self) -> None:
        """End the workers that were started here; an executor of the caller's stays."""
        with self._lock:
            made, self._made = self._made, None
        if made is not None and self._given is None:
            made.executor.shutdown(wait=False, cancel_futures=True)
