"""From Settings to a connection: the way there, the handshake, the login, and trying again."""

from __future__ import annotations

import concurrent.futures
import contextlib
import errno
import random
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Protocol

import paramiko

from agentless.errors import Unreachable
from agentless.model.secret import Secret
from agentless.openssh.known_hosts import KnownHosts, UnknownHostKey
from agentless.openssh.revoked import RevokedKeys
from agentless.openssh.settings import Settings
from agentless.transport.channel import slow
from agentless.transport.mux.forward import Forward
from agentless.transport.mux.masters import Masters
from agentless.transport.ssh import dial
from agentless.transport.ssh.host_keys import HostKeys, UnknownKey
from agentless.transport.ssh.key_files import PassphraseNeeded
from agentless.transport.ssh.keys import Keys, signed_by
from agentless.transport.ssh.link import SshLink
from agentless.transport.ssh.login import log_in
from agentless.transport.ssh.packets import GONE_AFTER, Wire
from agentless.transport.ssh.throttle import HandshakeLimit, Shared, pauses
from agentless.transport.ssh.transport import Dropped, Transport

__all__ = ["Bastions", "SshConnector"]

_TRIES = 8


class Bastions(Protocol):
    """Connections to bastions, by their settings; `throttle.Shared` says more."""

    def get(self, key: Settings, make: Callable[[], SshLink], deadline: float, /) -> SshLink: ...

    def close(self) -> None: ...


