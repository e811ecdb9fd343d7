"""A connection to the process that holds connections: a master of OpenSSH's, or one that speaks as it does."""

from __future__ import annotations

import os
import socket
import struct
import time
from pathlib import Path

from agentless.transport.mux.line import Line
from agentless.transport.mux.protocol import (
    VERSION,
    Alive,
    AliveCheck,
    Hello,
    Malformed,
    NewSession,
    StdioForward,
)

__all__ = ["Control", "NotServed", "peer"]

# Between two tries where the server has a queue of clients that it has not accepted yet.
_QUEUE_PAUSE = 0.01
_PEERCRED = struct.Struct("3i")  # Linux, unix(7): pid, uid, gid
_XUCRED = struct.Struct("2I")  # macOS and the BSDs, unix(4): version, uid, …


class NotServed(Exception):
    """No server answers at this socket, or none that may be trusted; the message says why.

    Attributes:
        silent: something listens, and did not answer in time.
    """

    def __init__(self, message: str, *, silent: bool = False) -> None:
        super().__init__(message)
        self.silent = silent


class Control(Line):
    """One connection to a server, which has said hello; it carries one session.

    Args:
        path: the server's socket.
        until: when the server must have answered, on the monotonic clock.

    Attributes:
        pid: the server's process, as it says itself.

    Raises:
        NotServed: nobody listens there, nobody answers in time, or a user other than this one and root does.
    """

    def __init__(self, path: Path, until: float) -> None:
        super().__init__(socket.socket(socket.AF_UNIX))
        self._request = 0
        try:
            self._connect(path, until)
            uid = peer(self.sock)
            if uid not in (os.getuid(), 0):
                raise NotServed(f"what listens at {path} belongs to another user ({uid})")
            self.send(Hello(), AliveCheck(self._next_request()), until=until)
            hello = self.receive(until)
            if not isinstance(hello, Hello) or hello.version != VERSION:
                raise NotServed(f"what listens at {path} speaks another protocol")
            alive = self.receive(until)
            if not isinstance(alive, Alive) or alive.request != self._request:
                raise NotServed(f"what listens at {path} does not answer")
            self.pid = alive.pid
        except (OSError, Malformed) as problem:
            self.close()
            raise NotServed(f"{path}: {problem}", silent=isinstance(problem, TimeoutError)) from problem
        except BaseException:
            self.close()
            raise

    def new_session(self, command: bytes, descriptors: tuple[int, int, int], until: float, *, tty: bool) -> int:
        """Ask for a session with these as stdin, stdout and stderr; return the request's number.

        Raises:
            OSError: the server is gone, or does not listen.
        """
        asked = NewSession(self._next_request(), command, want_tty=tty, term=b"vt100" if tty else b"")
        self.send(asked, descriptors=descriptors, until=until)
        return asked.request

    def new_forward(self, host: str, port: int, descriptors: tuple[int, int], until: float) -> int:
        """Ask for a connection from the host to another; return the request's number.

        Raises:
            OSError: as `new_session`.
        """
        asked = StdioForward(self._next_request(), host.encode("utf-8", "surrogateescape"), port)
        self.send(asked, descriptors=descriptors, until=until)
        return asked.request

    def _next_request(self) -> int:
        self._request += 1
        return self._request

    def _connect(self, path: Path, until: float) -> None:
        self.sock.setblocking(False)
        while True:
            try:
                self.sock.connect(os.fspath(path))
            except BlockingIOError:
                if time.monotonic() > until:
                    raise
                time.sleep(_QUEUE_PAUSE)
            else:
                return


def peer(sock: socket.socket) -> int | None:
    """The user whose process is at the other end of a unix socket, as the kernel says; None where it cannot say."""
    try:
        if hasattr(socket, "SO_PEERCRED"):
            size = _PEERCRED.size
            return int(_PEERCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))[1])
        # SOL_LOCAL and LOCAL_PEERCRED, which Python has no names for.
        return int(_XUCRED.unpack_from(sock.getsockopt(0, 1, 128))[1])
    except (OSError, struct.error):
        return None
