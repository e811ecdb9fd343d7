"""Connections over SSH, made with paramiko: as Settings say, and nothing else.

The only package that imports paramiko. One deadline holds for all phases of a connection, and every key that a host
shows is judged before anything is sent to it.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any


class _Invoke:
    """The package `invoke`, loaded when somebody uses it."""

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module("invoke"), name)


def _load_paramiko() -> None:
    """Load paramiko without invoke, which brings unittest.mock and asyncio along: they take as long as it does.

    It wants that for `Match exec` in its own reading of ssh_config, which here is `openssh`'s; whoever reads one with
    it all the same (fabric) gets it then.
    """
    if "paramiko" in sys.modules or "invoke" in sys.modules:
        return
    sys.modules["invoke"] = None  # type: ignore[assignment]
    try:
        import paramiko.config
    finally:
        del sys.modules["invoke"]
    paramiko.config.invoke = _Invoke()  # type: ignore[attr-defined]


_load_paramiko()
