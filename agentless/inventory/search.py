"""Which inventory counts where nobody names one."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from agentless.errors import InventoryError
from agentless.inventory.ansible_cfg import AnsibleSettings
from agentless.values import dataclass

__all__ = ["Sources", "search"]

_SYSTEM = "/etc/ansible/hosts"
_NAMES = ("inventory.yaml", "inventory.yml")


@dataclass(frozen=True, slots=True)
class Sources:
    """The inventories that count.

    Args:
        names: as `-i` takes them.
        origin: who names them, as a person reads it: `$AGENTLESS_INVENTORY`, `the working directory`.
        named: a person, or their configuration, names them. Else they were only found, and what is found in a
            directory that others can write is not run.
        passed_over: what would have counted without them.
    """

    names: tuple[str, ...]
    origin: str
    named: bool = True
    passed_over: tuple[str, ...] = ()


def search(
    environ: Mapping[str, str],
    directory: Path,
    ansible: AnsibleSettings,
    configured: Sequence[str],
    user_directory: Path,
) -> Sources:
    """The first that there is of: `$AGENTLESS_INVENTORY`; `$ANSIBLE_INVENTORY`; `inventory.yaml` or `inventory.yml` in
    the working directory; that of ansible.cfg; that of the configuration file; `inventory.yaml` or `inventory.yml` in
    the user's directory; /etc/ansible/hosts.

    Args:
        configured: `inventory` of the configuration file.
        user_directory: where the user's configuration lies.

    Raises:
        InventoryError: there is none of them; or the one in the working directory was put there by somebody else.
    """
    candidates: list[Sources] = []
    if given := environ.get("AGENTLESS_INVENTORY"):
        candidates.append(Sources((given,), "$AGENTLESS_INVENTORY"))
    if ansible.inventory and ansible.inventory_variable:
        candidates.append(Sources(ansible.inventory, "$ANSIBLE_INVENTORY"))
    candidates += [Sources((file,), "the working directory", named=False) for file in _lying_in(directory)]
    if ansible.inventory and not ansible.inventory_variable:
        candidates.append(Sources(ansible.inventory, str(ansible.file)))
    if configured:
        candidates.append(Sources(tuple(configured), "the configuration file"))
    candidates += [Sources((file,), "your configuration directory") for file in _lying_in(user_directory)]
    if os.path.exists(_SYSTEM):
        candidates.append(Sources((_SYSTEM,), "Ansible's default"))
    if not candidates:
        raise InventoryError(
            f"there is no inventory: neither $AGENTLESS_INVENTORY nor ./{_NAMES[0]} nor {user_directory / _NAMES[0]}, "
            f"nor one of {ansible.file or 'Ansible'}",
            "Name one with `inventory=FILE`, or hosts with `inventory=host1,host2`.",
        )
    first = candidates[0]
    if not first.named and planted(Path(first.names[0])):
        raise InventoryError(
            "this belongs to another user, in a directory where everybody may put files",
            f"If you mean it all the same, name it: `inventory={first.names[0]}`",
            file=first.names[0],
        )
    return replace(first, passed_over=tuple(name for sources in candidates[1:] for name in sources.names))


def _lying_in(directory: Path) -> list[str]:
    return [str(directory / name) for name in _NAMES if (directory / name).exists()]


def planted(path: Path) -> bool:
    """Whether a file may have been put here by somebody else: it belongs to neither us nor root, and lies in a
    directory that everybody can write."""
    try:
        return bool(path.parent.stat().st_mode & stat.S_IWOTH) and path.stat().st_uid not in (0, os.geteuid())
    except OSError:
        return False
