"""A command on a host whose connection another process holds."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections.abc import Callable, Collection, Iterator

from agentless.errors import Unreachable
from agentless.transport.channel import EXIT_WAIT, PIECE
from agentless.transport.mux.line import Line, wait
from agentless.transport.mux.protocol import ExitMessage, Malformed, TtyAllocFail

__all__ = ["MuxChannel"]

# A server that has said nothing for this long is asked whether it lives; a job that is followed beats more often.
_ASK_AFTER = 35.0


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
        self._heard_at = time.monotonic()
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
                    data = os.read(descriptor, PIECE) if descriptor in ready else b""
                    if data:
                        # Behind the other stream, so that none starves.
                        self._outputs[descriptor] = stream
                        return stream, data
        return 0, b""

    def _wait(self, descriptors: dict[int, int], until: float) -> dict[int, int]:
        """As `wait`; a server that has been silent for long, and does not answer, has gone."""
        while True:
            ready = wait(descriptors, min(until, self._heard_at + self._ask_after))
            now = time.monotonic()
            if ready:
                self._heard_at = now
            if ready or now >= until:
                return ready
            if self._closed or not self._lives():
                self._hung_up = self._lost = True
                return ready
            self._heard_at = time.monotonic()

    def _end(self, until: float) -> tuple[int, bytes] | None:
        """Both streams have ended, which is the command's end unless the connection is lost."""
        if self._outputs_ended is None:
            self._outputs_ended = time.monotonic()
        self._await_status(min(until, self._outputs_ended + EXIT_WAIT))
        if self._closed:
            return 0, b""
        if self._status is None and not self._hung_up and time.monotonic() < self._outputs_ended + EXIT_WAIT:
            return None
        if self._is_lost():
            raise self._connection_lost()
        return 0, b""

    def exit_status(self) -> int | None:
        with self._in_use():
            self._await_status(time.monotonic() + EXIT_WAIT)
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
