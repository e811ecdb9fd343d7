"""For who only waits for a job: what the job cache says of hosts to which a living run has yet to send it."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

from agentless.cache import JobCache
from agentless.model.jid import JID
from agentless.model.states import HostResult, State

__all__ = ["EVERY", "Awaited"]

# Seconds between two looks, and how many times as long as a look takes.
EVERY = 0.5
SHARE = 10


class Awaited:
    """Looks at the job's record now and then, for all of its hosts that are waited for.

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

    def look(self, host: str) -> HostResult | None:
        """Where the host stands, as of a moment ago, with its output where it has ended; None where it is no host.

        Raises:
            CacheError: the record cannot be read.
        """
        return self._look().get(host)

    def pending(self) -> bool:
        """Whether it is still to be sent to some host, as of a moment ago; raises as `look`."""
        return any(result.state is State.PENDING for result in self._look().values())

    def _look(self) -> Mapping[str, HostResult]:
        with self._lock:
            began = time.monotonic()
            if began >= self._due:
                report = self._cache.current(self._jid)
                self._results = report.results if report else {}
                took = time.monotonic() - began
                self._due = time.monotonic() + max(EVERY, SHARE * took)
            return self._results
