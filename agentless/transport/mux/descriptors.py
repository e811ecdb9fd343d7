"""Descriptors: how many this process may have, and how they go to another one over a unix socket, as OpenSSH's
mm_send_fd and mm_receive_fd do."""

from __future__ import annotations

import array
import contextlib
import os
import resource
import socket
import threading

__all__ = ["Room", "receive_descriptor", "send_descriptor"]

_SIZE = array.array("i").itemsize
# Linux has it; elsewhere there is a moment in which a child that is started now inherits the descriptor.
_CLOEXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)

# Descriptors of a command that rides: the control socket and its three streams.
_RIDE = 4


class Room:
    """How many links of this process may be ridden at once: each takes descriptors, of which there may be few (256 on
    macOS), and a connection of its own takes one. Thread safe.

    Args:
        rest: how many descriptors everything else can do with; None leaves it half of them.
    """

    def __init__(self, rest: int | None = None) -> None:
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        limit = limit if limit > 0 else 1024
        self._left = max(limit // 2, 0 if rest is None else limit - rest) // _RIDE
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Whether there is room for one more, which has it until `give`."""
        with self._lock:
            there_is = self._left > 0
            self._left -= there_is
        return there_is

    def give(self) -> None:
        """One is closed."""
        with self._lock:
            self._left += 1


def send_descriptor(sock: socket.socket, descriptor: int) -> None:
    """Send one descriptor with a byte of its own; the sender's copy stays open.

    Raises:
        BlockingIOError: the socket does not block, and takes nothing now.
        OSError: the other side is gone.
    """
    sock.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))])


def receive_descriptor(sock: socket.socket) -> int:
    """The next descriptor; no child inherits it.

    Raises:
        BlockingIOError: the socket does not block, and nothing has come.
        OSError: the other side is gone, or sent something else.
    """
    data, ancillary, flags, _ = sock.recvmsg(1, socket.CMSG_SPACE(_SIZE), _CLOEXEC)
    received = array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            received.frombytes(content[: len(content) - len(content) % _SIZE])
    if len(received) != 1 or not data or flags & socket.MSG_CTRUNC:
        for descriptor in received:
            with contextlib.suppress(OSError):
                os.close(descriptor)
        raise OSError("a descriptor was expected")
    os.set_inheritable(received[0], False)
    return received[0]
