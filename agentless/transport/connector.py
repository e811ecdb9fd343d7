"""From an endpoint to a connection: over ssh's master, the keeper or SSH of our own, or on this machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from agentless.errors import Refused
from agentless.model.endpoint import Endpoint
from agentless.model.secret import Secret
from agentless.openssh.resolver import Resolver
from agentless.transport.channel import Link
from agentless.transport.local import LocalLink
from agentless.transport.mux.masters import Masters

# paramiko takes a while to import, and a fleet on this machine has no use for it.
if TYPE_CHECKING:
    from agentless.transport.keeper.client import KeeperClient
    from agentless.transport.ssh.connector import SshConnector
    from agentless.transport.ssh.link import SshLink

__all__ = ["HostConnector"]


class HostConnector:
    """Connects to the hosts of an inventory; owns what their connections share. Thread safe.

    Args:
        ask: shows a prompt for the passphrase of a key and returns the answer; None where nobody can be asked.
        warn: shows a line about what ssh's configuration asks for and is not done here.
        keeper: keeps connections; None makes one for each operation.
        note: shows a line about which way was taken.
        home: whose `.ssh` is read; the user's by default.
        system_config: the system's ssh_config, read after the user's.
    """

    def __init__(
        self,
        *,
        ask: Callable[[str], Secret | None] | None = None,
        warn: Callable[[str], None] = lambda line: None,
        keeper: KeeperClient | None = None,
        note: Callable[[str], None] = lambda line: None,
        home: Path | None = None,
        system_config: Path = Path("/etc/ssh/ssh_config"),
    ) -> None:
        self.resolver = Resolver(warn=warn, home=home, system_config=system_config)
        self._ask = ask
        self._warn = warn
        self._keeper = keeper
        self.masters = Masters(warn, note)
        self._lock = threading.Lock()
        self._made: SshConnector | None = None

    def connect(self, endpoint: Endpoint) -> Link:
        """Connect and log in; see `channel.Connector`."""
        if endpoint.problem is not None:
            raise Refused(endpoint.problem.kind, endpoint.problem.message, endpoint.problem.hint)
        if endpoint.local:
            return LocalLink()
        began = time.monotonic()
        settings = self.resolver.settings(endpoint)

        def unridden(spent: float) -> Link:
            if self._keeper is None:
                return self._ssh.connect(settings, spent)
            return self._keeper.connect(endpoint.name, settings, lambda: self._ssh.connect(settings, spent), spent)

        # Names may have been looked up, and commands run.
        spent = time.monotonic() - began
        return self.masters.link(endpoint.name, settings, unridden, spent) or unridden(time.monotonic() - began)

    def connect_by_ssh(self, endpoint: Endpoint) -> SshLink:
        """As `connect`, for an endpoint that is not on this machine."""
        began = time.monotonic()
        settings = self.resolver.settings(endpoint)
        # Names may have been looked up, and commands run.
        return self._ssh.connect(settings, spent=time.monotonic() - began)

    @property
    def _ssh(self) -> SshConnector:
        from agentless.transport.ssh.connector import SshConnector

        with self._lock:
            if self._made is None:
                self._made = SshConnector(ask=self._ask, warn=self._warn, masters=self.masters)
            return self._made

    def close(self) -> None:
        """Disconnect from the bastions, the agent and the keeper."""
        if self._keeper is not None:
            self._keeper.close()
        if self._made is not None:
            self._made.close()
