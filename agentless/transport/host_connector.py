"""From an endpoint to a connection: over ssh's master, the keeper or SSH of our own, or on this machine."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from agentless.errors import HostError, Refused
from agentless.model.endpoint import Endpoint
from agentless.model.secret import Secret
from agentless.openssh.known_hosts import KnownHosts, UnknownHostKey, remembers
from agentless.openssh.resolver import Resolver
from agentless.openssh.settings import Settings
from agentless.transport.channel import Link
from agentless.transport.mux.masters import Masters

# paramiko takes a while to import, and a fleet on this machine has no use for it.
if TYPE_CHECKING:
    from agentless.transport.keeper.client import KeeperClient
    from agentless.transport.ssh.connector import SshConnector

__all__ = ["HostConnector"]


class HostConnector:
    """Connects to the hosts of an inventory; owns what their connections share. Thread safe.

    Args:
        ask: shows a prompt for the passphrase of a key and returns the answer; None where nobody can be asked.
        warn: shows a line about what ssh's configuration asks for and is not done here.
        keeper: keeps connections; None makes one for each operation.
        note: shows a line about which way was taken to a host, and how it was logged in there.
        step: shows a line when a step on the way begins.
        home, system_config: as of `Resolver`.
    """

    def __init__(
        self,
        *,
        ask: Callable[[str], Secret | None] | None = None,
        warn: Callable[[str], None] = lambda line: None,
        keeper: KeeperClient | None = None,
        note: Callable[[str], None] = lambda line: None,
        step: Callable[[str], None] = lambda line: None,
        home: Path | None = None,
        system_config: Path = Path("/etc/ssh/ssh_config"),
    ) -> None:
        self.resolver = Resolver(warn=warn, home=home, system_config=system_config)
        self._ask = ask
        self._warn = warn
        self._keeper = keeper
        self.masters = Masters(warn, note)
        self._note = note
        self._step = step
        self._known = KnownHosts()
        self._lock = threading.Lock()
        self._made: SshConnector | None = None
        # By host, of those whose way was looked at and not yet taken.
        self._resolved: dict[str, tuple[Endpoint, Settings]] = {}

    def step(self, line: str) -> None:
        """Say what is done now; see `channel.Connector`."""
        self._step(line)

    def connect(self, endpoint: Endpoint) -> Link:
        """Connect and log in; see `channel.Connector`."""
        if endpoint.problem is not None:
            raise Refused(endpoint.problem.kind, endpoint.problem.message, endpoint.problem.hint)
        if endpoint.local:
            self._note(f"{endpoint.name}: this machine, without SSH")
            from agentless.transport.local import LocalLink

            return LocalLink()
        began = time.monotonic()
        self._step(f"{endpoint.name}: resolving how to connect")
        settings = self._settings(endpoint)
        if by_ssh := _not_given(endpoint, settings):
            self._note(f"{endpoint.name}: {by_ssh} by ~/.ssh/config or ssh's defaults")
        # Names may have been looked up, and commands run.
        return self.link(endpoint.name, settings, time.monotonic() - began)

    def link(self, name: str, settings: Settings, spent: float = 0.0) -> Link:
        """As `connect`, for a host whose settings are resolved, in what is left of its time after `spent` seconds."""
        began = time.monotonic() - spent

        def unridden(spent: float) -> Link:
            self._step(f"{name}: connecting to {settings.host} port {settings.port}")
            if self._keeper is None:
                link: Link = self._ssh.connect(settings, spent)
            else:
                from agentless.transport.keeper import kept_link

                link = kept_link.connect(
                    self._keeper, name, settings, lambda: self._ssh.connect(settings, spent), spent
                )
            self._note(f"{name}: {_destination(settings)}: {getattr(link, 'way', 'connected')}")
            return link

        return self.masters.link(name, settings, unridden, spent) or unridden(time.monotonic() - began)

    def _settings(self, endpoint: Endpoint) -> Settings:
        """How to connect; resolved once for who was looked at before (`unknown`)."""
        looked_at = self._resolved.pop(endpoint.name, None)
        if looked_at is not None and looked_at[0] == endpoint:
            return looked_at[1]
        return _without_asking(self.resolver.settings(endpoint))

    # --- whose key nobody knows ---
    def unknown(self, endpoint: Endpoint) -> Settings | None:
        """The first machine on the way to a host of which no known_hosts file has a word; None where all are known.

        None, too, where nobody may be asked about it (StrictHostKeyChecking), where no file would remember the answer,
        and where a master of ssh leads there. Nothing is contacted.
        """
        if endpoint.problem is not None or endpoint.local:
            return None
        try:
            settings = self.resolver.settings(endpoint)
            self._resolved[endpoint.name] = (endpoint, _without_asking(settings))
            for hop in _way(settings):
                if any(map(os.path.exists, hop.control_paths)):
                    return None
                names = {hop.key_name, hop.plain_name} - {""}
                if any(self._known.find(hop.known_hosts, name) for name in names):
                    continue
                may = hop.may_ask and any(map(remembers, hop.known_hosts[: hop.user_files]))
                return _without_asking(hop) if may else None
        except (HostError, OSError):
            # Who connects is told.
            pass
        return None

    def offered(self, settings: Settings) -> UnknownHostKey | None:
        """The key that such a machine shows; None where it cannot be seen."""
        return self._ssh.offered(settings)

    def trust(self, settings: Settings, key: UnknownHostKey) -> None:
        """Write its key down; raises Unreachable where that cannot be, or another one is known by now."""
        self._ssh.trust(settings, key)

    @property
    def _ssh(self) -> SshConnector:
        from agentless.transport.ssh.connector import SshConnector

        with self._lock:
            if self._made is None:
                self._made = SshConnector(ask=self._ask, warn=self._warn, masters=self.masters, known=self._known)
            return self._made

    def close(self) -> None:
        """Disconnect from the bastions, the agent and the keeper."""
        if self._keeper is not None:
            self._keeper.close()
        if self._made is not None:
            self._made.close()


def _not_given(endpoint: Endpoint, settings: Settings) -> str:
    """What of the way neither the inventory nor the command line has said."""
    name = endpoint.address.rpartition("@")[2].strip("[]")
    by_ssh_config = {
        "user": endpoint.user is None and "@" not in endpoint.address,
        "address": name.lower() != settings.host.lower(),
        "port": endpoint.port is None and settings.port != 22,
    }
    return ", ".join(word for word, by_ssh in by_ssh_config.items() if by_ssh)


def _destination(settings: Settings) -> str:
    """Where a connection leads."""
    via = ""
    if settings.bastion is not None:
        via = f", by way of {settings.bastion.user}@{settings.bastion.host}"
    elif settings.proxy_command is not None:
        via = ", by way of its ProxyCommand"
    return f"{settings.user}@{settings.host} port {settings.port}{via}"


def _without_asking(settings: Settings) -> Settings:
    """Settings as connections have them: whether a person may be asked makes no difference between two of them."""
    bastion = None if settings.bastion is None else _without_asking(settings.bastion)
    return replace(settings, may_ask=False, bastion=bastion)


def _way(settings: Settings) -> Iterator[Settings]:
    """The hops to a host, and the host."""
    if settings.bastion is not None:
        yield from _way(settings.bastion)
    yield settings
