"""A keeper's life: it ends when nobody needs it, or when its name is gone, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
from collections.abc import Callable

import pytest

from agentless.transport.keeper.place import Place
from agentless.transport.mux.control import listener_pid
from tests.hosts import patience, until
from tests.hosts.needs import need
from tests.transport.keeper.conftest import needed, started

Pids = Callable[[], list[int]]


def test_it_ends_when_nothing_is_kept_and_takes_its_name_along(place: Place, alone: Pids) -> None:
    need("many seconds")
    started(place)
    until(lambda: not alone(), "it ends")
    assert list(place.directory.iterdir()) == []


def test_it_stays_for_a_command_that_goes_on(place: Place, alone: Pids) -> None:
    need("many seconds")
    with needed(place) as pid:
        other = started(Place(place.directory, "another"))
        until(lambda: other not in alone(), "one that nobody needs ends")
        assert alone() == [pid]
    until(lambda: not alone(), "it ends")


@pytest.mark.parametrize("how", ["directory removed", "directory replaced", "socket removed", "socket replaced"])
def test_it_ends_when_its_directory_or_socket_is_gone_or_replaced(how: str, place: Place, alone: Pids) -> None:
    with needed(place) as pid:
        if how.startswith("directory"):
            shutil.move(place.directory, place.directory.with_name("gone"))
        else:
            place.path.unlink()
        if how == "directory replaced":
            place.directory.mkdir(mode=0o700)
            (place.directory / place.name).touch()
        if how == "socket replaced":
            with needed(place) as other:
                assert other != pid
    until(lambda: pid not in alone(), "it ends")


def test_who_speaks_nonsense_is_hung_up_on_and_others_are_served(place: Place, alone: Pids) -> None:
    with needed(place) as pid:
        for nonsense in (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 64, b"\0\0\0\x08\0\0\0\x01\0\0\0\x05"):
            with place.connect() as sock:
                sock.settimeout(patience(30))
                sock.sendall(nonsense)
                sock.shutdown(socket.SHUT_WR)
                with contextlib.suppress(ConnectionResetError):
                    while sock.recv(4096):
                        continue
        assert started(place) == pid


def test_commands_can_ask_the_kernel_which_process_it_is(place: Place, alone: Pids) -> None:
    with needed(place) as pid, place.connect() as sock:
        assert listener_pid(sock) == pid


def test_no_thread_and_no_descriptor_is_left_of_those_who_came(place: Place, alone: Pids) -> None:
    with needed(place) as pid:

        def counts() -> tuple[int, int]:
            return len(os.listdir(f"/proc/{pid}/task")), len(os.listdir(f"/proc/{pid}/fd"))

        until(lambda: counts()[0] == 2, "there are only the one that listens and that of the command")
        before = counts()
        for _ in range(10):
            assert started(place) == pid
        until(lambda: counts() == before, "they are gone")
