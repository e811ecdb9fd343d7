"""Which inventory counts where nobody names one."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agentless.errors import InventoryError

__all__ = ["Sources", "search"]

_NAMES = ("inventory.yaml", "inventory.yml")


@dataclass(frozen=True, slots=True)
class Sources:
    """The inventories that count.

    Args:
        names: as `-i` takes them.
        origin: who names them, as a person reads it: `-i`, `$AGENTLESS_INVENTORY`, `the working directory`.
        named: a person, or their configuration, names them. Else they were only found, and what is found in a
            directory that others can write is not run.
        passed_over: what would have counted without them.
    """

    names: tuple[str, ...]
    origin: str
    named: bool = True
    passed_over: tuple[str, ...] = ()


def search(environ: Mapping[str, str], directory: Path, configured: Sequence[str], user_directory: Path) -> Sources:
    """The first that there is of `$AGENTLESS_INVENTORY`, `inventory.yaml` or `inventory.yml` in the working directory,
    the configuration's, and `inventory.yaml` in the user's directory.

    Args:
        environ: the environment variables.
        directory: the working directory.
        configured: `inventory` of the configuration file.
        user_directory: where the user's configuration lies.

    Raises:
        InventoryError: there is none of them; or the one in the working directory was put there by somebody else.
    """
    found: list[Sources] = []
    if given := environ.get("AGENTLESS_INVENTORY"):
        found.append(Sources((given,), "$AGENTLESS_INVENTORY"))
    for name in _NAMES:
        if (directory / name).exists():
            found.append(Sources((str(directory / name),), "the working directory", named=False))
    if configured:
        found.append(Sources(tuple(configured), "the configuration file"))
    for name in _NAMES:
        if (user_directory / name).exists():
            found.append(Sources((str(user_directory / name),), "your configuration directory"))
    if not found:
        raise InventoryError(
            f"there is no inventory: neither $AGENTLESS_INVENTORY nor ./{_NAMES[0]} nor {user_directory / _NAMES[0]}",
            "Name one with -i FILE, or hosts with -i host1,host2.",
        )
    first = found[0]
    if not first.named and planted(Path(first.names[0])):
        raise InventoryError(
            "this belongs to another user, in a directory where everybody may put files",
            f"If you mean it all the same, name it: -i {first.names[0]}",
            file=first.names[0],
        )
    return Sources(
        first.names, first.origin, first.named, tuple(name for sources in found[1:] for name in sources.names)
    )


def planted(path: Path) -> bool:
    """Whether a file may have been put here by somebody else: it belongs to neither us nor root, and lies in a
    directory that everybody can write."""
    try:
        return bool(path.parent.stat().st_mode & stat.S_IWOTH) and path.stat().st_uid not in (0, os.geteuid())
    except OSError:
        return False
