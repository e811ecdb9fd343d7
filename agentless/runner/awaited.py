"""Hosts that a living run is still to send a job to, for who only waits for the job: what the cache says of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

from agentless.cache import JobCache
from agentless.model.jid import JID
from agentless.model.states import HostResult, State

__all__ = ["Awaited"]

# Seconds between two looks, and how many times as long as a look takes.
EVERY = 0.5
SHARE = 10


class Awaited:
    """Looks at the job's record now and then, for all threads that wait for a host of it.

    Args:
        cache: where the run records what it does.
        jid: the job.
    """

    def __init__(self, cache: JobCache, jid: JID) -> None:
        self._cache = cache
        self._jid = jid
        self._lock = threading.Lock()
        self._results: Mapping[str, HostResult] = {}
        self._due = 0.0

    def dispatched(self, host: str, left: threading.Event) -> HostResult | None:
        """Wait until the run has sent the job to this host, or will never do so.

        Args:
            left: set when nobody waits any more.

        Returns:
            where the host stands then, with its output where it has ended; None where `left` was set before.

        Raises:
            CacheError: the record cannot be read.
        """
        while not left.is_set():
            result = self._look(host)
            if result is None or result.state is not State.PENDING:
                return result
            left.wait(EVERY)
        return None

    def _look(self, host: str) -> HostResult | None:
        with self._lock:
            began = time.monotonic()
            if began >= self._due:
                report = self._cache.current(self._jid)
                self._results = report.results if report else {}
                took = time.monotonic() - began
                self._due = time.monotonic() + max(EVERY, SHARE * took)
            return self._results.get(host)
