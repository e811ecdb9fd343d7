"""What comes from a host goes to another process's descriptor: whole and in order, however slow the reader is."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import paramiko
import pytest

from agentless.transport.host_connector import HostConnector
from agentless.transport.ssh import relay
from agentless.transport.ssh.link import SshLink
from agentless.transport.ssh.relay import Outlet, Relay, Ringing
from tests.transport.conftest import Home, Server


@dataclass
class Pipe:
    """An outlet, the pipe that it writes to, and what it reported."""

    taken: list[int] = field(default_factory=list)
    rings: list[None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.outlet = Outlet(self.taken.append, lambda: self.rings.append(None))

    def read(self) -> bytes:
        try:
            return os.read(self.reader, 1 << 20)
        except BlockingIOError:
            return b""


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.outlet.finish()
    os.close(made.reader)


def test_what_comes_ahead_of_the_descriptor_waits_for_it(pipe: Pipe) -> None:
    pipe.outlet.feed(b"one ")
    pipe.outlet.feed(b"two")
    assert (pipe.outlet.waits, pipe.taken, pipe.outlet.descriptor) == (True, [], -1)
    pipe.outlet.attach(pipe.writer)
    assert (pipe.read(), pipe.outlet.waits, sum(pipe.taken)) == (b"one two", False, 7)


def test_what_finds_its_reader_at_once_rings_nobody(pipe: Pipe) -> None:
    pipe.outlet.attach(pipe.writer)
    pipe.outlet.feed(b"quick")
    assert (pipe.read(), pipe.taken, pipe.rings) == (b"quick", [5], [])


def test_what_a_slow_reader_does_not_take_comes_later_whole_and_in_order(pipe: Pipe) -> None:
    pipe.outlet.attach(pipe.writer)
    sent = [bytes([number]) * 50_000 for number in range(8)]
    for piece in sent:
        pipe.outlet.feed(piece)
    assert pipe.outlet.waits
    assert pipe.rings
    got = bytearray()
    while piece := pipe.read():
        got += piece
        pipe.outlet.flush()
    assert bytes(got) == b"".join(sent)
    assert (sum(pipe.taken), pipe.outlet.waits) == (len(got), False)


def test_a_reader_that_is_gone_holds_nobody_up(pipe: Pipe) -> None:
    """The window is given back: else the host's command would wait for ever."""
    pipe.outlet.attach(pipe.writer)
    reader, other = os.pipe()
    os.dup2(reader, pipe.reader)
    os.close(reader)
    pipe.outlet.feed(b"to nobody")
    pipe.outlet.feed(b" at all")
    assert (sum(pipe.taken), pipe.outlet.waits) == (16, False)
    os.close(other)


def test_what_comes_after_the_end_is_thrown_away(pipe: Pipe) -> None:
    pipe.outlet.attach(pipe.writer)
    pipe.outlet.finish()
    assert pipe.outlet.descriptor == -1
    pipe.outlet.feed(b"late")
    assert (pipe.read(), pipe.outlet.waits) == (b"", False)
    pipe.outlet.finish()


def test_an_end_and_an_event_ring(pipe: Pipe) -> None:
    pipe.outlet.close()
    assert (pipe.outlet.ended, len(pipe.rings)) == (True, 1)
    event = Ringing(lambda: pipe.rings.append(None))
    event.set()
    event.set()
    assert (event.is_set(), len(pipe.rings)) == (True, 3)


def test_what_two_threads_have_passed_on_at_once_widens_the_window_by_both(
    home: Home, connector: HostConnector, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that receives and the relay's own; what is lost of that, the host never sends."""
    with connector.connect(home.to(server)) as link:
        assert isinstance(link, SshLink)
        made = Relay(link, link.transport.ask_for_session(threading.Event()))
        others = [50]

        def consumed(channel: paramiko.Channel, count: int) -> int:
            if others:
                made._took(others.pop())
            return count

        monkeypatch.setattr(relay, "consumed", consumed)
        monkeypatch.setattr(link.transport.wire, "writable", lambda: False)
        made._took(100)
        assert made._owed == 150
        made.close()
