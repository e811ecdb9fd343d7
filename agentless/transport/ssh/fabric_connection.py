"""A `fabric.Connection` for people: put, get, run, sudo and forwarding, over a connection of ours."""

from __future__ import annotations

from typing import Any

import fabric
import paramiko

from agentless.errors import UsageError
from agentless.model.endpoint import Endpoint
from agentless.transport.channel import Connector
from agentless.transport.ssh.link import SshLink

__all__ = ["FabricConnection"]


class FabricConnection(fabric.Connection):  # type: ignore[misc]  # fabric ships no types
    """fabric's connection, connected and logged in by our rules: ssh_config, jumps, host keys and agents as everywhere.

    As with fabric's own, the first use connects, and `close` or a `with` block disconnects. `sudo` becomes the
    inventory's become user, and answers sudo's prompt with the become password.

    Raises:
        UsageError: the host is this machine, to which no SSH connection leads.
        HostError: when it connects, as `Connector.connect`.
    """

    # fabric takes attributes that no class declares for configuration.
    _endpoint: Any = None
    _connector: Any = None

    def __init__(self, endpoint: Endpoint, connector: Connector) -> None:
        if endpoint.local:
            raise UsageError(
                f"{endpoint.name} is this machine: no SSH connection leads to it", "Use subprocess, or shutil."
            )
        # fabric's own reading of ~/.ssh/config would find other gateways, users and ports.
        config = fabric.Config(ssh_config=paramiko.SSHConfig(), lazy=True)
        super().__init__(endpoint.address, user=endpoint.user, port=endpoint.port, config=config)
        self._endpoint = endpoint
        self._connector = connector

    def open(self) -> None:
        """Connect and log in, unless that is done."""
        if self.is_connected:
            return
        link = self._connector.connect(self._endpoint)
        assert isinstance(link, SshLink)
        self.client = _Client(link)
        self.transport = link.transport
        self.user = link.user
        self.host, self.port = link.transport.settings.host, link.transport.settings.port

    def sudo(self, command: str, **kwargs: Any) -> Any:
        """Run a command as the become user; see fabric."""
        become = self._endpoint.become
        if become is not None:
            kwargs.setdefault("user", become.user)
        if become is not None and become.password is not None:
            kwargs.setdefault("password", become.password.reveal())
        return super().sudo(command, **kwargs)


class _Client(paramiko.SSHClient):
    """What fabric asks of paramiko's client, over a link that is logged in; its end is the link's."""

    def __init__(self, link: SshLink) -> None:
        super().__init__()
        self._link = link

    def get_transport(self) -> paramiko.Transport:
        return self._link.transport

    def open_sftp(self) -> paramiko.SFTPClient:
        sftp = self._link.transport.open_sftp_client()
        assert sftp is not None
        return sftp

    def close(self) -> None:
        self._link.close()
