from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from agentless.transport.mux.line import Line, wait
from agentless.transport.mux.protocol import AliveCheck, Hello, Malformed, NewSession, Unknown
from tests.hosts import patience
from tests.transport.conftest import open_descriptors


@pytest.fixture
def lines() -> Iterator[tuple[Line, Line]]:
    ours, theirs = socket.socketpair()
    pair = Line(ours), Line(theirs)
    yield pair
    for line in pair:
        line.close()


def test_messages_and_descriptors_arrive_in_order(lines: tuple[Line, Line]) -> None:
    ours, theirs = lines
    read, write = os.pipe()
    ours.send(Hello(), NewSession(1, b"id"), descriptors=[write])
    ours.send(AliveCheck(2))
    os.close(write)
    assert [theirs.receive(), theirs.receive()] == [Hello(), NewSession(1, b"id")]
    (arrived,) = theirs.receive_descriptors(1)
    os.write(arrived, b"x")
    assert os.read(read, 9) == b"x"
    assert theirs.receive() == AliveCheck(2)
    os.close(arrived)
    os.close(read)


def test_none_of_several_descriptors_stays_open_where_one_is_missing(lines: tuple[Line, Line]) -> None:
    ours, theirs = lines
    before = open_descriptors()
    ours.send(AliveCheck(1), descriptors=[0])
    ours.send(AliveCheck(2))
    assert theirs.receive() == AliveCheck(1)
    with pytest.raises(OSError, match="a descriptor was expected"):
        theirs.receive_descriptors(2)
    assert open_descriptors() <= before


def test_who_says_nothing_is_waited_for_as_long_as_is_said(lines: tuple[Line, Line]) -> None:
    with pytest.raises(TimeoutError):
        lines[0].receive(time.monotonic() + 0.01)


def test_who_takes_nothing_is_waited_for_as_long_as_is_said(lines: tuple[Line, Line]) -> None:
    lines[0].sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    with pytest.raises(TimeoutError):
        lines[0].send(Unknown(0x1A000009, b"x" * 250_000), until=time.monotonic() + 0.05)


def test_the_end_is_told_also_to_a_thread_that_waits(lines: tuple[Line, Line]) -> None:
    heard: list[object] = []
    waiting = threading.Thread(target=lambda: heard.append(lines[0].receive()))
    waiting.start()
    lines[0].wake()
    waiting.join(patience(10))
    assert heard == [None]
    assert lines[1].receive() is None


def test_each_side_says_how_long_a_message_may_be() -> None:
    ours, theirs = socket.socketpair()
    short, long = Line(ours, 100), Line(theirs, 1000)
    with pytest.raises(ValueError, match="over 100"):
        short.send(Unknown(0x1A000009, b"x" * 200))
    long.send(Unknown(0x1A000009, b"x" * 200))
    with pytest.raises(Malformed):
        short.receive()
    short.close()
    long.close()


def test_nothing_to_wait_for_is_over_at_once_where_a_time_is_said() -> None:
    assert wait({}, time.monotonic()) == {}
    read, write = os.pipe()
    os.close(write)
    assert wait({read: select.POLLIN}, None)
    os.close(read)
