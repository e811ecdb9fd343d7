"""From an endpoint to a connection: what the configuration says, the way there, the handshake, and trying again."""

from __future__ import annotations

import concurrent.futures
import contextlib
import errno
import functools
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import fabric
import paramiko

from agentless.config import account
from agentless.errors import Refused, Unreachable
from agentless.model.endpoint import Endpoint
from agentless.model.secret import Secret
from agentless.openssh.config_file import SshConfig
from agentless.openssh.known_hosts import KnownHosts
from agentless.openssh.revoked import RevokedKeys
from agentless.openssh.settings import Settings, resolve
from agentless.openssh.words import quote, seconds
from agentless.transport.channel import Link
from agentless.transport.local import LocalLink
from agentless.transport.ssh import dial
from agentless.transport.ssh.host_keys import HostKeys
from agentless.transport.ssh.key_files import PassphraseNeeded
from agentless.transport.ssh.keys import Keys, signed_by
from agentless.transport.ssh.link import SshLink, slow
from agentless.transport.ssh.login import log_in
from agentless.transport.ssh.packets import GONE_AFTER, Wire
from agentless.transport.ssh.throttle import Places, Shared, pauses
from agentless.transport.ssh.transport import Dropped, Transport

__all__ = ["Connector"]

_TRIES = 8
_DEFAULT_TIMEOUT = Endpoint("", "").connect_timeout


