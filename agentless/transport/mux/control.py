"""A connection to the process that holds connections: a master of OpenSSH's, or one that speaks as it does."""

from __future__ import annotations

import os
import socket
import struct
import sys
import time
from pathlib import Path

from agentless.transport.mux.line import Line
from agentless.transport.mux.protocol import VERSION, Alive, AliveCheck, Hello, NewSession, StdioForward

__all__ = ["Control", "NotServed", "knock", "listener_pid", "peer"]

# Between two tries where the server has a queue of clients that it has not accepted yet.
_QUEUE_PAUSE = 0.01
_PEERCRED = struct.Struct("3i")  # Linux, unix(7): pid, uid, gid
# macOS, unix(4), <sys/un.h>; Python has no names for them.
_SOL_LOCAL, _LOCAL_PEERPID = 0, 2


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
        until: when the server must have answered, on the monotonic clock.

    Attributes:
        pid: the server's process, as it says itself.

    Raises:
        NotServed: nobody listens there, nobody answers in time, or a user other than this one and root does.
    """

    def __init__(self, path: Path, until: float) -> None:
        try:
            super().__init__(socket.socket(socket.AF_UNIX))
        except OSError as problem:
            raise NotServed(str(problem)) from None
        self._request = 0
        try:
            knock(self.sock, path, until)
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
        except (OSError, ValueError) as problem:
            # A path may have what no path has; Malformed is a ValueError.
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
        request = NewSession(self._next_request(), command, want_tty=tty, term=b"vt100" if tty else b"")
        self.send(request, descriptors=descriptors, until=until)
        return request.request

    def new_forward(self, host: str, port: int, descriptors: tuple[int, int], until: float) -> int:
        """Ask for a connection from the host to another; return the request's number.

        Raises:
            OSError: as `new_session`.
        """
        request = StdioForward(self._next_request(), host.encode("utf-8", "surrogateescape"), port)
        self.send(request, descriptors=descriptors, until=until)
        return request.request

    def _next_request(self) -> int:
        self._request += 1
        return self._request


def knock(sock: socket.socket, path: str | os.PathLike[str], until: float) -> None:
    """Connect to who listens at a path; raises OSError, also where its queue has no room until then."""
    sock.setblocking(False)
    while True:
        try:
            sock.connect(os.fspath(path))
        except BlockingIOError:
            if time.monotonic() > until:
                raise TimeoutError("its queue of clients is full") from None
            time.sleep(_QUEUE_PAUSE)
        else:
            return


def peer(sock: socket.socket) -> int | None:
    """The user whose process is at the other end of a unix socket, as the kernel says; None where it cannot say."""
    try:
        return _peercred(sock)[1] if sys.platform == "linux" else _getpeereid(sock)
    except (OSError, AttributeError, struct.error):
        return None


def listener_pid(sock: socket.socket) -> int | None:
    """The process that has called listen(2) last for what a client is connected to, as the kernel says.

    None where it cannot say: the system has no word for it, or the process is in another PID namespace.
    """
    try:
        if sys.platform == "darwin":
            return sock.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID) or None
        return _peercred(sock)[0] or None
    except (OSError, AttributeError, struct.error):
        return None


def _peercred(sock: socket.socket) -> tuple[int, int, int]:
    pid, uid, gid = _PEERCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEERCRED.size))
    return pid, uid, gid


def _getpeereid(sock: socket.socket) -> int:
    """As getpeereid(3) of macOS and the BSDs, which have SO_PEERCRED each in their own way, or not at all."""
    import ctypes

    uid, gid = ctypes.c_uint32(), ctypes.c_uint32()
    if ctypes.CDLL(None, use_errno=True).getpeereid(sock.fileno(), ctypes.byref(uid), ctypes.byref(gid)) != 0:
        raise OSError(ctypes.get_errno(), "getpeereid")
    return uid.value
