"""Executable inventories: `SCRIPT --list` and, for old ones, `SCRIPT --host NAME`."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from agentless.errors import InventoryError
from agentless.inventory.groupfile import parse_listing
from agentless.inventory.tree import Tree

__all__ = ["parse"]

_DEADLINE = 300.0


def parse(tree: Tree, path: str) -> bool:
    """Run the script and read its answer; False where the system cannot execute the file at all.

    Raises:
        InventoryError: the script failed, took five minutes, or printed something else than JSON.
    """
    try:
        text = _output(path, "--list")
    except OSError:
        return False
    parse_listing(tree, _json(text, path, "--list"), path, lambda name: _host(path, name))
    return True


def _host(path: str, name: str) -> Any:
    text = _output(path, "--host", name)
    return _json(text, path, f"--host {name}") if text.strip() else {}


def _json(text: str, path: str, arguments: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InventoryError(
            f"the inventory script's answer to {arguments} is no JSON: {error}",
            "It is run because the file is executable; chmod -x it if it is no script.",
            file=path,
        ) from None


def _output(path: str, *arguments: str) -> str:
    try:
        done = subprocess.run([path, *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=_DEADLINE)
    except subprocess.TimeoutExpired:
        raise InventoryError(f"the inventory script took longer than {_DEADLINE:.0f} s", file=path) from None
    if done.returncode:
        told = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise InventoryError(
            f"the inventory script ended with exit code {done.returncode}" + (f": {told[-1]}" if told else ""),
            f"Run it by hand: {path} {' '.join(arguments)}",
            file=path,
        )
    return done.stdout.decode("utf-8", "surrogateescape")
