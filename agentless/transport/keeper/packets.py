"""Packets of PROTOCOL.mux on a Unix socket, and descriptors between them."""

from __future__ import annotations

import json
import select
import socket
import struct
import time
from typing import NamedTuple, TypeVar

from agentless.transport.keeper.fields import from_json, to_json

__all__ = ["Packet", "PacketSocket"]

T = TypeVar("T")
# An environment, and the settings of a host behind many bastions, are far below.
_LONGEST = 4 << 20
_NUMBER = struct.Struct(">I")


class Packet(NamedTuple):
    """A packet: its kind, and the bytes behind it."""

    kind: int
    body: bytes

    @property
    def request(self) -> int:
        """The number of the request that it is, or answers."""
        return int(_NUMBER.unpack_from(self.body)[0])

    def value(self, of: type[T]) -> T:
        """The value of a packet of ours; raises ValueError."""
        return from_json(of, json.loads(self.body[4:]))

    def numbers(self) -> list[int]:
        """All of it, as numbers."""
        return [number for (number,) in _NUMBER.iter_unpack(self.body[: len(self.body) & ~3])]


class PacketSocket:
    """One side of a conversation over a socket, which it owns."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        # Of a packet that has not come whole.
        self._read = bytearray()

    def send(self, type_: int, *numbers: int, value: object = None, text: bytes = b"") -> None:
        """Send a packet of numbers, and of a value (ours), or bytes; raises OSError."""
        body = b"".join(map(_NUMBER.pack, (type_, *numbers))) + text
        if value is not None:
            body += json.dumps(to_json(value)).encode("ascii")
        self.sock.sendall(_NUMBER.pack(len(body)) + body)

    def receive(self, timeout: float | None = None) -> Packet | None:
        """The next packet; None when the other side has hung up.

        Raises:
            TimeoutError: it did not come within `timeout` seconds.
            OSError: the connection broke.
            ValueError: it is no packet.
        """
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            if len(self._read) >= 4:
                (length,) = _NUMBER.unpack_from(self._read)
                if not 4 <= length <= _LONGEST:
                    raise ValueError(f"a packet of {length} bytes")
                if len(self._read) == 4 + length:
                    data, self._read = bytes(self._read[4:]), bytearray()
                    return Packet(_NUMBER.unpack_from(data)[0], data[4:])
            if until is not None:
                self._wait(until)
            # No more than this packet: descriptors may follow it.
            wanted = 4 if len(self._read) < 4 else 4 + length
            piece = self.sock.recv(wanted - len(self._read))
            if not piece:
                return None
            self._read += piece

    def _wait(self, until: float) -> None:
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        if not poll.poll(max(0.0, until - time.monotonic()) * 1000):
            raise TimeoutError

    def send_descriptors(self, *descriptors: int) -> None:
        for descriptor in descriptors:
            socket.send_fds(self.sock, [b"\0"], [descriptor])

    def receive_descriptors(self, count: int) -> list[int]:
        """Descriptors that follow a packet; raises ValueError where they don't."""
        descriptors: list[int] = []
        for _ in range(count):
            _, received, _, _ = socket.recv_fds(self.sock, 1, 1, getattr(socket, "MSG_CMSG_CLOEXEC", 0))
            descriptors += received
        if len(descriptors) != count:
            raise ValueError("no descriptors")
        return descriptors

    def close(self) -> None:
        self.sock.close()
