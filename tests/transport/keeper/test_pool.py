"""What a keeper holds, by what it was made of."""

from __future__ import annotations

import time

import pytest

from agentless.transport.keeper import pool
from agentless.transport.ssh.kept import Kept


def test_nobody_rides_what_was_connected_before_the_machine_slept(monkeypatch: pytest.MonkeyPatch) -> None:
    class Link:
        alive = True

        class transport:
            channel_count = 0

        def close(self) -> None:
            self.alive = False

    ahead = 7.0
    monkeypatch.setattr(pool, "_clock_ahead", lambda: ahead)
    connections = pool.Pool()
    made: list[Kept] = []

    def get() -> Kept:
        kept, _ = connections.get(lambda: b"web1", Link, 60.0, 0.0)  # type: ignore[arg-type]
        made.append(kept)
        return kept

    assert get() is get()
    ahead += 3600
    assert get() is not made[0]
    assert not made[0].alive


@pytest.mark.parametrize(
    ("clocks", "ahead"),
    [
        ({"CLOCK_BOOTTIME": 7, "CLOCK_MONOTONIC": 1}, 3600.0),  # Linux
        ({"CLOCK_MONOTONIC": 7, "CLOCK_UPTIME_RAW": 1}, 3600.0),  # macOS
        ({"CLOCK_MONOTONIC": 1}, 0.0),
    ],
)
def test_each_system_has_its_own_clocks(clocks: dict[str, int], ahead: float, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC", "CLOCK_UPTIME_RAW"):
        monkeypatch.delattr(time, name, raising=False)
    for name, number in clocks.items():
        monkeypatch.setattr(time, name, number, raising=False)
    monkeypatch.setattr(time, "clock_gettime", {7: 4600.0, 1: 1000.0}.__getitem__)
    assert pool._clock_ahead() == ahead
