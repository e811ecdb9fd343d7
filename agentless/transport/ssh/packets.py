"""The bytes beneath a transport, with bounds: on the size of a packet, on silence, and on every wait."""

from __future__ import annotations

import contextlib
import math
import select
import socket
import time
from collections.abc import Callable

import paramiko

from agentless.transport.ssh.innards import PacketInnards, SocketInnards, has_closed

__all__ = ["GONE_AFTER", "Packets", "Wire", "words_of"]

# A peer that is silent for this long is asked whether it is there; one that is silent for longer is gone.
_ASK_AFTER = 15.0
_ASK_AGAIN = 10.0
GONE_AFTER = 40.0
# RFC 4253, section 6.1, asks for 35,000; OpenSSH sends no more than 256 KiB.
_PACKET_LIMIT = 300 * 1024
_PREAMBLE_LIMIT = 64 * 1024


def words_of(problem: Exception) -> str:
    """Why a connection broke; empty where the other side has just ended it.

    That shows as the end of what comes, or as what is sent being refused: whichever is seen first.
    """
    if isinstance(problem, (BrokenPipeError, ConnectionResetError)):
        return ""
    return (problem.strerror if isinstance(problem, OSError) else None) or str(problem)


class Wire(SocketInnards):
    """The socket, or channel through a bastion, beneath a transport; knows when the other side was heard last."""

    def __init__(self, sock: socket.socket | paramiko.Channel) -> None:
        self.sock = sock
        self.heard_at = time.monotonic()
        self.verdict = ""

    def recv(self, size: int) -> bytes:
        data = self.sock.recv(size)
        self.heard_at = time.monotonic()
        return data

    def send(self, data: bytes) -> int:
        return self.sock.send(data)

    def settimeout(self, seconds: float) -> None:
        self.sock.settimeout(seconds)

    def writable(self) -> bool:
        """Whether a small packet can be sent without waiting."""
        if isinstance(self.sock, paramiko.Channel):
            return self.sock.send_ready()
        return self._is_ready(select.POLLOUT)

    def readable(self) -> bool:
        """Whether something has come that is not read yet, or the end."""
        if isinstance(self.sock, paramiko.Channel):
            return self.sock.recv_ready()
        return self._is_ready(select.POLLIN)

    def _is_ready(self, event: int) -> bool:
        poll = select.poll()
        try:
            poll.register(self.sock, event)
        except ValueError:
            # It is closed.
            return False
        return bool(poll.poll(0))

    @property
    def is_closed(self) -> bool:
        return has_closed(self.sock)

    def close(self) -> None:
        if isinstance(self.sock, socket.socket):
            # A close alone does not wake a thread that waits in recv.
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)
        # A tunnel says goodbye to its bastion, whose connection may be gone. Closing is no verdict.
        with contextlib.suppress(EOFError):
            self.sock.close()


class Packets(PacketInnards):
    """paramiko's packets with bounds: on their size, on the silence of the other side, and no thread for a timer."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire)  # type: ignore[arg-type]
        self.wire = wire
        self.preamble: list[str] = []
        self.ask: Callable[[], None] | None = None
        self._asked_at = 0.0
        self._early = 0

    def start_handshake(self, timeout: float) -> None:
        """The caller's deadline closes the connection; a timer thread for each is not needed."""

    def readline(self, timeout: float) -> str:
        # paramiko gives a banner 15 s, and the lines before it 2 s each; whoever connects has a deadline, and closes.
        line = super().readline(math.inf)
        self.preamble.append(line[:200])
        return line

    def hear_early(self, count: int) -> None:
        self._early += count
        if self._early > _PREAMBLE_LIMIT:
            raise EOFError

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:
        if n > _PACKET_LIMIT:
            raise paramiko.SSHException(f"a packet of {n} bytes")
        return super().read_all(n, check_rekey)

    def write_all(self, out: bytes) -> None:  # type: ignore[override]
        progress = time.monotonic()
        while out:
            try:
                sent = self.wire.send(out)
            except (TimeoutError, BlockingIOError):
                if self.closed or time.monotonic() - progress > GONE_AFTER:
                    self.wire.verdict = self.wire.verdict or f"it took nothing for {GONE_AFTER:g} s"
                    raise EOFError from None
                continue
            except OSError as problem:
                self.wire.verdict = self.wire.verdict or words_of(problem)
                raise EOFError from None
            if not sent:
                raise EOFError
            progress = time.monotonic()
            out = out[sent:]

    def look_after(self) -> None:
        now = time.monotonic()
        silence = now - self.wire.heard_at
        if self.ask is None or silence < _ASK_AFTER:
            return
        if silence > GONE_AFTER:
            self.wire.verdict = f"no sign of life for {silence:.0f} s"
            raise EOFError
        if now - self._asked_at > _ASK_AGAIN and self.wire.writable():
            self._asked_at = now
            self.ask()
