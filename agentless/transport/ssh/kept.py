"""A connection that is kept: commands ride it one after another and side by side, and a session stands ready."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import paramiko

from agentless.errors import NoSession, Unreachable
from agentless.transport.ssh.link import SshLink, let_go
from agentless.transport.ssh.relay import Relay, Ringing

__all__ = ["Attempt", "Kept"]

# Seconds for which a kept connection may say nothing to a command before a new one is raced against it; three round
# trips where those are longer.
_SILENCE = 1.0


class Kept:
    """A connection that is logged in. Thread safe.

    Args:
        keep: seconds for which it stays after its last use.

    Attributes:
        stale: nobody rides it any more.
        used: when it was used last, of `time.monotonic()`.
        made: the time of the login, in seconds since 1970.
        round_trip: seconds, once one was measured.
        sessions: how many commands ride it.
        opened: the host has opened a session on it; where it refuses the next, there is no room for that.
    """

    def __init__(self, link: SshLink, keep: float) -> None:
        self.link = link
        self.keep = keep
        self.stale = False
        self.used = time.monotonic()
        self.made = time.time()
        self.round_trip = 0.0
        self.opened = False
        self.names: set[str] = set()
        self._lock = threading.Lock()
        self._spare: _Opening | None = None
        self._wants_spare = True
        self.sessions = 0

    @property
    def alive(self) -> bool:
        """Whether it can be ridden, as far as is known."""
        return self.link.alive and not self.stale

    @property
    def in_use(self) -> bool:
        """Whether commands ride it, or connections lead through it."""
        with self._lock:
            spare = self._spare is not None and not self._spare.gone
            return self.sessions > 0 or self.link.transport.channel_count > spare

    @property
    def ready(self) -> bool:
        """Whether a session stands ready."""
        with self._lock:
            spare = self._spare
            return spare is not None and spare.answered.is_set() and not spare.gone

    @property
    def grace(self) -> float:
        """Seconds for which it may be silent."""
        return max(_SILENCE, 3 * self.round_trip)

    def session(self, ring: Callable[[], None], *, new: bool = False) -> _Opening:
        """A session: the one that stands ready, unless a `new` one is wanted."""
        with self._lock:
            self.sessions += 1
            if self._spare is not None and not new:
                spare, self._spare = self._spare, None
                if not spare.gone:
                    spare.answered.ring = ring
                    return spare
        return _Opening(self, ring)

    def done(self) -> None:
        """A session has ended, or was not to be had."""
        with self._lock:
            self.sessions -= 1
            self._wants_spare = True
        self.used = time.monotonic()

    def prepare(self) -> None:
        """Have a session stand ready for the next command; asks the host for it, and does not wait."""
        with self._lock:
            if self._spare is not None and self._spare.answered.is_set() and self._spare.gone:
                # There is no room for it (MaxSessions); a session that ends makes some.
                self._spare, self._wants_spare = None, False
            if self._spare is None and self._wants_spare and self.alive and self.link.transport.may_send:
                self._spare = _Opening(self, lambda: None)

    def close(self) -> None:
        """Disconnect."""
        self.stale = True
        self.link.close()


class _Opening:
    """A session channel that the host was asked for."""

    def __init__(self, kept: Kept, ring: Callable[[], None]) -> None:
        self._kept = kept
        self.asked_at = time.monotonic()
        self.answered = Ringing(ring)
        self.channel = kept.link.transport.ask_for_session(self.answered)
        self._refusal: paramiko.ChannelException | None = None

    @property
    def gone(self) -> bool:
        """Whether no command can ride it: the host has refused it, or it was closed since."""
        return self.channel.closed or (self.answered.is_set() and not self.channel.active)

    def give_back(self) -> None:
        """Close it. One that the host has not opened yet is closed when it is: else it would be in use for ever."""
        self.answered.ring = lambda: let_go(self._kept.link.transport, self.channel)
        self.answered.ring()

    def refusal(self) -> NoSession:
        self._refusal = self._refusal or self._kept.link.transport.refusal_of(self.channel)
        return self._kept.link.no_session(self._refusal, closed=self.channel.closed)


class Attempt:
    """A command that is to start over one connection; `step` is called again and again until it runs.

    Args:
        ring: called when there is something to step for.
        prove: whether the connection has to show that it is alive before the command is sent, because that must not
            be sent twice.
    """

    def __init__(self, kept: Kept, line: str, ring: Callable[[], None], *, pty: bool, prove: bool) -> None:
        self.kept = kept
        self._line = line
        self._pty = pty
        self._ring = ring
        self._asked_at = time.monotonic()
        self._opening = kept.session(ring, new=prove)
        self._proving = prove
        self._relay: Relay | None = None
        self._over = False

    @property
    def sent(self) -> bool:
        """Whether the host may have got the command."""
        return self._relay is not None

    @property
    def silent(self) -> bool:
        """Whether nothing was heard from the host for as long as it may be silent."""
        wire = self.kept.link.transport.wire
        over = wire.heard_at < self._asked_at and time.monotonic() - self._asked_at > self.kept.grace
        # Where this machine was busy, or this process was stopped, the answer may be there and not read yet.
        return over and not wire.readable()

    @property
    def patience(self) -> float:
        """Seconds until `silent` may be true."""
        return max(0.0, self._asked_at + self.kept.grace - time.monotonic())

    def step(self) -> Relay | None:
        """Go on as far as is possible without waiting.

        Returns:
            The command, once the host has confirmed that it runs.

        Raises:
            NoSession: there is no room for it; nothing was sent.
            Unreachable: the connection broke, or it runs no commands.
        """
        link = self.kept.link
        if self._relay is None:
            if not self._opening.answered.is_set():
                return None
            if not self.kept.round_trip and self._opening.asked_at > self._asked_at:
                self.kept.round_trip = time.monotonic() - self._opening.asked_at
            if self._opening.gone:
                if not self._proving or not link.alive:
                    raise self._opening.refusal()
                # It has no room, but it lives.
                self._proving = False
                self.kept.done()
                self._opening = self.kept.session(self._ring)
                return self.step()
            self.kept.opened = True
            if not (link.transport.may_send and link.transport.wire.writable()):
                return None
            channel = self._opening.channel
            self._relay = relay = Relay(link, channel)
            channel.event = Ringing(self._ring)
            try:
                link.ask_to_run(channel, self._line, pty=self._pty)
            except NoSession:
                self._relay = None
                relay.close()
                raise
            return None
        channel = self._relay.channel
        if not channel.event.is_set():
            return None
        if not channel.event_ready:
            raise link.not_started(answered=True)
        self._over = True
        return self._relay

    def overdue(self) -> Unreachable:
        """What to say when the time for it is over."""
        if self._relay is None:
            return self._opening.refusal()
        return self.kept.link.not_started(answered=False)

    def give_up(self) -> None:
        """Let go of it, unless it runs."""
        if self._over:
            return
        self._over = True
        if self._relay is not None:
            self._relay.close()
        else:
            self._opening.give_back()
        self.kept.done()
