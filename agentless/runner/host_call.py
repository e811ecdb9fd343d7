"""One operation on one host as a value, and what carries it out over a connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace

from agentless.cache.scratch import Scratch
from agentless.errors import Unreachable
from agentless.model.endpoint import Endpoint
from agentless.runner.reading import Answer
from agentless.runner.session import Session
from agentless.runner.writing import Message
from agentless.transport.channel import Connector
from agentless.values import dataclass

__all__ = ["HostCall", "Talk"]


@dataclass(frozen=True, slots=True)
class HostCall:
    """One operation on one host: whoever carries it out, here or in another process, needs nothing else.

    Args:
        endpoint: the way to the host, and as whom to act there.
        messages: what to ask. A second one is asked as the login user, over the same connection.
        cap: bytes of each output stream that records keep.
        follows: it waits for the end of a job, and can be left before that.
    """

    endpoint: Endpoint
    messages: tuple[Message, ...]
    cap: int
    follows: bool = False


class Talk:
    """A call that is carried out. One thread reads its answers; any may leave it.

    Args:
        call: what is asked of whom.
        connector: opens the connection.
        scratch: where long output waits for its return.
        seconds: a job that is followed is left so long after the host said that it runs; None is never.

    Attributes:
        reached: the host let us log in, and may have got the request.
    """

    def __init__(self, call: HostCall, connector: Connector, scratch: Scratch, *, seconds: float | None = None) -> None:
        self.call = call
        self.reached = False
        self._connector = connector
        self._scratch = scratch
        self._seconds = seconds
        self._session: Session | None = None
        self._left = threading.Event()

    def answers(self, ready: Callable[[], bool] = lambda: True) -> Iterator[Answer]:
        """Connect, ask, and yield what comes back.

        Args:
            ready: called when the host is logged in to, ahead of the request; False sends nothing.

        Raises:
            HostError: why there is no answer, or no more of it.
        """
        call = self.call
        with closing(self._connector.connect(call.endpoint)) as link:
            if self._left.is_set() or not ready():
                return
            self.reached = True
            for number, message in enumerate(call.messages):
                session = Session(
                    link,
                    replace(call.endpoint, become=None) if number else call.endpoint,
                    message,
                    self._scratch,
                    follows=call.follows,
                    cap=call.cap,
                    seconds=self._seconds,
                    step=self._connector.step,
                )
                self._session = session
                try:
                    if self._left.is_set():
                        return
                    yield from session.answers()
                except Unreachable:
                    # Who leaves a job breaks the connection: what came before that holds.
                    if not self._left.is_set():
                        raise
                finally:
                    session.close()
                    self._session = None

    def leave(self) -> None:
        """End the call where it is under way; a job that is followed goes on."""
        self._left.set()
        session = self._session
        if session is not None:
            session.close()
