"""The variables of one host after all precedence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from agentless.inventory.group_tree import HostNode, Layer, Sealed, VariablePlace
from agentless.inventory.vault import VaultClosed

__all__ = ["HostVars"]

# ruff: noqa: SIM905 - one name a line would make a page of them.
# Ansible's INTERNAL_STATIC_VARS: names that ansible-inventory never shows as variables.
_INTERNAL = frozenset(
    "ansible_async_path ansible_collection_name ansible_config_file ansible_dependent_role_names ansible_diff_mode "
    "ansible_facts ansible_forks ansible_inventory_sources ansible_limit ansible_play_batch ansible_play_hosts "
    "ansible_play_hosts_all ansible_play_role_names ansible_playbook_python ansible_role_name ansible_role_names "
    "ansible_run_tags ansible_skip_tags ansible_verbosity ansible_version inventory_dir inventory_file "
    "inventory_hostname inventory_hostname_short groups group_names hostvars playbook_dir play_hosts role_name "
    "role_names role_path role_uuid".split()
)

_MISSING = object()
# What is shown of a variable that comes from an encrypted file.
VAULTED = "(Ansible Vault)"


class HostVars(Mapping[str, Any]):
    """A host's variables as `ansible-inventory --list` shows them.

    Those of its groups are shared with other hosts: a fleet has many hosts and few sets of groups.
    Looking at one for the first time reads the host's file in `host_vars/`, which may raise InventoryError.

    Args:
        layers: gives the variables of its groups, and its own, which are stronger.
    """

    __slots__ = ("_layers", "_node", "_read")

    def __init__(self, node: HostNode, layers: Callable[[HostNode], tuple[Layer, Layer]]) -> None:
        self._node = node
        self._read = layers
        self._layers: tuple[Layer, Layer] | None = None

    def _both(self) -> tuple[Layer, Layer]:
        if self._layers is None:
            self._layers = self._read(self._node)
        return self._layers

    def __getitem__(self, name: str) -> Any:
        if name in _INTERNAL:
            raise KeyError(name)
        shared, own = self._both()
        value = own.values[name] if name in own.values else shared.values[name]
        # What Ansible read for us has the clear value beside the sealed one.
        return VAULTED if isinstance(value, Sealed) or isinstance(shared.values.get(name), Sealed) else value

    def raw(self, name: str) -> Any:
        """The value as it is used and never shown; None where it is not set."""
        # Endpoints ask for thirty names, of which most are missing: nothing is raised for them.
        shared, own = self._both()
        value = own.values.get(name, _MISSING)
        if value is _MISSING:
            value = shared.values.get(name)
        return None if name in _INTERNAL else value

    def __iter__(self) -> Iterator[str]:
        shared, own = self._both()
        return (name for name in {**shared.values, **own.values} if name not in _INTERNAL)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        # Values may be passwords.
        return f"<variables of {self._node.name}>"

    @property
    def host(self) -> str:
        return self._node.name

    @property
    def source(self) -> str | None:
        """The inventory file that named the host first; None for the implicit localhost."""
        return self._node.source

    @property
    def closed(self) -> Mapping[str, VaultClosed]:
        """Files about this host or its groups that Ansible Vault encrypts and that cannot be opened, and why."""
        shared, own = self._both()
        return {**shared.closed, **own.closed}

    def place(self, name: str) -> VariablePlace | None:
        """Where a variable that may connect was written."""
        shared, own = self._both()
        return (own if name in own.values else shared).places.get(name)