class SshConnector:
    """Connects as Settings say; owns what the connections share: keys, bastions, known_hosts. Thread safe.

    Args:
        bastions: connections to bastions that it shares with other connectors; they are closed with it.
        handshakes: places for handshakes that it shares with other connectors.
        masters: finds the masters of ssh that bastions have.
        known: an index of known_hosts that it shares with others.

    Attributes:
        surroundings: environment and working directory of a ProxyCommand; None are those of this process.
    """

    def __init__(
        self,
        *,
        ask: Callable[[str], Secret | None] | None = None,
        warn: Callable[[str], None] = lambda line: None,
        bastions: Bastions | None = None,
        handshakes: HandshakeLimit | None = None,
        masters: Masters | None = None,
        known: KnownHosts | None = None,
    ) -> None:
        self.surroundings: tuple[Mapping[str, str], str] | None = None
        self._known = known or KnownHosts()
        self._revoked = RevokedKeys()
        self._keys = Keys(ask, warn)
        self._handshakes = handshakes or HandshakeLimit()
        self._bastions: Bastions = bastions or Shared[SshLink]()
        self._masters = masters or Masters(warn)
        self._random = random.Random()

    def connect(self, settings: Settings, spent: float = 0.0) -> SshLink:
        """Connect and log in within `settings.connect_timeout`, of which `spent` seconds are gone.

        Raises:
            Unreachable: with the kind of the step that failed.
        """
        timeout = max(0.1, settings.connect_timeout - spent)
        while True:
            try:
                return self._connect(settings, timeout, None)
            except PassphraseNeeded as key:
                self._keys.ring.unlock(key.path)

    def offered(self, settings: Settings) -> UnknownHostKey | None:
        """The key that a host shows and that nobody knows; None where it shows none, or a known one."""
        try:
            self.connect(settings).close()
        except UnknownKey as unknown:
            return unknown.offered
        except Unreachable:
            # Whoever connects to it next is told.
            pass
        return None

    def trust(self, settings: Settings, key: UnknownHostKey) -> None:
        """Write a host's key down, as `accept-new` does.

        Raises:
            Unreachable: `host-key`: the host is known by another key by now, or it cannot be written.
        """
        HostKeys(replace(settings, accept_new=True), self._known, self._revoked, signed_by).check(key.blob)

    def close(self) -> None:
        """Disconnect from the bastions and the agent."""
        self._bastions.close()
        self._keys.close()

    def _connect(
        self, settings: Settings, timeout: float, deadline: float | None, *, is_bastion: bool = False
    ) -> SshLink:
        """Connect, again after a while if the host has no room, until the deadline.

        Args:
            deadline: None is `timeout` seconds after a place among the handshakes is free.
        """
        key = (settings.bastion, settings.proxy_command, settings.host.lower(), settings.port)
        dropped: Dropped | None = None
        breaks: Iterator[float] = iter(())
        for _ in range(_TRIES):
            with self._handshakes.hold(key):
                if deadline is None:
                    deadline = time.monotonic() + timeout
                if dropped is None:
                    breaks = pauses(deadline, self._random)
                try:
                    return self._handshake(settings, timeout, deadline, is_bastion)
                except Dropped as drop:
                    dropped = drop
                except Unreachable as problem:
                    if dropped is None or problem.kind != "connect-timeout":
                        raise
                    break
            pause = next(breaks, None)
            if pause is None:
                break
            time.sleep(pause)
        assert dropped is not None
        hint = "sshd's log there may tell why."
        if dropped.kind == "throttled":
            hint = "Its sshd has no room (MaxStartups there, fewer `forks` here), or a firewall or hosts.deny drops us."
            hint += " Or the ProxyCommand ends too early: run it by hand." if settings.proxy_command else ""
        raise Unreachable(dropped.kind, str(dropped), hint)

    def _handshake(self, settings: Settings, timeout: float, deadline: float, is_bastion: bool) -> SshLink:
        started = time.monotonic()
        transport: Transport | None = None
        with contextlib.ExitStack() as undo:
            sock, proxy = self._sock(settings, timeout, deadline)
            if proxy is not None:
                undo.callback(proxy.close)
            wire = Wire(sock)
            undo.callback(wire.close)
            # A connection may be kept, and a password may not.
            public = replace(settings, password=None)
            transport = Transport(wire, settings, HostKeys(public, self._known, self._revoked, signed_by))
            undo.callback(transport.close)
            try:
                transport.handshake(deadline)
            except Dropped:
                if proxy is not None and (complaint := proxy.complaint):
                    # It may have a password among its words, so they are not repeated.
                    message = f"{settings.host}: its ProxyCommand {complaint}"
                    raise Unreachable("connect", message, "Run the command by hand.") from None
                raise
            waited = log_in(transport, self._keys, deadline, is_bastion=is_bastion)
            transport.settings = public
            transport.watch()
            undo.pop_all()
            return SshLink(transport, settings.user, timeout, time.monotonic() - started - waited, proxy)

    def _sock(
        self, settings: Settings, timeout: float, deadline: float
    ) -> tuple[socket.socket | paramiko.Channel, dial.Proxy | Forward | None]:
        if settings.bastion is not None:
            forward = self._masters.forward(settings.bastion, settings.host, settings.port, deadline)
            if forward is not None:
                return forward.sock, forward
            bastion = self._bastion(settings.bastion, timeout, deadline)
            try:
                return bastion.tunnel(settings.host, settings.port, deadline), None
            except Unreachable:
                if bastion.alive:
                    raise
            # It had died before anybody noticed; nothing of this host's was sent over it.
            again = self._bastion(settings.bastion, timeout, deadline)
            return again.tunnel(settings.host, settings.port, deadline), None
        try:
            if settings.proxy_command:
                proxy = dial.Proxy(settings.proxy_command, *(self.surroundings or ()))
                return proxy.sock, proxy
            sock = dial.dial(settings.host, settings.port, deadline, family=settings.family, bind=settings.bind)
        except OSError as problem:
            hint = "Raise `ulimit -n`, or lower `forks`." if problem.errno == errno.EMFILE else ""
            raise Unreachable("connect", f"{settings.host}: {problem.strerror or problem}", hint) from None
        dial.tune(sock, GONE_AFTER)
        return sock, None

    def _bastion(self, hop: Settings, timeout: float, deadline: float) -> SshLink:
        """The connection to a bastion that all hosts behind it share."""
        name = f"bastion {hop.user}@{hop.host}"
        try:
            while True:
                try:
                    return self._bastions.get(
                        hop, lambda: self._connect(hop, timeout, deadline, is_bastion=True), deadline
                    )
                except PassphraseNeeded as key:
                    self._keys.ring.unlock(key.path)
        except concurrent.futures.TimeoutError:
            raise slow(name, "was not reached") from None
        except Unreachable as problem:
            hint = "Does ProxyJump, or HostName in ~/.ssh/config, name it rightly?"
            hint = hint if problem.kind == "resolve" else problem.hint
            raise Unreachable(problem.kind, f"{name}: {problem.message}", hint) from None
