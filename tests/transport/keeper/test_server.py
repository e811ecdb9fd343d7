"""A keeper's life: it ends when nobody needs it, or when its name is gone, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agentless.transport.keeper import greeting, words
from agentless.transport.keeper.place import Place
from agentless.transport.mux.control import listener_pid
from agentless.transport.mux.protocol import Alive, Hello
from tests.hosts import patience, until
from tests.hosts.needs import need

Pids = Callable[[], list[int]]


def started(place: Place) -> int:
    place.connect().close()
    running = greeting.held(place)
    assert running is not None
    return running.pid


def test_it_ends_when_nothing_is_kept_and_takes_its_name_along(place: Place, alone: Pids) -> None:
    need("many seconds")
    started(place)
    until(lambda: not alone(), "it ends")
    assert list(place.directory.iterdir()) == []


def test_it_stays_for_a_command_that_goes_on(place: Place, alone: Pids) -> None:
    need("many seconds")
    line = words.line(place.connect())
    line.send(Hello())
    assert line.receive(time.monotonic() + patience(10)) == Hello()
    line.send(words.said(words.LEASE, 0, words.Lease("00", 60.0)))
    assert isinstance(line.receive(time.monotonic() + patience(10)), Alive)
    pid = started(place)
    other = started(Place(place.directory, "another"))
    until(lambda: other not in alone(), "one that nobody needs ends")
    assert alone() == [pid]
    line.close()
    until(lambda: not alone(), "it ends")


@pytest.mark.parametrize("how", ["directory removed", "directory replaced", "socket removed", "socket replaced"])
def test_it_ends_when_its_directory_or_socket_is_gone_or_replaced(how: str, place: Place, alone: Pids) -> None:
    pid = started(place)
    line = place.connect()
    line.close()
    other = None
    if how.startswith("directory"):
        shutil.move(place.directory, place.directory.with_name("gone"))
    else:
        place.path.unlink()
    if how == "directory replaced":
        place.directory.mkdir(mode=0o700)
        (place.directory / place.name).touch()
    if how == "socket replaced":
        other = started(place)
    until(lambda: pid not in alone(), "it ends")
    if other is not None:
        assert started(place) == other


def test_who_speaks_nonsense_is_hung_up_on_and_others_are_served(place: Place, alone: Pids) -> None:
    pid = started(place)
    for nonsense in (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 64, b"\0\0\0\x08\0\0\0\x01\0\0\0\x05"):
        with place.connect() as sock:
            sock.sendall(nonsense)
            sock.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionResetError):
                while sock.recv(4096):
                    continue
    assert started(place) == pid


def test_commands_can_ask_the_kernel_which_process_it_is(place: Place, alone: Pids) -> None:
    pid = started(place)
    with place.connect() as sock:
        assert listener_pid(sock) == pid


def test_no_thread_and_no_descriptor_is_left_of_those_who_came(place: Place, alone: Pids) -> None:
    pid = started(place)

    def counts() -> tuple[int, int]:
        return len(list(Path(f"/proc/{pid}/task").iterdir())), len(list(Path(f"/proc/{pid}/fd").iterdir()))

    until(lambda: counts()[0] == 1, "it has settled")
    before = counts()
    for _ in range(10):
        assert started(place) == pid
    until(lambda: counts() == before, "they are gone")
