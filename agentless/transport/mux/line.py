"""Messages of PROTOCOL.mux, and descriptors between them, on a unix socket."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeVar

from agentless.transport.mux.descriptors import receive_descriptor, send_descriptor
from agentless.transport.mux.protocol import LONGEST, Message, Reader, pack

__all__ = ["Line", "wait"]

T = TypeVar("T")


class Line:
    """One side of a conversation.

    Args:
        sock: becomes the line's, and does not block: nearly always, what is to come is there and room for what goes.
        longest: bytes of a message.
    """

    def __init__(self, sock: socket.socket, longest: int = LONGEST) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.longest = longest
        self._reader = Reader(longest)

    def send(self, *messages: Message, descriptors: Iterable[int] = (), until: float | None = None) -> None:
        """Send messages, and descriptors behind the last; ours stay open.

        Args:
            until: when the other side must have taken them, on the monotonic clock; None waits.

        Raises:
            OSError: the other side is gone, or did not take them in time.
            ValueError: a message is longer than the other side takes.
        """
        left = memoryview(b"".join(pack(message, self.longest) for message in messages))
        while left:
            left = left[self._patiently(partial(self.sock.send, left), select.POLLOUT, until) :]
        for descriptor in descriptors:
            self._patiently(partial(send_descriptor, self.sock, descriptor), select.POLLOUT, until)

    def receive(self, until: float | None = None) -> Message | None:
        """The next message; None when the other side has hung up.

        Args:
            until: when it must have come, on the monotonic clock; None waits.

        Raises:
            TimeoutError: it did not come in time.
            Malformed: it cannot be read.
        """
        while True:
            try:
                data = self._patiently(partial(self.sock.recv, self._reader.needed), select.POLLIN, until)
            except ConnectionError:
                return None
            if not data:
                return None
            message = self._reader.feed(data)
            if message is not None:
                return message

    def receive_descriptors(self, count: int) -> list[int]:
        """Descriptors that follow a message; raises OSError where they don't."""
        descriptors: list[int] = []
        with contextlib.ExitStack() as undo:
            for _ in range(count):
                descriptors.append(self._patiently(partial(receive_descriptor, self.sock), select.POLLIN, None))
                undo.callback(os.close, descriptors[-1])
            undo.pop_all()
        return descriptors

    def _patiently(self, step: Callable[[], T], events: int, until: float | None) -> T:
        """What the step returns, as soon as it need not wait; raises TimeoutError."""
        while True:
            try:
                return step()
            except BlockingIOError:
                if not wait({self.sock.fileno(): events}, until):
                    raise TimeoutError("no answer in time") from None

    def wake(self) -> None:
        """End the conversation for both sides at once, also for a thread that waits for it."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.sock.close()


def wait(descriptors: dict[int, int], until: float | None) -> dict[int, int]:
    """Those of the descriptors, with the events waited for, that are ready before `until`, also with an error."""
    poll = select.poll()
    for descriptor, events in descriptors.items():
        poll.register(descriptor, events)
    return dict(poll.poll(None if until is None else max(0.0, until - time.monotonic()) * 1000))
