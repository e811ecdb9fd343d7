"""What agentless can do with a library that it does not require, and how that comes to where agentless is installed."""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["way_to_install"]


def way_to_install(extra: str, prefix: str = sys.prefix) -> str:
    """The command that brings an extra (`top`, `sql`, `dask`).

    Beside what pipx and uv install into an environment of its own, another pip would install where nobody looks.

    Args:
        prefix: the environment that agentless runs in.
    """
    wanted = f"'agentless-jobs[{extra}]'"
    if Path(prefix, "pipx_metadata.json").exists():
        return f"pipx install --force {wanted}"
    if Path(prefix, "uv-receipt.toml").exists():
        return f"uv tool install {wanted}"
    return f"pip install {wanted}"
