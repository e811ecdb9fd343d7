"""Variables of the command line (`-e`), which stand above those of every source, as Ansible has them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path

from agentless.errors import InventoryError, UsageError
from agentless.inventory.group_tree import Layer, VariablePlace
from agentless.inventory.varsfiles import text_of
from agentless.inventory.vault import Vault, VaultClosed, is_encrypted
from agentless.regex import regex

__all__ = ["extra_layer"]

_OPTION = "`extra_vars`"
_TEMPLATE = regex(r"(\w+)=([^=]*\{[{%].*)", re.DOTALL)


def extra_layer(words: Iterable[str], vault: Vault, warn: Callable[[str], None]) -> Layer:
    """The variables of `VAR=VALUE …`, of a YAML or JSON mapping, or of an `@FILE` of one; the last one counts.

    Raises:
        UsageError: a word is none of them.
        InventoryError: a file cannot be read, or is no mapping.
    """
    layer = Layer()
    for word in words:
        if word.startswith("@"):
            _of_file(layer, Path(word[1:]).expanduser(), vault, warn)
        elif word.lstrip()[:1] in ("{", "["):
            _of_text(layer, word, _OPTION, warn)
        else:
            _of_pairs(layer, word)
    return layer


def _of_pairs(layer: Layer, word: str) -> None:
    # A template may have blanks in it.
    template = _TEMPLATE.fullmatch(word)
    if template is not None:
        layer.put(template[1], template[2], VariablePlace(_OPTION, None))
        return
    try:
        pairs = [pair.partition("=") for pair in shlex.split(word)]
    except ValueError as error:
        raise UsageError(f"{_OPTION} {word!r} cannot be read: {error}") from None
    if not pairs or not all(name and equals for name, equals, _ in pairs):
        raise UsageError(
            f"{_OPTION} {word!r} is no VAR=VALUE", "A file of variables is given with an @: `extra_vars=@vars.yml`."
        )
    for name, _, value in pairs:
        layer.put(name, value, VariablePlace(_OPTION, None))


def _of_file(layer: Layer, path: Path, vault: Vault, warn: Callable[[str], None]) -> None:
    text = text_of(str(path))
    try:
        _of_text(layer, vault.open(text) if is_encrypted(text) else text, str(path), warn)
    except VaultClosed as closed:
        raise InventoryError(f"this file {closed.reason}", closed.hint, file=str(path)) from None


def _of_text(layer: Layer, text: str, file: str, warn: Callable[[str], None]) -> None:
    from agentless.inventory.yaml_document import Document

    try:
        document = Document(text, file, warn)
    except RecursionError:
        raise InventoryError("this is nested too deeply", file=file) from None
    if not isinstance(document.data, dict):
        raise InventoryError("variables are a mapping, name: value", file=file)
    for name, value in document.data.items():
        layer.put(str(name), value, VariablePlace(file, document.line(document.data, name)))