class Connector:
    """Connects to hosts; owns what their connections share. Thread safe.

    An endpoint's `connect_timeout` holds unless it is the default, for which ConnectTimeout of ~/.ssh/config stands in.
    StrictHostKeyChecking there is followed where it is stricter than the endpoint, never where it is laxer.

    Args:
        warn: told, in one line, of what the configuration asks for and is not done here.
        ask: shows a prompt for the passphrase of a key and returns the answer; None where nobody can be asked.
        home: whose `.ssh` is read; the user's by default.
        system_config: the system's ssh_config, read after the user's.
    """

    def __init__(
        self,
        *,
        ask: Callable[[str], Secret | None] | None = None,
        warn: Callable[[str], None] = lambda line: None,
        home: Path | None = None,
        system_config: Path = Path("/etc/ssh/ssh_config"),
    ) -> None:
        self._home = home or Path.home()
        self._user = account()[0]
        self._system_config = system_config
        self._warn = warn
        self._known = KnownHosts()
        self._revoked = RevokedKeys()
        self._keys = Keys(ask)
        self._places = Places()
        self._bastions: Shared[SshLink] = Shared()
        self._random = random.Random()
        self._lock = threading.Lock()
        self._configs: dict[str, fabric.Config] = {}
        self._names: dict[tuple[str, str], str] = {}

    def connect(self, endpoint: Endpoint) -> Link:
        """Connect and log in; see `channel.Connector`."""
        if endpoint.problem is not None:
            raise Refused(endpoint.problem.kind, endpoint.problem.message, endpoint.problem.hint)
        if endpoint.local:
            return LocalLink()
        options = _said(endpoint.user, endpoint.port, endpoint.key_files) + endpoint.options
        accept_new = endpoint.host_key_checking == "accept-new"
        timeout = endpoint.connect_timeout
        started = time.monotonic()
        settings, patience = self._settings(endpoint.address, options, accept_new, started + timeout)
        if timeout == _DEFAULT_TIMEOUT and patience:
            timeout = patience
        # Names may have been looked up meanwhile.
        timeout = max(0.1, timeout - (time.monotonic() - started))
        while True:
            try:
                return self._connect(settings, endpoint.password, timeout, None)
            except PassphraseNeeded as key:
                self._keys.ring.unlock(key.path)

    def close(self) -> None:
        """Disconnect from the bastions and the agent."""
        self._bastions.close()
        self._keys.close()

    # what the configuration says
    def _settings(
        self, address: str, options: Sequence[tuple[str, str]], accept_new: bool, deadline: float
    ) -> tuple[Settings, float | None]:
        user, _, name = address.rpartition("@")
        name = name[1:-1] if name[:1] == "[" and name[-1:] == "]" else name
        # ssh -F
        other = dict(options).get("configfile", "")
        said = [option for option in options if option[0] != "configfile"]
        said += [("user", quote(user))] if user else []
        try:
            for keyword, value in said:
                if not value.isprintable():
                    raise ValueError(f"{keyword} {value!r}")
            resolver = functools.partial(self._canonical, deadline=deadline)
            found = self._config(other).lookup(name, said, resolver)
            found |= {"configfile": (other,)} if other else {}
            patience = found.get("connecttimeout", ("none",))[0]
            settings = resolve(
                found,
                name=name,
                default_user=self._user,
                accept_new=accept_new,
                home=self._home,
            )
            return settings, None if patience == "none" else seconds(patience) or None
        except (ValueError, OSError) as problem:
            file = other or f"{self._home}/.ssh/config"
            hint = f"Mend {file}, or what the inventory's ansible_ssh_common_args and the like say."
            raise Unreachable("connect", f"{name}: its SSH options cannot be read: {problem}", hint) from problem

    def _config(self, other: str) -> SshConfig:
        """The configuration files: the user's and the system's, or the one in their stead."""
        with self._lock:
            if other not in self._configs:
                files = [Path(other).expanduser()] if other else [self._home / ".ssh" / "config", self._system_config]
                if other and other != "none" and not files[0].exists():
                    raise FileNotFoundError(errno.ENOENT, "there is no such file", other)
                read = SshConfig(files if other != "none" else (), self._home, self._user, self._warn)
                self._configs[other] = fabric.Config(ssh_config=read, lazy=True)
            config: SshConfig = self._configs[other].base_ssh_config
            return config

    def _canonical(self, name: str, family: str, *, deadline: float) -> str | None:
        """Where a name leads, asked once for all hosts behind one bastion."""
        key = (name, family)
        if key not in self._names:
            found = dial.canonical_name(name, family, deadline)
            if found is None:  # perhaps only now
                return None
            self._names[key] = found
        return self._names[key]

    # connecting
    def _connect(
        self,
        settings: Settings,
        password: Secret | None,
        timeout: float,
        deadline: float | None,
        trail: tuple[Settings, ...] = (),
    ) -> SshLink:
        """Connect, again after a while if the host has no room, until the deadline."""
        key = (settings.jumps, settings.proxy_command, settings.host.lower(), settings.port)
        dropped: Dropped | None = None
        breaks: Iterator[float] = iter(())
        for _ in range(_TRIES):
            with self._places.hold(key):
                if deadline is None:
                    deadline = time.monotonic() + timeout
                if dropped is None:
                    breaks = pauses(deadline, self._random)
                try:
                    return self._handshake(settings, password, timeout, deadline, trail)
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
        throttled = (
            "Its sshd has no room (MaxStartups there, fewer --forks here), or a firewall or hosts.deny drops us."
        )
        if settings.proxy_command:
            throttled += " Or the ProxyCommand ends too early: run it by hand."
        hint = throttled if dropped.kind == "throttled" else "sshd's log there may tell why."
        raise Unreachable(dropped.kind, str(dropped), hint)

    def _handshake(
        self,
        settings: Settings,
        password: Secret | None,
        timeout: float,
        deadline: float,
        trail: tuple[Settings, ...],
    ) -> SshLink:
        started = time.monotonic()
        transport: Transport | None = None
        with contextlib.ExitStack() as undo:
            sock, proxy = self._sock(settings, timeout, deadline, trail)
            if proxy is not None:
                undo.callback(proxy.close)
            wire = Wire(sock)
            undo.callback(wire.close)
            transport = Transport(wire, settings, HostKeys(settings, self._known, self._revoked, signed_by))
            undo.callback(transport.close)
            try:
                transport.handshake(deadline)
            except Dropped:
                if proxy is not None and (complaint := proxy.complaint):
                    # It may have a password among its words, so they are not repeated.
                    said = f"{settings.host}: its ProxyCommand {complaint}"
                    raise Unreachable("connect", said, "Run the command by hand.") from None
                raise
            waited = log_in(transport, self._keys, password, deadline, bastion=bool(trail))
            transport.watch()
            undo.pop_all()
            return SshLink(transport, settings.user, timeout, time.monotonic() - started - waited, proxy)

    def _sock(
        self, settings: Settings, timeout: float, deadline: float, trail: tuple[Settings, ...]
    ) -> tuple[socket.socket | paramiko.Channel, dial.Proxy | None]:
        hop = self._last_hop(settings, deadline)
        if hop is not None:
            bastion = self._bastion(hop, timeout, deadline, trail)
            try:
                return bastion.tunnel(settings.host, settings.port, deadline), None
            except Unreachable:
                if bastion.alive:
                    raise
            # It had died before anybody noticed; nothing of this host's was sent over it.
            again = self._bastion(hop, timeout, deadline, trail)
            return again.tunnel(settings.host, settings.port, deadline), None
        try:
            if settings.proxy_command:
                proxy = dial.Proxy(settings.proxy_command)
                return proxy.sock, proxy
            sock = dial.dial(settings.host, settings.port, deadline, family=settings.family, bind=settings.bind)
        except OSError as problem:
            hint = "Raise `ulimit -n`, or lower --forks." if problem.errno == errno.EMFILE else ""
            raise Unreachable("connect", f"{settings.host}: {problem.strerror or problem}", hint) from None
        dial.tune(sock, GONE_AFTER)
        return sock, None

    def _last_hop(self, settings: Settings, deadline: float) -> Settings | None:
        """The bastion that the host stands behind, with the hops before it; None where it is reached directly."""
        if not settings.jumps:
            return None
        *before, last = settings.jumps
        said = _said(last.user, last.port) + last.options
        hop, _ = self._settings(last.host, said, settings.accept_new, deadline)
        if before:
            hop = replace(hop, jumps=tuple(before), proxy_command=None)
        elif any(jump.host == last.host for jump in hop.jumps):
            # A `Host *` block with ProxyJump speaks of the bastion too, which is not its own way to itself.
            hop = replace(hop, jumps=())
        return None if (hop.host, hop.port) == (settings.host, settings.port) else hop

    def _bastion(self, hop: Settings, timeout: float, deadline: float, trail: tuple[Settings, ...]) -> SshLink:
        """The connection to a bastion that all hosts behind it share."""
        name = f"bastion {hop.user}@{hop.host}"
        if hop in trail:
            raise Unreachable("connect", f"{name} is reached through itself", "Mend ProxyJump in ~/.ssh/config.")
        try:
            while True:
                try:
                    return self._bastions.get(
                        hop, lambda: self._connect(hop, None, timeout, deadline, (*trail, hop)), deadline
                    )
                except PassphraseNeeded as key:
                    self._keys.ring.unlock(key.path)
        except concurrent.futures.TimeoutError:
            raise slow(name, "was not reached") from None
        except Unreachable as problem:
            hint = "Does ProxyJump, or HostName in ~/.ssh/config, name it rightly?"
            hint = hint if problem.kind == "resolve" else problem.hint
            raise Unreachable(problem.kind, f"{name}: {problem.message}", hint) from None


def _said(user: str | None, port: int | None, key_files: Sequence[str] = ()) -> tuple[tuple[str, str], ...]:
    """What an endpoint or a hop says on the spot, as options that a file could have."""
    said = [("user", user and quote(user)), ("port", port and str(port))]
    said += [("identityfile", quote(file)) for file in key_files]
    return tuple((keyword, value) for keyword, value in said if value)
