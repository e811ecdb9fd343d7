"""A link over a master of ssh, and the connection of our own where that refuses, goes away or says nothing."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from agentless.errors import NoSession, Unreachable
from agentless.openssh.settings import Settings
from agentless.transport.channel import Channel, Link, slow
from agentless.transport.mux.control import Control, NotServed
from agentless.transport.mux.line import wait
from agentless.transport.mux.opening import Opening
from agentless.transport.mux.session_channel import MuxChannel

__all__ = ["HANGS", "RiddenLink"]

HANGS = "`ssh -O exit` ends a master whose connection is dead."
"""What to do about a master that says nothing."""
# Seconds for the host to give a session, before a connection of our own is raced against the master's: that may have
# died unnoticed, while the machine slept.
_SILENCE = 1.0
# The master answers from this machine, unless it hangs.
_ANSWER_WAIT = 5.0


class RiddenLink(Link):
    """A link over a master; see `channel.Link`. Where that fails before the host has the command, one of our own.

    Args:
        path: the master's socket.
        control: a connection to the master, for the first session; it is closed with the link.
        direct: makes a connection without it, given the seconds of the connect timeout that are gone.
        ridden: called when a command goes over the master.
        pass_over: called when the master's connection seems dead.
        closed: called once when this is closed.
    """

    def __init__(
        self,
        path: Path,
        control: Control,
        settings: Settings,
        direct: Callable[[float], Link],
        ridden: Callable[[], None],
        pass_over: Callable[[], None],
        closed: Callable[[], None],
    ) -> None:
        self.user = settings.user
        self._host = settings.host
        self._timeout = settings.connect_timeout
        self._path = path
        self._first: Control | None = control
        self._channels: list[MuxChannel] = []
        self._direct = direct
        self._ridden = ridden
        self._pass_over = pass_over
        self._tell_closed = closed
        self._closed = False
        self._own: Link | None = None

    def exec(self, line: str, *, pty: bool = False, once: bool = False) -> Channel:
        if self._own is None:
            began = time.monotonic()
            until = began + self._timeout
            try:
                opening = self._ask(line, until, pty=pty)
                with contextlib.ExitStack() as undo:
                    undo.callback(opening.close)
                    channel = self._opened(opening, min(until, began + _SILENCE))
                    channel = channel or self._late(opening, until, once=once)
                    if channel is not None:
                        self._ridden()
                        undo.pop_all()
                        return channel
            except NoSession as refusal:
                self._own = self._own_after(refusal, time.monotonic() - began)
        assert self._own is not None
        return self._own.exec(line, pty=pty, once=once)

    def close(self) -> None:
        if self._first is not None:
            self._first.close()
            self._first = None
        while self._channels:
            self._channels.pop().close()
        if self._own is not None:
            self._own.close()
        if not self._closed:
            self._closed = True
            self._tell_closed()

    def _ask(self, line: str, until: float, *, pty: bool) -> Opening:
        """Ask the master for a session; raises as `Opening`."""
        control, self._first = self._first, None
        if control is None:
            try:
                control = Control(self._path, until)
            except NotServed as problem:
                raise NoSession("connect", f"{self._host}: ssh's master is gone: {problem}") from None
        return Opening(self._host, control, line, until, pty=pty, lives=partial(self._lives, control))

    def _opened(self, opening: Opening, until: float) -> MuxChannel | None:
        """Its channel, which ends with the link; see `Opening.channel`."""
        try:
            channel = opening.channel(until)
        except BaseException:
            opening.close()
            raise
        if channel is not None:
            self._channels.append(channel)
        return channel

    def _lives(self, ended: Control) -> bool:
        """Whether the master of a session is there still."""
        try:
            control = Control(self._path, time.monotonic() + _ANSWER_WAIT)
        except NotServed:
            return False
        control.close()
        return control.pid == ended.pid

    def _own_after(self, refusal: NoSession, spent: float) -> Link:
        try:
            return self._direct(spent)
        except Unreachable as problem:
            # Nothing of the request was sent.
            message = f"{problem.message}; and over ssh's master: {refusal.message}"
            raise NoSession(problem.kind, message, problem.hint) from None

    def _late(self, opening: Opening, until: float, *, once: bool) -> MuxChannel | None:
        """The channel over a master that has not answered yet; None where a connection of our own came first.

        The host may get the command of a master that is given up, once its connection revives: `once` says that this
        must not be.
        """
        race = None if once else _RacingConnection(lambda: self._direct(_SILENCE))
        try:
            descriptors = {opening.fileno(): select.POLLIN}
            if race is not None:
                descriptors[race.fileno()] = select.POLLIN
            while wait(descriptors, until):
                channel = self._opened(opening, time.monotonic())
                if channel is not None:
                    return channel
                if race is not None and race.over:
                    self._own = race.take()
                    if self._own is not None:
                        self._pass_over()
                        return None
                    # It is left to the master.
                    del descriptors[race.fileno()]
                    race.close()
                    race = None
        finally:
            if race is not None:
                race.close()
        self._pass_over()
        raise slow(self._host, "did not open a session over ssh's master", HANGS)


class _RacingConnection:
    """A connection that is being made while another way is waited for."""

    def __init__(self, direct: Callable[[], Link]) -> None:
        self._direct = direct
        self._lock = threading.Lock()
        self._link: Link | None = None
        self._closed = False
        self.over = False
        self._reading, self._writing = os.pipe()
        threading.Thread(target=self._run, name="race with a master", daemon=True).start()

    def fileno(self) -> int:
        """Readable once it is over."""
        return self._reading

    def take(self) -> Link | None:
        """The connection, which the caller closes; None where it failed."""
        with self._lock:
            link, self._link = self._link, None
            return link

    def close(self) -> None:
        """It is not wanted any more."""
        with self._lock:
            self._closed = True
            link, self._link = self._link, None
            os.close(self._reading)
        if link is not None:
            link.close()

    def _run(self) -> None:
        link = None
        try:
            link = self._direct()
        except Exception:  # noqa: BLE001 - whatever it is, the other way is left
            link = None
        finally:
            with self._lock:
                wanted = not self._closed
                self._link = link if wanted else None
                self.over = True
                os.close(self._writing)
            if link is not None and not wanted:
                link.close()
