"""Results that threads enter at once: one of them writes for all, under one lock and with one wait for the disk."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from agentless.model.jid import JID
from agentless.model.states import HostResult
from agentless.values import dataclass

__all__ = ["Turns"]


class Turns:
    """Takes one result from each thread, and hands them on together.

    Args:
        write: enters results by host, and returns those that it took; they are on disk when it returns.
    """

    def __init__(self, write: Callable[[JID, Mapping[str, HostResult]], dict[str, HostResult]]) -> None:
        self._write = write
        self._queue = threading.Lock()
        self._writing = threading.Lock()
        self._waiting: dict[JID, list[_QueuedResult]] = {}

    def enter(self, jid: JID, host: str, result: HostResult) -> HostResult | None:
        """What `write` returned for this host, None where it took nothing; raises what `write` raised."""
        if threading.current_thread() is threading.main_thread():
            # A Ctrl-C that hits it may not leave others' results half entered.
            return self._write(jid, {host: result}).get(host)
        entry = _QueuedResult(host, result)
        with self._queue:
            self._waiting.setdefault(jid, []).append(entry)
        # Who had to wait here finds, as a rule, that it was written for.
        with self._writing:
            if not entry.done:
                self._lead(jid)
        if entry.error is not None:
            raise entry.error
        return entry.kept

    def _lead(self, jid: JID) -> None:
        with self._queue:
            entries = self._waiting.pop(jid)
        while entries:
            first: dict[str, _QueuedResult] = {}
            for entry in entries:
                first.setdefault(entry.host, entry)
            entries = [entry for entry in entries if first[entry.host] is not entry]
            self._hand_on(jid, list(first.values()))

    def _hand_on(self, jid: JID, batch: list[_QueuedResult]) -> None:
        try:
            kept = self._write(jid, {entry.host: entry.result for entry in batch})
        except Exception as error:  # noqa: BLE001 - raised by the thread whose result it is about
            if len(batch) > 1:
                for entry in batch:
                    self._hand_on(jid, [entry])
                return
            batch[0].error = error
        else:
            for entry in batch:
                entry.kept = kept.get(entry.host)
        for entry in batch:
            entry.done = True


@dataclass(slots=True)
class _QueuedResult:
    """A result on its way, and what became of it."""

    host: str
    result: HostResult
    done: bool = False
    kept: HostResult | None = None
    error: Exception | None = None
