"""A descriptor arrives alone, is inherited by nobody, and nothing is left open where something else came."""

from __future__ import annotations

import array
import os
import socket
from collections.abc import Iterator

import pytest

from agentless.transport.mux.descriptors import receive_descriptor, send_descriptor
from tests.transport.conftest import open_descriptors


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def test_three_descriptors_arrive_in_order_each_with_a_byte_of_its_own(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    one, other = pair
    pipes = [os.pipe() for _ in range(3)]
    one.sendall(b"before")
    for _, write in pipes:
        send_descriptor(one, write)
        os.close(write)
    one.sendall(b"after")
    assert other.recv(6) == b"before"
    for number, (read, _) in enumerate(pipes):
        received = receive_descriptor(other)
        assert not os.get_inheritable(received)
        os.write(received, b"%d" % number)
        os.close(received)
        assert os.read(read, 10) == b"%d" % number
        assert os.read(read, 10) == b""
        os.close(read)
    assert other.recv(10) == b"after"


def test_a_byte_without_a_descriptor_and_the_end_are_errors(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    one.sendall(b"x")
    with pytest.raises(OSError, match="a descriptor was expected"):
        receive_descriptor(other)
    one.close()
    with pytest.raises(OSError, match="a descriptor was expected"):
        receive_descriptor(other)


def test_two_at_once_are_an_error_and_both_are_closed(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    read, write = os.pipe()
    before = open_descriptors()
    one.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [read, write]))])
    with pytest.raises(OSError, match="a descriptor was expected"):
        receive_descriptor(other)
    assert open_descriptors() <= before
    os.close(read)
    os.close(write)


def test_a_gone_receiver_is_an_error(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    other.close()
    with pytest.raises(BrokenPipeError):
        send_descriptor(one, 0)
