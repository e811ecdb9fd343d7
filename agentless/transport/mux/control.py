"""A connection to the process that holds connections: a master of OpenSSH's, or one that speaks as it does."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import time
from pathlib import Path

from agentless.transport.mux.descriptors import send_descriptor
from agentless.transport.mux.protocol import (
    VERSION,
    Alive,
    AliveCheck,
    Hello,
    Malformed,
    Message,
    NewSession,
    Reader,
    StdioForward,
    pack,
)

__all__ = ["Control", "NotServed", "peer", "wait"]

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


class Control:
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
        self._request = 0
        self._reader = Reader()
        self._sock = socket.socket(socket.AF_UNIX)
        try:
            self._connect(path, until)
            uid = peer(self._sock)
            if uid not in (os.getuid(), 0):
                raise NotServed(f"what listens at {path} belongs to another user ({uid})")
            self._send(pack(Hello()) + pack(AliveCheck(self._next_request())), until)
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

    @property
    def sock(self) -> socket.socket:
        return self._sock

    def new_session(self, command: bytes, descriptors: tuple[int, int, int], until: float, *, tty: bool) -> int:
        """Ask for a session with these as stdin, stdout and stderr; return the request's number.

        Raises:
            OSError: the server is gone, or does not listen.
        """
        request = self._next_request()
        self._send(pack(NewSession(request, command, want_tty=tty, term=b"vt100" if tty else b"")), until)
        for descriptor in descriptors:
            send_descriptor(self._sock, descriptor)
        return request

    def new_forward(self, host: str, port: int, descriptors: tuple[int, int], until: float) -> int:
        """Ask for a connection from the host to another; return the request's number.

        Raises:
            OSError: as `new_session`.
        """
        request = self._next_request()
        self._send(pack(StdioForward(request, host.encode("utf-8", "surrogateescape"), port)), until)
        for descriptor in descriptors:
            send_descriptor(self._sock, descriptor)
        return request

    def receive(self, until: float) -> Message | None:
        """The next message; None when the server has hung up.

        Raises:
            TimeoutError: it did not come in time.
            Malformed: it cannot be read.
        """
        while True:
            if not wait({self._sock.fileno(): select.POLLIN}, until):
                raise TimeoutError("no answer in time")
            try:
                data = self._sock.recv(self._reader.needed, socket.MSG_DONTWAIT)
            except BlockingIOError:
                continue
            except ConnectionError:
                return None
            if not data:
                return None
            message = self._reader.feed(data)
            if message is not None:
                return message

    def wake(self) -> None:
        """End the connection for both sides at once, also for a thread that waits for it."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._sock.close()

    def _next_request(self) -> int:
        self._request += 1
        return self._request

    def _connect(self, path: Path, until: float) -> None:
        self._sock.setblocking(False)
        while True:
            try:
                self._sock.connect(os.fspath(path))
            except BlockingIOError:
                if time.monotonic() > until:
                    raise
                time.sleep(_QUEUE_PAUSE)
            else:
                return

    def _send(self, data: bytes, until: float) -> None:
        self._sock.settimeout(max(0.001, until - time.monotonic()))
        self._sock.sendall(data)


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


def wait(descriptors: dict[int, int], until: float) -> dict[int, int]:
    """Those of the descriptors, with the events waited for, that are ready before `until`, also with an error."""
    poll = select.poll()
    for descriptor, events in descriptors.items():
        poll.register(descriptor, events)
    return dict(poll.poll(max(0.0, until - time.monotonic()) * 1000))
