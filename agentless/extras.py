"""Extras: what needs a library that agentless does not require, and the command that installs such a library."""

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
    requirement = f"'agentless-jobs[{extra}]'"
    if Path(prefix, "pipx_metadata.json").exists():
        return f"pipx install --force {requirement}"
    if Path(prefix, "uv-receipt.toml").exists():
        return f"uv tool install {requirement}"
    return f"pip install {requirement}"
