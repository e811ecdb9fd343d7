"""How a keeper starts a command: over the connection that is kept, a new one, or both raced."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from agentless.errors import HostError, NoSession, Unreachable
from agentless.transport.ssh.kept import Attempt, Kept
from agentless.transport.ssh.relay import Relay

__all__ = ["CommandRace"]

# A command that has to wait (keys are being exchanged, a buffer is full) is tried again after this many seconds.
_TRY_AGAIN = 0.25


class CommandRace:
    """A command starts: over the kept connection, and where that is silent, full or gone, over a new one, too.

    The host starts it once at most, for it has the same nonce: the first that confirms it wins. A command that must not
    be `sent` twice goes over a kept connection only after that has shown that it lives, and over no other then.

    Args:
        line: the command.
        timeout: seconds for the host to start it over a connection that was kept.
        connect: begins a new connection in a thread of its own; calls its argument when that is there or failed.
        drop: lets nobody ride a connection any more.
        once: the command must not be sent twice.
    """

    def __init__(
        self,
        line: str,
        timeout: float,
        connect: Callable[[Callable[[], None]], Future[Kept]],
        drop: Callable[[Kept], None],
        *,
        pty: bool,
        once: bool,
    ) -> None:
        self._line = line
        self._timeout = timeout
        self._connect = connect
        self._drop = drop
        self._pty = pty
        self._once = once
        self._news = threading.Event()
        self._attempts: list[Attempt] = []
        self._another: Future[Kept] | None = None
        self._sent = False
        self._until = 0.0

    def run(self, kept: Kept, *, new: bool) -> tuple[Attempt, Relay]:
        """The attempt that the host has confirmed.

        Raises:
            NoSession: the command was sent over none of the connections.
            HostError: none of them was any good.
        """
        try:
            return self._first_of(kept, new=new)
        except Unreachable as problem:
            if self._sent or any(attempt.sent for attempt in self._attempts):
                raise
            raise NoSession.of(problem) from None

    def _first_of(self, kept: Kept, *, new: bool) -> tuple[Attempt, Relay]:
        self._until = time.monotonic() + (max(1.0, kept.link.budget) if new else self._timeout)
        first = self._start(kept, prove=self._once and not new)
        winner: Attempt | None = None
        try:
            while True:
                self._news.clear()
                for attempt in list(self._attempts):
                    try:
                        relay = attempt.step()
                    except HostError as problem:
                        self._failed(attempt, problem, spare=attempt is first and not new)
                        continue
                    if relay is not None:
                        winner = attempt
                        return attempt, relay
                self._look_at_another()
                now = time.monotonic()
                wait = _TRY_AGAIN
                if self._another is None and not new and self._may_repeat(first):
                    if first.silent:
                        self._another = self._connect(self._news.set)
                    else:
                        wait = min(wait, first.patience + 0.01)
                if self._another is None and now >= self._until:
                    raise self._attempts[-1].overdue()
                self._news.wait(wait)
        finally:
            self._end(winner)

    def _start(self, kept: Kept, *, prove: bool) -> Attempt:
        attempt = Attempt(kept, self._line, self._news.set, pty=self._pty, prove=prove)
        self._attempts.append(attempt)
        return attempt

    def _may_repeat(self, attempt: Attempt) -> bool:
        return not (self._once and attempt.sent)

    def _failed(self, attempt: Attempt, problem: HostError, *, spare: bool) -> None:
        """One of them is out; raises `problem` where that was the last hope."""
        alive = attempt.kept.link.alive
        # Others were faster on a connection that is shared, new ones too: there is room on one more.
        full = alive and isinstance(problem, NoSession) and not attempt.sent and attempt.kept.opened
        repeatable = (full or (spare and not alive)) and self._may_repeat(attempt) and self._another is None
        self._attempts.remove(attempt)
        self._sent = self._sent or attempt.sent
        attempt.give_up()
        if repeatable:
            self._another = self._connect(self._news.set)
        elif not self._attempts and self._another is None:
            raise problem

    def _look_at_another(self) -> None:
        """The new connection is there, or failed."""
        if self._another is None or not self._another.done():
            return
        made, self._another = self._another, None
        kept = made.result()
        self._until = time.monotonic() + max(1.0, kept.link.budget)
        self._start(kept, prove=False)

    def _end(self, winner: Attempt | None) -> None:
        for attempt in self._attempts:
            if attempt is not winner:
                attempt.give_up()
                if winner is not None:
                    self._drop(attempt.kept)
        if self._another is not None:
            self._another.add_done_callback(self._drop_made)

    def _drop_made(self, made: Future[Kept]) -> None:
        if made.exception() is None:
            self._drop(made.result())
