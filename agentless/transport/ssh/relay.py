"""A command on a host, with three descriptors of another process as its stdin, stdout and stderr.

What comes from the host is written by the thread that received it, so that a piece costs no change of threads. What the
reader does not take at once waits here, no more of it than the channel's window, and the relay's own thread sends it.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
from collections import deque
from collections.abc import Callable

import paramiko
from paramiko.common import cMSG_CHANNEL_WINDOW_ADJUST

from agentless.transport.ssh.innards import consumed, packed
from agentless.transport.ssh.link import SshLink, let_go

__all__ = ["Outlet", "Relay", "Ringing"]

_PIECE = 32 * 1024
# Milliseconds until a host that took no input is looked at again; sshd's window is 2 MiB.
_WINDOW_LOOK = 20


class Ringing(threading.Event):
    """An event that calls `ring` when it is set."""

    def __init__(self, ring: Callable[[], None]) -> None:
        super().__init__()
        self.ring = ring

    def set(self) -> None:
        super().set()
        self.ring()


class Outlet:
    """Stands in for a channel's buffer (paramiko.buffered_pipe): what comes goes to a descriptor, once there is one.

    Args:
        taken: called with the number of bytes that found their reader.
        ring: called when something is left for `flush`.
    """

    def __init__(self, taken: Callable[[int], None], ring: Callable[[], None]) -> None:
        self._taken = taken
        self._ring = ring
        self._lock = threading.Lock()
        self._pending: deque[bytes] = deque()
        # -1 before `attach` and after `finish`.
        self.descriptor = -1
        self._broken = False
        self.ended = False

    # --- called by paramiko ---
    def feed(self, data: bytes) -> None:
        with self._lock:
            was_empty = not self._pending
            self._pending.append(data)
            written = self._write() if was_empty else 0
            left = bool(self._pending)
        if written:
            self._taken(written)
        if left:
            self._ring()

    def close(self) -> None:
        self.ended = True
        self._ring()

    # --- called by the relay ---
    def attach(self, descriptor: int) -> None:
        """From now on, write to it; it is closed by `finish`."""
        os.set_blocking(descriptor, False)
        with self._lock:
            self.descriptor = descriptor
        self.flush()

    def flush(self) -> None:
        """Write what the reader takes without waiting."""
        with self._lock:
            written = self._write()
        if written:
            self._taken(written)

    @property
    def waits(self) -> bool:
        """Whether something is left that the reader has not taken."""
        return bool(self._pending)

    def finish(self) -> None:
        """Close the descriptor; what still comes is thrown away."""
        with self._lock:
            self._broken = True
            self._pending.clear()
            descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _write(self) -> int:
        written = 0
        while self._pending and (self.descriptor >= 0 or self._broken):
            data = self._pending.popleft()
            if self._broken:
                written += len(data)
                continue
            try:
                count = os.write(self.descriptor, data)
            except BlockingIOError:
                count = 0
            except OSError:
                # Nobody reads any more; the control connection tells what the command makes of that.
                self._broken = True
                count = len(data)
            written += count
            if count < len(data):
                self._pending.appendleft(data[count:])
                break
        return written


class Relay:
    """A session channel whose output goes to outlets from its first byte on.

    Args:
        channel: the session, before it was asked to run anything.
    """

    def __init__(self, link: SshLink, channel: paramiko.Channel) -> None:
        self.link = link
        self.channel = channel
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._lock = threading.Lock()
        self._owed = 0
        self._closed = False
        self._stdin = -1
        self.stdout = Outlet(self._took, self.wake)
        self.stderr = Outlet(self._took, self.wake)
        channel.in_buffer = self.stdout  # type: ignore[assignment]
        channel.in_stderr_buffer = self.stderr  # type: ignore[assignment]
        channel.status_event = Ringing(self.wake)

    def wake(self) -> None:
        """Let `run` look again."""
        with self._lock:
            if not self._closed:
                with contextlib.suppress(BlockingIOError):
                    os.write(self._wake_write, b"!")

    def _took(self, count: int) -> None:
        more = consumed(self.channel, count)
        with self._lock:
            # The thread that receives and the relay's own come here at once.
            self._owed += more
            owed = self._owed
        # The thread that receives must not wait: for the other side to read, or for keys that it is to exchange itself.
        if owed and self.link.transport.may_send and self.link.transport.wire.writable():
            self._widen()
        elif owed:
            self.wake()

    def _widen(self) -> None:
        with self._lock:
            owed, self._owed = self._owed, 0
        if owed:
            with contextlib.suppress(EOFError, OSError, paramiko.SSHException):
                self.link.transport.send_in_turn(packed(cMSG_CHANNEL_WINDOW_ADJUST, self.channel.remote_chanid, owed))

    def run(self, stdin: int, stdout: int, stderr: int, control: int, on_message: Callable[[], bool]) -> int | None:
        """Pass everything on until the command has ended and its output is taken, or the other process has left.

        The descriptors are closed on the way.

        Args:
            control: becomes readable when the other process says something, or leaves.
            on_message: called then; False ends the command.

        Returns:
            The command's exit status; None where it has none, or `on_message` said so.

        Raises:
            Unreachable: `connection-lost`; the descriptors are still open, and `close` closes them.
        """
        self._stdin = stdin
        self.stdout.attach(stdout)
        self.stderr.attach(stderr)
        held = b""
        while True:
            gone = self.channel.closed or self.channel.eof_received
            if gone and self.channel.exit_status < 0 and not self.link.alive:
                raise self.link.transport.lost()
            for outlet in (self.stdout, self.stderr):
                if outlet.ended and not outlet.waits and outlet.descriptor >= 0:
                    outlet.finish()
            if gone and self._stdin >= 0:
                self._close_stdin()
            status = self.channel.exit_status
            done = self.stdout.descriptor < 0 and self.stderr.descriptor < 0
            if done and (status >= 0 or self.channel.closed):
                return status if status >= 0 else None
            held, left = self._turn(held, control, on_message)
            if left:
                return None

    def _turn(self, held: bytes, control: int, on_message: Callable[[], bool]) -> tuple[bytes, bool]:
        """Wait for something to do, and do it; what of stdin is held back, and whether the other process left."""
        poll = select.poll()
        poll.register(control, select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        blocked = bool(held) and not self.channel.send_ready()
        if self._stdin >= 0 and not held:
            poll.register(self._stdin, select.POLLIN)
        for outlet in (self.stdout, self.stderr):
            if outlet.waits and outlet.descriptor >= 0:
                poll.register(outlet.descriptor, select.POLLOUT)
        timeout = _WINDOW_LOOK if blocked else 0 if held else None
        events = dict(poll.poll(timeout))
        if self._wake_read in events:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake_read, 4096)
        if self._owed:
            self._widen()
        for outlet in (self.stdout, self.stderr):
            if outlet.descriptor in events:
                outlet.flush()
        if self._stdin >= 0 and self._stdin in events:
            held = self._read_stdin()
        if held and self._stdin >= 0 and self.channel.send_ready():
            held = self._send(held)
        left = control in events and not on_message()
        return held, left

    def _read_stdin(self) -> bytes:
        try:
            data = os.read(self._stdin, _PIECE)
        except OSError:
            data = b""
        if not data:
            with contextlib.suppress(EOFError, OSError, paramiko.SSHException):
                self.channel.shutdown_write()
            self._close_stdin()
        return data

    def _send(self, data: bytes) -> bytes:
        """Send what the host takes now; returns the rest."""
        self.channel.settimeout(0.0)
        try:
            return data[self.channel.send(data) :]
        except TimeoutError:
            return data
        except (EOFError, OSError, paramiko.SSHException):
            self._close_stdin()
            return b""

    def _close_stdin(self) -> None:
        os.close(self._stdin)
        self._stdin = -1

    def close(self) -> None:
        """Let go of the command and of the descriptors."""
        let_go(self.link.transport, self.channel)
        self.stdout.finish()
        self.stderr.finish()
        if self._stdin >= 0:
            self._close_stdin()
        with self._lock:
            self._closed = True
            os.close(self._wake_read)
            os.close(self._wake_write)
