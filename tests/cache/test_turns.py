"""Results that threads enter at once: written together, answered each for itself."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from agentless.cache.turns import Turns
from agentless.errors import CacheError
from agentless.model.jid import JID
from agentless.model.states import Dispatched, HostResult, State
from tests.hosts import patience, until

ONE = JID("20261128060000000001")
SENT = HostResult(State.PENDING, dispatched=Dispatched.MAYBE, nonce="0" * 16)
RUNS = HostResult(State.RUNNING, dispatched=Dispatched.YES, nonce="0" * 16)


class Disk:
    """Writes that wait until the test lets them go; a host `bad` cannot be written, one that is `old` had ended."""

    def __init__(self) -> None:
        self.writes: list[dict[str, HostResult]] = []
        self.ready = threading.Event()
        self.turns = Turns(self.write)

    def write(self, jid: JID, results: Mapping[str, HostResult]) -> dict[str, HostResult]:
        self.writes.append(dict(results))
        assert self.ready.wait(patience(30))
        if "bad" in results:
            raise CacheError("no room", "")
        return {host: result for host, result in results.items() if host != "old"}

    def together(self, *entries: tuple[str, HostResult]) -> list[HostResult | BaseException | None]:
        """Enter one, and the others while it is being written; what became of each."""
        with ThreadPoolExecutor(len(entries)) as pool:
            futures = []
            for number, (host, result) in enumerate(entries):
                futures.append(pool.submit(self.turns.enter, ONE, host, result))
                if number == 0:
                    until(lambda: self.writes, "the first is being written")
                else:
                    until(lambda n=number: len(self.turns._waiting.get(ONE, ())) == n, "it waits")  # type: ignore[misc]
            self.ready.set()
            return [future.exception() or future.result() for future in futures]


def test_what_is_entered_during_a_write_is_written_at_once_by_the_next() -> None:
    disk = Disk()
    hosts = [f"web{number}" for number in range(8)]
    assert disk.together(*((host, SENT) for host in hosts)) == [SENT] * 8
    assert [list(write) for write in disk.writes] == [hosts[:1], hosts[1:]]


def test_two_results_of_one_host_are_written_one_after_the_other() -> None:
    disk = Disk()
    assert disk.together(("web1", SENT), ("web2", SENT), ("web2", RUNS)) == [SENT, SENT, RUNS]
    assert disk.writes == [{"web1": SENT}, {"web2": SENT}, {"web2": RUNS}]


def test_what_cannot_be_written_is_told_to_its_own_thread_alone() -> None:
    disk = Disk()
    first, bad, good, old = disk.together(("web1", SENT), ("bad", SENT), ("web2", RUNS), ("old", RUNS))
    assert isinstance(bad, CacheError)
    assert (first, good, old) == (SENT, RUNS, None)


def test_the_main_thread_writes_for_itself_so_that_a_ctrl_c_hits_nobody_else() -> None:
    disk = Disk()
    disk.ready.set()
    assert disk.turns.enter(ONE, "web1", SENT) == SENT
    with pytest.raises(CacheError):
        disk.turns.enter(ONE, "bad", SENT)
