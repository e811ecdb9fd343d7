"""Events wait for their reader, and what they tell of waits with them: nothing grows without a bound."""

from __future__ import annotations

import math
import queue
import threading

import pytest

from agentless.model.answers import Output
from agentless.model.jid import JID
from agentless.model.states import HostResult, State
from agentless.runner.events import LONGEST_WAIT, UNREAD_MAX, WEIGHT, Changed, Events, next_of
from tests.hosts import patience, until

THE_JID = JID("20261122095039579207")
PIECE = b"x" * (1 << 16)
CHANGED = Changed("web1", HostResult(State.RUNNING))


class Writer(threading.Thread):
    """A host that prints without end."""

    def __init__(self, events: Events, piece: bytes = PIECE) -> None:
        super().__init__(daemon=True)
        self.events = events
        self.piece = piece
        self.count = 0
        self.left = False
        self.start()

    def run(self) -> None:
        while not self.left:
            self.events.put(Output(THE_JID, "web1", 1, 0, self.piece))
            self.count += 1

    def waits(self) -> int:
        """How many pieces it has got rid of, now that it has to wait."""
        room = math.ceil(UNREAD_MAX / (len(self.piece) + WEIGHT))
        until(lambda: self.count >= room, "all room is taken")
        self.join(0.1)
        assert self.count == room
        return room


@pytest.mark.parametrize("piece", [PIECE, b""])
def test_who_prints_faster_than_is_read_is_slowed(piece: bytes) -> None:
    events = Events()
    writer = Writer(events, piece)
    unread = writer.waits()
    for _ in range(unread):
        assert isinstance(events.get(), Output)
    until(lambda: writer.count > unread, "it goes on")
    writer.left = True
    events.close()


class Looked(queue.SimpleQueue[int]):
    """Empty for some looks, of which each is noted with its seconds."""

    def __init__(self, looks: int) -> None:
        self.looks: list[float | None] = []
        self.left = looks

    def get(self, block: bool = True, timeout: float | None = None) -> int:
        self.looks.append(timeout)
        self.left -= 1
        if self.left >= 0:
            raise queue.Empty
        return 7


def test_no_single_wait_is_long_for_a_signal_before_it_is_heard_behind_it() -> None:
    """Its handler runs between two instructions; a wait that had not begun when it came is not ended by it."""
    items = Looked(3)
    assert next_of(items) == 7
    assert len(items.looks) == 4
    assert all(look is not None and look <= LONGEST_WAIT for look in items.looks)
    with pytest.raises(queue.Empty):
        next_of(queue.SimpleQueue(), 0.01)


def test_states_wait_for_nobody() -> None:
    events = Events()
    writer = Writer(events)
    writer.waits()
    events.put(CHANGED)
    events.put(None)
    while isinstance(event := events.get(), Output):
        writer.left = True
    assert event == CHANGED
    events.close()


def test_after_the_reader_has_left_nobody_waits_and_nothing_is_kept() -> None:
    events = Events()
    writer = Writer(events)
    unread = writer.waits()
    events.close()
    until(lambda: writer.count > unread + 1000, "it is done with")
    writer.left = True
    writer.join(patience(10))
    assert not writer.is_alive()
    for _ in range(unread):
        events.get()
    assert events.empty()
    with pytest.raises(queue.Empty):
        events.get(timeout=0)
