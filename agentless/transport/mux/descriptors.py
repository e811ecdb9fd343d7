"""Descriptors that go from one process to another over a unix socket, as OpenSSH's mm_send_fd and mm_receive_fd do."""

from __future__ import annotations

import array
import contextlib
import os
import socket

__all__ = ["receive_descriptor", "send_descriptor"]

_SIZE = array.array("i").itemsize
# Linux has it; elsewhere there is a moment in which a child that is started now inherits the descriptor.
_CLOEXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


def send_descriptor(sock: socket.socket, descriptor: int) -> None:
    """Send one descriptor with a byte of its own; the sender's copy stays open.

    Raises:
        OSError: the other side is gone, or did not take it within the socket's timeout.
    """
    sock.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))])


def receive_descriptor(sock: socket.socket) -> int:
    """The next descriptor; no child inherits it.

    Raises:
        OSError: the other side is gone, sent something else, or nothing within the socket's timeout.
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
