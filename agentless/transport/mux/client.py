"""A link over a connection that another process holds, and the commands that run over it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import struct
import termios
import threading
import time
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path

from agentless.errors import CarrierLost, NoSession, Unreachable
from agentless.transport.channel import NO_SESSION, printable
from agentless.transport.mux.control import Control, NotServed
from agentless.transport.mux.line import Line, wait
from agentless.transport.mux.protocol import (
    ExitMessage,
    Failure,
    Malformed,
    PermissionDenied,
    SessionOpened,
    TtyAllocFail,
)

__all__ = ["MuxChannel", "MuxLink", "Opening", "streams"]

_PIECE = 256 * 1024
_EXIT_WAIT = 5.0
# The server answers from this machine, unless it hangs.
_ANSWER_WAIT = 5.0
# A server that has said nothing for this long is asked whether it lives; a job that is followed beats more often.
_ASK_AFTER = 35.0
_WINDOW = struct.pack("4H", 24, 80, 0, 0)
_FEW = "Raise `ulimit -n`, or lower `forks`."


class MuxChannel:
    """A command on a host; see `channel.Channel`.

    Args:
        control: what the server says of it, beside the streams.
        stdin, outputs: our ends of its descriptors; the streams are 1 and 2.
        lives: whether the server is still there, and answers.
        lost: why the connection is gone; None says that it is.
        ask_after: seconds of silence after which the server is asked whether it lives; None says how long.
    """

    def __init__(
        self,
        host: str,
        control: Line,
        stdin: int,
        outputs: dict[int, int],
        lives: Callable[[], bool],
        *,
        lost: Callable[[], Exception] | None = None,
        ask_after: float | None = None,
    ) -> None:
        os.set_blocking(stdin, False)
        self._host = host
        self._control = control
        self._lives = lives
        self._why = lost
        self._ask_after = _ASK_AFTER if ask_after is None else ask_after
        self._stdin = stdin
        self._outputs = outputs
        self._ours = [stdin, *outputs]
        self._outputs_ended: float | None = None
        self._heard = time.monotonic()
        self._status: int | None = None
        # The server has hung up, with a status or without one: a signal ended the command, or the connection is lost.
        self._hung_up = False
        self._lost: bool | None = None
        self._hearing = threading.Lock()
        # Who closes must not take descriptors from under a thread that waits for them: their numbers come again.
        self._lock = threading.Lock()
        self._users = 0
        self._closed = False

    def send(self, data: bytes, timeout: float) -> None:
        view = memoryview(data)
        with self._in_use():
            until = time.monotonic() + timeout
            while view:
                if self._closed:
                    raise BrokenPipeError("stdin is closed")
                ready = self._wait({self._stdin: select.POLLOUT, **self._news()}, until)
                if not ready:
                    if self._is_lost():
                        raise self._connection_lost()
                    raise Unreachable("connection-lost", f"{self._host}: it took no input for {timeout:g} s")
                self._hear(ready)
                if self._stdin not in ready:
                    continue
                try:
                    view = view[os.write(self._stdin, view) :]
                except BlockingIOError:
                    continue
                except OSError:
                    raise self._end_of_stdin() from None
                until = time.monotonic() + timeout

    def _end_of_stdin(self) -> Exception:
        self._hear(wait(self._news(), 0.0))
        if self._closed or not self._is_lost():
            return BrokenPipeError("the command reads no more")
        return self._connection_lost()

    def recv(self, timeout: float) -> tuple[int, bytes] | None:
        until = time.monotonic() + timeout
        with self._in_use():
            while not self._closed:
                if not self._outputs:
                    return self._end(until)
                # What it had to say is there once it has hung up, and nobody else can say more.
                everything = self._hung_up
                descriptors = {**dict.fromkeys(self._outputs, select.POLLIN), **self._news()}
                ready = wait(descriptors, 0.0) if everything else self._wait(descriptors, until)
                if not ready and not everything:
                    if self._hung_up:
                        continue
                    return None
                self._hear(ready)
                for descriptor in list(self._outputs):
                    if descriptor not in ready and not everything:
                        continue
                    stream = self._outputs.pop(descriptor)
                    data = os.read(descriptor, _PIECE) if descriptor in ready else b""
                    if data:
                        # Behind the other stream, so that none starves.
                        self._outputs[descriptor] = stream
                        return stream, data
        return 0, b""

    def _wait(self, descriptors: dict[int, int], until: float) -> dict[int, int]:
        """As `wait`; a server that has been silent for long, and does not answer, has gone."""
        while True:
            ready = wait(descriptors, min(until, self._heard + self._ask_after))
            now = time.monotonic()
            if ready:
                self._heard = now
            if ready or now >= until:
                return ready
            if self._closed or not self._lives():
                self._hung_up = self._lost = True
                return ready
            self._heard = time.monotonic()

    def _end(self, until: float) -> tuple[int, bytes] | None:
        """Both streams have ended, which is the command's end unless the connection is lost."""
        if self._outputs_ended is None:
            self._outputs_ended = time.monotonic()
        self._await_status(min(until, self._outputs_ended + _EXIT_WAIT))
        if self._closed:
            return 0, b""
        if self._status is None and not self._hung_up and time.monotonic() < self._outputs_ended + _EXIT_WAIT:
            return None
        if self._is_lost():
            raise self._connection_lost()
        return 0, b""

    def exit_status(self) -> int | None:
        with self._in_use():
            self._await_status(time.monotonic() + _EXIT_WAIT)
            return self._status

    def close(self) -> None:
        with self._lock:
            self._closed = True
            idle = not self._users
        if idle:
            self._release()
        else:
            # The last thread that uses it closes the rest.
            self._control.wake()

    # --- what the server says beside the streams ---
    def _news(self) -> dict[int, int]:
        return {} if self._hung_up or self._closed else {self._control.sock.fileno(): select.POLLIN}

    def _await_status(self, until: float) -> None:
        while self._status is None and not self._hung_up and not self._closed:
            ready = wait(self._news(), until)
            if not ready:
                return
            self._hear(ready)

    def _hear(self, ready: Collection[int]) -> None:
        """Take what the server has said, if its socket is among those that are ready."""
        with self._hearing:
            if self._hung_up or self._control.sock.fileno() not in ready:
                return
            try:
                message = self._control.receive(0.0)
            except TimeoutError:
                return
            except Malformed:
                message = None
            if isinstance(message, ExitMessage):
                self._status = message.status
            elif not isinstance(message, TtyAllocFail):
                self._hung_up = True

    def _is_lost(self) -> bool:
        """Whether the connection went, and not only the command."""
        if self._status is not None or not self._hung_up:
            return False
        if self._lost is None:
            self._lost = not self._lives()
        return self._lost

    def _connection_lost(self) -> Exception:
        if self._why is not None:
            return self._why()
        return Unreachable("connection-lost", f"{self._host}: the connection that was ridden has ended")

    # --- descriptors ---
    @contextlib.contextmanager
    def _in_use(self) -> Iterator[None]:
        with self._lock:
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                last = self._closed and not self._users
            if last:
                self._release()

    def _release(self) -> None:
        with self._lock:
            ours, self._ours = self._ours, []
        for descriptor in ours:
            os.close(descriptor)
        self._control.close()


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


