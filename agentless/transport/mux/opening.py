"""Sessions over a connection that another process holds, from the request for one to its channel."""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import termios
from collections.abc import Callable

from agentless.errors import CarrierLost, NoSession
from agentless.transport.channel import NO_SESSION, printable
from agentless.transport.mux.control import Control
from agentless.transport.mux.protocol import Failure, Malformed, PermissionDenied, SessionOpened
from agentless.transport.mux.session_channel import MuxChannel

__all__ = ["Opening", "streams"]

_WINDOW = struct.pack("4H", 24, 80, 0, 0)
_FEW = "Raise `ulimit -n`, or lower `forks`."


class Opening:
    """A session that was asked for, and its answer.

    Args:
        control: a connection to the server that has no session yet; it is closed with the channel.
        until: when the server must have taken the request, on the monotonic clock.

    Raises:
        NoSession: the server did not take the request.
    """

    def __init__(
        self, host: str, control: Control, line: str, until: float, *, pty: bool, lives: Callable[[], bool]
    ) -> None:
        self._host = host
        self._control = control
        self._lives = lives
        with contextlib.ExitStack() as undo:
            undo.callback(control.close)
            try:
                theirs, self._stdin, self._outputs = streams(pty, undo)
            except OSError as problem:
                raise NoSession("connect", f"{host}: {problem.strerror or problem}", _FEW) from None
            try:
                self._request = control.new_session(line.encode("utf-8", "surrogateescape"), theirs, until, tty=pty)
            except OSError as problem:
                raise NoSession("connect", f"{host}: ssh's master is gone: {problem}") from None
            finally:
                for descriptor in set(theirs):
                    os.close(descriptor)
            self._undo = undo.pop_all()

    def channel(self, until: float) -> MuxChannel | None:
        """The channel once the host has given a session; None when no answer came in time.

        One that is closed before may still be opened: OpenSSH's master looks at it again when the host has answered,
        with the command on its way.

        Raises:
            NoSession: it gives none.
            CarrierLost: the server ended; the host may have got the command.
        """
        try:
            answer = self._control.receive(until)
        except TimeoutError:
            return None
        except Malformed:
            answer = None
        if isinstance(answer, SessionOpened) and answer.request == self._request:
            self._undo.pop_all()
            return MuxChannel(self._host, self._control, self._stdin, self._outputs, self._lives)
        self.close()
        if isinstance(answer, (Failure, PermissionDenied)):
            reason = printable(answer.reason.decode("utf-8", "replace"))
            raise NoSession("connect", f"{self._host}: no session: {reason}", NO_SESSION)
        raise CarrierLost("connection-lost", f"{self._host}: ssh's master ended before the host gave a session")

    def fileno(self) -> int:
        """Readable when the answer is there."""
        return self._control.sock.fileno()

    def close(self) -> None:
        """Give it up, unless its channel is there."""
        self._undo.close()


def streams(pty: bool, undo: contextlib.ExitStack) -> tuple[tuple[int, int, int], int, dict[int, int]]:
    """Descriptors for the other side's stdin, stdout and stderr, and our ends of them.

    With `pty` its stdin is a raw terminal, whose modes the host's terminal gets.
    """
    opened: list[int] = []
    try:
        stdin, ours = os.openpty() if pty else os.pipe()
        if pty:
            # openpty has our end first.
            stdin, ours = ours, stdin
        opened += [stdin, ours]
        if pty:
            from tty import setraw

            setraw(stdin)
            fcntl.ioctl(stdin, termios.TIOCSWINSZ, _WINDOW)
        for _ in range(2):
            opened += os.pipe()
    except BaseException:
        for descriptor in opened:
            os.close(descriptor)
        raise
    stdin, ours, stdout, theirs_out, stderr, theirs_err = opened
    for descriptor in (ours, stdout, stderr):
        undo.callback(os.close, descriptor)
    return (stdin, theirs_out, theirs_err), ours, {stdout: 1, stderr: 2}
