"""Whose process is at the other end of a Unix socket: the kernel knows (SO_PEERCRED, getpeereid)."""

from __future__ import annotations

import socket
import struct

__all__ = ["peer_uid"]

# struct ucred: pid, uid, gid (unix(7)).
_UCRED = struct.Struct("=iII")
# struct xucred of macOS and the BSDs begins with its version and the uid; getpeereid(3) reads the same.
_XUCRED = struct.Struct("=II")
_XUCRED_SIZE = 76
_SOL_LOCAL, _LOCAL_PEERCRED = 0, 1


def peer_uid(sock: socket.socket) -> int:
    """The effective uid of who connected, or of who listens.

    Raises:
        OSError: the system does not tell.
    """
    if hasattr(socket, "SO_PEERCRED"):
        credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
        return int(_UCRED.unpack(credentials)[1])
    credentials = sock.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED_SIZE)
    return int(_XUCRED.unpack_from(credentials)[1])