class MuxLink:
    """A connection that another process holds.

    Args:
        path: the server's socket.
        control: a connection to the server, for the first session; it is closed with the link.
    """

    def __init__(self, path: Path, host: str, control: Control) -> None:
        self._path = path
        self._host = host
        self._first: Control | None = control
        self._channels: list[MuxChannel] = []

    def ask(self, line: str, until: float, *, pty: bool) -> Opening:
        """Ask for a session; raises as `Opening`."""
        control, self._first = self._first, None
        if control is None:
            try:
                control = Control(self._path, until)
            except NotServed as problem:
                raise NoSession("connect", f"{self._host}: ssh's master is gone: {problem}") from None
        return Opening(self._host, control, line, until, pty=pty, lives=partial(self._lives, control))

    def opened(self, opening: Opening, until: float) -> MuxChannel | None:
        """Its channel, which ends with the link; see `Opening.channel`."""
        try:
            channel = opening.channel(until)
        except BaseException:
            opening.close()
            raise
        if channel is not None:
            self._channels.append(channel)
        return channel

    def close(self) -> None:
        if self._first is not None:
            self._first.close()
            self._first = None
        while self._channels:
            self._channels.pop().close()

    def _lives(self, ended: Control) -> bool:
        """Whether the server of a session is there still."""
        try:
            control = Control(self._path, time.monotonic() + _ANSWER_WAIT)
        except NotServed:
            return False
        control.close()
        return control.pid == ended.pid


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
