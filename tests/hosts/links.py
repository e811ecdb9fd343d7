"""The ways by which a command reaches hosts: over its own connection, over a master of ssh, over one that is kept."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import pytest
import yaml

from tests.hosts.client import Client
from tests.hosts.killing import kill
from tests.hosts.master import Master
from tests.hosts.processes import hardened

KINDS = ("direct", "master", "keeper")
over_every_link = pytest.mark.parametrize("links", KINDS, indirect=True)
"""A test that is to be alike whichever way its commands take to the hosts of `sshd`, `start_sshd` or `start_nodes`."""


class Links:
    """A context manager: the commands of homes reach their hosts in one of these ways.

    Args:
        kind: one of KINDS; None leaves it to the commands, which keep connections where they have a terminal.
    """

    def __init__(self, kind: str | None = None) -> None:
        self.kind = kind
        self._clients: list[Client] = []
        self._masters: dict[Path, Master] = {}
        self._ends = contextlib.ExitStack()

    def __enter__(self) -> Links:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients:
            client.keep = None
            if self.kind == "keeper":
                kill(keepers(f"HOME={client.home}\0"))
        self._ends.close()

    def lay(self, client: Client, *names: str) -> None:
        """Let the commands of a home take this way to the hosts that its inventory has now, or to these of them."""
        if self.kind is None:
            return
        if self.kind == "keeper":
            # Skips here what is to be cleared up then.
            keepers(f"HOME={client.home}\0")
        self._clients.append(client)
        client.keep = "60" if self.kind == "keeper" else "0"
        if self.kind != "master":
            return
        config = client.home / ".ssh" / "config"
        if not config.exists():
            config.write_text(f"Host *\n  ControlPath {client.home}/m-%h-%p-%r\n")
            self._ends.callback(config.unlink, missing_ok=True)
        for name, path in _ways(client):
            if names and name not in names:
                continue
            master = self._masters.get(path)
            if master is None or master.process.poll() is not None:
                path.unlink(missing_ok=True)
                self._masters[path] = self._ends.enter_context(
                    Master(path, ["-F", str(client.openssh_config), "-o", "LogLevel=ERROR", name])
                )


def _ways(client: Client) -> Iterator[tuple[str, Path]]:
    """A name, and the socket of its master, for each address and user of the inventory."""
    found: dict[Path, str] = {}
    for name, values in yaml.safe_load(client.inventory.read_text())["all"]["hosts"].items():
        if "ansible_user" in values:
            way = f"m-{values['ansible_host']}-{values.get('ansible_port', 22)}-{values['ansible_user']}"
            found.setdefault(client.home / way, name)
    for path, name in found.items():
        yield name, path


def keepers(mark: str) -> list[int]:
    """The PIDs of keepers whose environment has `mark`."""
    return hardened("agentless.transport.keeper", mark)
