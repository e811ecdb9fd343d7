"""Who listens at a socket is found out before anything is asked of it: a living server of this user's, or nobody."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agentless.transport.mux.control import Control, NotServed
from agentless.transport.mux.protocol import Hello, pack
from tests.hosts import Master, patience, until
from tests.transport.conftest import open_descriptors


def soon(seconds: float = 10) -> float:
    return time.monotonic() + patience(seconds)


def test_a_living_master_says_which_process_it_is(held: Master) -> None:
    control = Control(held.path, soon())
    assert control.pid == held.pid
    control.close()


def test_a_socket_that_nobody_listens_at_any_more_is_passed_over(held: Master) -> None:
    before = open_descriptors()
    held.kill()
    assert held.path.is_socket()
    with pytest.raises(NotServed, match="refused"):
        Control(held.path, soon())
    assert open_descriptors() <= before


@pytest.mark.parametrize("word", ["stop", "exit"])
def test_a_master_that_was_told_to_let_go_is_passed_over(held: Master, word: str) -> None:
    assert held.control(word).returncode == 0
    until(lambda: not held.path.exists(), "its socket is gone")
    with pytest.raises(NotServed, match="No such file"):
        Control(held.path, soon())


def test_a_master_that_hangs_is_passed_over_in_time(held: Master) -> None:
    before = open_descriptors()
    os.kill(held.pid, signal.SIGSTOP)
    try:
        with pytest.raises(NotServed, match="in time"):
            Control(held.path, time.monotonic() + 0.2)
    finally:
        os.kill(held.pid, signal.SIGCONT)
    assert open_descriptors() <= before


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "s"))
        sock.listen(1)
        sock.settimeout(patience(30))
        yield sock


def test_a_full_queue_of_clients_is_waited_at_no_longer_than_is_said(listener: socket.socket, tmp_path: Path) -> None:
    waiting = [socket.socket(socket.AF_UNIX) for _ in range(10)]
    for sock in waiting:
        sock.setblocking(False)
        sock.connect_ex(str(tmp_path / "s"))
    with pytest.raises(NotServed):
        Control(tmp_path / "s", time.monotonic() + 0.2)
    for sock in waiting:
        sock.close()


@pytest.mark.parametrize(
    "words",
    [b"SSH-2.0-OpenSSH_9.2\r\n", b"", pack(Hello(3)), b"\0\0\0\0", b"\xff" * 8, pack(Hello()), pack(Hello()) * 2],
)
def test_whatever_else_listens_there_is_passed_over(listener: socket.socket, tmp_path: Path, words: bytes) -> None:
    def serve() -> None:
        with listener.accept()[0] as sock:
            sock.sendall(words)

    thread = threading.Thread(target=serve)
    thread.start()
    before = open_descriptors()
    with pytest.raises(NotServed):
        Control(tmp_path / "s", soon())
    thread.join(patience(30))
    assert open_descriptors() <= before


@pytest.mark.parametrize(
    "what", ["nothing", "file", "directory", "pipe", "datagrams", "dangling", "nul", "long", "empty"]
)
def test_what_no_server_can_be_at_is_passed_over(what: str, tmp_path: Path) -> None:
    path = tmp_path / "there"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
        if what == "file":
            path.write_text("x")
        elif what == "directory":
            path.mkdir()
        elif what == "pipe":
            os.mkfifo(path)
        elif what == "datagrams":
            datagrams.bind(str(path))
        elif what == "dangling":
            path.symlink_to(tmp_path / "nowhere")
        elif what in ("nul", "long", "empty"):
            path = {"nul": tmp_path / "a\0b", "long": tmp_path / ("long" * 50), "empty": Path()}[what]
        before = open_descriptors()
        with pytest.raises(NotServed) as caught:
            Control(path, soon())
        assert not caught.value.silent
        assert open_descriptors() <= before


def test_what_really_is_another_users_is_not_spoken_to(listener: socket.socket, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can act as another user")
    os.seteuid(12345)
    try:
        listener.listen()
    finally:
        os.seteuid(0)
    with pytest.raises(NotServed, match=r"belongs to another user \(12345\)"):
        Control(tmp_path / "s", soon())


def test_another_users_server_is_not_spoken_to(
    listener: socket.socket, tmp_path: Path, as_user: Callable[[int], None]
) -> None:
    as_user(12345)
    with pytest.raises(NotServed, match="belongs to another user"):
        Control(tmp_path / "s", soon())


@pytest.fixture
def as_user(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Takes this process for another user's, and the peer, which it is itself, for neither that one nor root."""

    def pretend(uid: int) -> None:
        monkeypatch.setattr(os, "getuid", lambda: uid)
        monkeypatch.setattr("agentless.transport.mux.control.peer", lambda sock: uid + 1)

    return pretend
