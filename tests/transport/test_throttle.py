"""How many handshakes with one sshd there are at once, and how long is waited for the next try."""

from __future__ import annotations

import random
import threading
import time

from agentless.transport.ssh.throttle import HANDSHAKES, HandshakeLimit, pauses
from tests.hosts import patience, until


def test_no_more_than_the_limit_hold_a_place_and_other_hosts_do_not_wait() -> None:
    limit = HandshakeLimit()
    leave = threading.Event()
    inside: list[int] = []

    def enter(number: int) -> None:
        with limit.hold("web"):
            inside.append(number)
            leave.wait(patience(20))

    threads = [threading.Thread(target=enter, args=(number,)) for number in range(HANDSHAKES + 1)]
    for thread in threads:
        thread.start()
    until(lambda: len(inside) == HANDSHAKES, "as many as may are inside")
    with limit.hold("db"):
        assert len(inside) == HANDSHAKES
    leave.set()
    for thread in threads:
        thread.join(patience(20))
    assert len(inside) == HANDSHAKES + 1


def test_pauses_grow_with_jitter_and_end_before_the_deadline() -> None:
    breaks = list(zip(range(8), pauses(time.monotonic() + 1000, random.Random(1)), strict=False))
    lengths = [pause for _, pause in breaks]
    assert all(0.1 <= pause <= 3.0 for pause in lengths)
    assert lengths[0] <= 0.2 < lengths[4]
    assert list(pauses(time.monotonic(), random.Random(1))) == []
