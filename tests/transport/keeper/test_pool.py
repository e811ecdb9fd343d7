"""What a keeper holds, by what it was made of."""

from __future__ import annotations

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
