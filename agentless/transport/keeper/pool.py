"""The connections that a keeper holds, by what they were made of."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

from agentless.openssh.settings import Settings
from agentless.transport.keeper.dataclass_json import to_json
from agentless.transport.keeper.messages import Held, Surroundings
from agentless.transport.ssh.kept import Kept
from agentless.transport.ssh.link import SshLink
from agentless.transport.ssh.throttle import HandshakeLimit

__all__ = ["Pool"]

# Seconds by which the clock that counts sleep runs ahead of the one that does not, when the machine has slept.
_SLEPT = 1.0


class Pool:
    """Kept connections by identity. Thread safe.

    An identity is a hash, under a key that only this process knows, of everything that was resolved for a connection:
    its password, its agent, its bastion, and the files that decide about it.
    """

    def __init__(self) -> None:
        self.handshakes = HandshakeLimit()
        self._key = os.urandom(32)
        self._lock = threading.Lock()
        self._kept: dict[bytes, list[Kept]] = {}
        self._making: dict[bytes, Future[Kept]] = {}
        self._ahead = _clock_ahead()

    def identity(self, settings: Settings, surroundings: Surroundings | None) -> bytes:
        """Of a connection: equal for two that are alike in everything but how long connecting may take."""
        parts: list[object] = []
        hop: Settings | None = settings
        while hop is not None:
            parts.append([{**to_json(hop), "connect_timeout": 0.0, "bastion": None}, _files(hop)])
            if hop.proxy_command is not None:
                parts.append(to_json(surroundings) if surroundings else None)
            hop = hop.bastion
        return hmac.new(self._key, json.dumps(parts, sort_keys=True).encode("ascii"), hashlib.sha256).digest()

    def get(
        self, identity: Callable[[], bytes], make: Callable[[], SshLink], keep: float, deadline: float
    ) -> tuple[Kept, bool]:
        """A connection, which is made where none is kept; of several who ask at once, one makes it.

        Args:
            identity: the connection's, as its files are when this is called.
            make: connects.
            keep: seconds for which the connection stays after its last use.
            deadline: how long to wait for a connection that another caller makes, on the monotonic clock.

        Returns:
            The connection, and whether it was made for this call.

        Raises:
            Exception: what `make` raised.
        """
        self.look_at_clock()
        wanted = identity()
        with self._lock:
            living = [kept for kept in self._kept.get(wanted, ()) if kept.alive]
            if living:
                kept = min(living, key=lambda one: one.sessions)
                kept.keep = keep
                kept.used = time.monotonic()
                return kept, False
            theirs = self._making.get(wanted)
            mine: Future[Kept] = Future()
            if theirs is None:
                self._making[wanted] = mine
        if theirs is not None:
            # What failed for another, or waits for its person, is tried for this one.
            with contextlib.suppress(Exception):
                return theirs.result(max(0.0, deadline - time.monotonic())), False
            return self.make(identity, make, keep), True
        try:
            kept = self.make(identity, make, keep)
        except BaseException as problem:
            mine.set_exception(problem)
            raise
        else:
            mine.set_result(kept)
        finally:
            with self._lock:
                del self._making[wanted]
        return kept, True

    def make(self, identity: Callable[[], bytes], make: Callable[[], SshLink], keep: float) -> Kept:
        """A connection of its own, beside what is kept; raises what `make` raises."""
        kept = Kept(make(), keep)
        # Logging in may have added to known_hosts.
        made = identity()
        with self._lock:
            self._kept.setdefault(made, []).insert(0, kept)
        return kept

    def look_at_clock(self) -> None:
        """Let nobody ride what was connected before this machine slept."""
        ahead = _clock_ahead()
        with self._lock:
            slept, self._ahead = ahead - self._ahead > _SLEPT, ahead
        if slept:
            self.drop(lambda kept: True)

    def drop(self, which: Callable[[Kept], bool]) -> None:
        """Let go of connections: nobody rides them from now on, and they are closed when nobody rides them any more."""
        for kept in self._all():
            if which(kept):
                kept.stale = True
        self.sweep()

    def sweep(self) -> None:
        """Close what was not used for as long as it is kept, what is stale, and what has broken."""
        over: list[Kept] = []
        now = time.monotonic()
        with self._lock:
            for identity, several in list(self._kept.items()):
                for kept in list(several):
                    # A command on a connection that has broken is still to read why.
                    if kept.sessions or (kept.in_use and kept.link.alive):
                        kept.used = now
                    elif not kept.alive or now - kept.used >= kept.keep:
                        several.remove(kept)
                        over.append(kept)
                if not several:
                    del self._kept[identity]
        for kept in over:
            kept.close()

    @property
    def empty(self) -> bool:
        """Whether nothing is kept, and nobody connects."""
        with self._lock:
            return not self._kept and not self._making

    def held(self) -> tuple[Held, ...]:
        """What is kept, for people."""
        now = time.monotonic()
        return tuple(_held(kept, now) for kept in self._all() if kept.alive)

    def _all(self) -> Iterator[Kept]:
        with self._lock:
            every = [kept for several in self._kept.values() for kept in several]
        yield from every


def _held(kept: Kept, now: float) -> Held:
    settings = kept.link.transport.settings
    in_use = kept.in_use
    return Held(
        names=tuple(sorted(kept.names)),
        user=settings.user,
        host=settings.host,
        port=settings.port,
        via=settings.bastion.host if settings.bastion else "ProxyCommand" if settings.proxy_command else None,
        since=kept.made,
        sessions=kept.sessions,
        in_use=in_use,
        closes_in=None if in_use else max(0.0, kept.used + kept.keep - now),
        ready=kept.ready,
    )


def _files(settings: Settings) -> list[object]:
    """The state of the files that decide whether and as whom we may log in: after a change, it is done anew."""
    paths: tuple[str | Path, ...]
    paths = (
        *settings.known_hosts,
        *settings.identities,
        *settings.default_identities,
        *settings.certificates,
        *settings.revoked_host_keys,
    )
    states: list[object] = []
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            states.append(None)
        else:
            states.append([status.st_ino, status.st_size, status.st_mtime_ns, status.st_mode])
    return states


def _clock_ahead() -> float:
    """By how much the clock that counts sleep is ahead of the one that does not; 0 where the system has only one.

    They are CLOCK_BOOTTIME and CLOCK_MONOTONIC on Linux, CLOCK_MONOTONIC and CLOCK_UPTIME_RAW on macOS.
    """
    for counts, stops in (("CLOCK_BOOTTIME", "CLOCK_MONOTONIC"), ("CLOCK_MONOTONIC", "CLOCK_UPTIME_RAW")):
        if hasattr(time, counts) and hasattr(time, stops):
            return time.clock_gettime(getattr(time, counts)) - time.clock_gettime(getattr(time, stops))
    return 0.0
