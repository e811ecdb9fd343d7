"""`group_vars/` and `host_vars/` beside an inventory and in the working directory."""

from __future__ import annotations

import os
from collections.abc import Callable

from agentless.errors import InventoryError
from agentless.files import read_file
from agentless.inventory.group_tree import Layer, Sealed, VariablePlace
from agentless.inventory.vault import Vault, VaultClosed, is_encrypted

__all__ = ["VarsFiles", "text_of"]

_SUFFIXES = ("", ".yml", ".yaml", ".json")


class VarsFiles:
    """The variable files under one directory, each read once, when first asked for."""

    def __init__(self, directory: str, warn: Callable[[str], None], vault: Vault, merges: bool) -> None:
        self._merges = merges
        self._warn = warn
        self._vault = vault
        self._directory = os.path.realpath(directory)
        self._listings: dict[str, frozenset[str]] = {}
        self._layers: dict[tuple[str, str], Layer | InventoryError] = {}

    def layer(self, folder: str, name: str) -> Layer | None:
        """What `folder` (`group_vars` or `host_vars`) says of the group or host `name`; None where it says nothing.

        Raises:
            InventoryError: a file that is no YAML, or no mapping.
        """
        key = (folder, name)
        if key not in self._layers:
            if not self._may_have(folder, name):
                return None
            self._layers[key] = self._all(self._find(folder, name))
        layer = self._layers[key]
        if isinstance(layer, InventoryError):
            raise layer
        return layer

    def _all(self, paths: list[str]) -> Layer | InventoryError:
        """The files' variables; an error is kept, so that each host whose variables they are hears of it."""
        layer = Layer(merges=self._merges)
        try:
            for path in paths:
                _read(layer, path, self._warn, self._vault)
        except InventoryError as error:
            return error
        return layer

    def _may_have(self, folder: str, name: str) -> bool:
        if folder not in self._listings:
            try:
                self._listings[folder] = frozenset(os.listdir(os.path.join(self._directory, folder)))
            except OSError:
                self._listings[folder] = frozenset()
        listing = self._listings[folder]
        if not listing or name.startswith("/"):
            return False
        return "/" in name or any(name + suffix in listing for suffix in _SUFFIXES)

    def _find(self, folder: str, name: str) -> list[str]:
        for suffix in _SUFFIXES:
            path = os.path.join(self._directory, folder, name + suffix)
            if os.path.isdir(path):
                return _inside(path)
            if os.path.exists(path):
                return [path]
        return []


def _inside(directory: str) -> list[str]:
    paths = []
    for name in sorted(os.listdir(directory)):
        if name.startswith(".") or name.endswith("~"):
            continue
        path = os.path.join(directory, name)
        suffix = os.path.splitext(name)[1]
        if os.path.isdir(path) and not suffix:
            paths.extend(_inside(path))
        elif os.path.isfile(path) and suffix in _SUFFIXES:
            paths.append(path)
    return paths


def text_of(path: str) -> str:
    """The text of a file of an inventory, in which what is no UTF-8 stays as it is.

    As with Ansible: in comments and in variables that nobody needs, other encodings do no harm.

    Raises:
        InventoryError: it cannot be read.
    """
    try:
        return read_file(path, 256).decode("utf-8-sig", "surrogateescape")
    except OSError as error:
        raise InventoryError(f"cannot be read: {error.strerror}", file=path) from None


def _read(layer: Layer, path: str, warn: Callable[[str], None], vault: Vault) -> None:
    # Imported here: YAML is not needed where no such file exists.
    from agentless.inventory.yaml_document import Document

    text = text_of(path)
    sealed = is_encrypted(text)
    try:
        document = Document(vault.open(text) if sealed else text, path, warn)
    except VaultClosed as closed:
        layer.closed[path] = closed
        return
    except RecursionError:
        raise InventoryError("this is nested too deeply", file=path) from None
    if not document.data:
        return
    if not isinstance(document.data, dict):
        raise InventoryError("a file of variables is a mapping, name: value", file=path, line=1)
    for name, value in document.data.items():
        key = str(name)
        line = document.line(document.data, name) if key.startswith(("ansible_", "agentless_")) else None
        layer.put(key, Sealed(value) if sealed else value, VariablePlace(path, None if sealed else line))
