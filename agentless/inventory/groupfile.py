"""Ansible's YAML inventories, and the JSON that inventory scripts and `ansible-inventory --list` print."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable
from typing import Any

from agentless.errors import InventoryError
from agentless.inventory.address import EMPTY, expand, split_port
from agentless.inventory.group_tree import Tree, VariablePlace
from agentless.inventory.yaml_document import Document, unsafe

__all__ = ["is_listing", "parse", "parse_listing"]

_SECTIONS = ("vars", "children", "hosts")
_brief = reprlib.Repr().repr


def parse(tree: Tree, document: Document) -> None:
    """Groups at the top, each with `hosts`, `vars` and `children`.

    Raises:
        InventoryError: a section that is no mapping, a host or group name that is no text, a loop.
    """
    reader = _GroupFileReader(tree, document)
    for name, content in document.data.items():
        reader.group(document.data, name, content)


class _GroupFileReader:
    def __init__(self, tree: Tree, document: Document) -> None:
        self._tree = tree
        self._document = document

    def group(self, above: dict[Any, Any], name: Any, content: Any) -> None:
        if content is not None and not isinstance(content, dict):
            self._tree.warn(
                f"{self._where(above, name)}: {name!r} is no group and was skipped: it has no hosts, vars or children"
            )
            return
        try:
            group = self._tree.add_group(name)
        except ValueError as error:
            raise self._error(above, name, str(error)) from None
        if content is None:
            return
        for key, section in content.items():
            if key in _SECTIONS and isinstance(section, str):
                if len(re.split(r"[\s,]+", section.strip())) > 1:
                    raise self._error(
                        content,
                        key,
                        f"{key!r} of the group {name!r} is one text, {_brief(section)}: end each entry with a colon",
                    )
                section = {section: None}
            if section is None:
                continue
            if not isinstance(section, dict):
                if key in _SECTIONS:
                    raise self._error(
                        content, key, f"{key!r} of the group {name!r} needs a mapping: end each entry with a colon"
                    )
                self._tree.warn(f"{self._where(content, key)}: {key!r} in the group {name!r} was skipped")
            elif key == "vars":
                self._variables(name, section)
            elif key == "children":
                self._children(group.name, section)
            elif key == "hosts":
                self._hosts(group.name, section)
            else:
                self._tree.warn(
                    f"{self._where(content, key)}: {key!r} in the group {name!r} was skipped: "
                    "only hosts, vars and children are read"
                )

    def _children(self, group: str, section: dict[Any, Any]) -> None:
        for name, content in section.items():
            self.group(section, name, content)
            try:
                self._tree.add_child(group, name)
            except ValueError as error:
                raise self._error(section, name, str(error)) from None

    def _hosts(self, group: str, section: dict[Any, Any]) -> None:
        for pattern, values in section.items():
            if not isinstance(pattern, str):
                raise self._error(section, pattern, f"the host {pattern!r} is no text: put it in quotes")
            name, port = split_port(pattern) or (pattern, None)
            if values and not isinstance(values, dict):
                raise self._error(section, pattern, f"the variables of the host {pattern!r} need a mapping")
            try:
                hosts = expand(name)
                if not hosts:
                    self._tree.warn(f"{self._where(section, pattern)}: {pattern!r} is no host: {EMPTY}")
                for host in hosts:
                    self._tree.add_host(host, group, port)
                    if values:
                        self._variables(host, values)
            except ValueError as error:
                raise self._error(section, pattern, str(error)) from None

    def _variables(self, entity: str, values: dict[Any, Any]) -> None:
        file = self._document.file
        for name, value in values.items():
            key = name if type(name) is str else str(name)
            line = self._document.line(values, name) if key.startswith(("ansible_", "agentless_")) else None
            try:
                self._tree.set_variable(entity, key, value, VariablePlace(file, line))
            except ValueError as error:
                raise self._error(values, name, str(error)) from None

    def _error(self, mapping: dict[Any, Any], key: Any, message: str) -> InventoryError:
        return InventoryError(message, file=self._document.file, line=self._document.line(mapping, key))

    def _where(self, mapping: dict[Any, Any], key: Any) -> str:
        line = self._document.line(mapping, key)
        return f"{self._document.file}:{line}" if line else self._document.file


def is_listing(data: Any) -> bool:
    """Whether `data` has the shape of `--list`: hosts are lists there, and mappings in an inventory file."""
    return isinstance(data, dict) and (
        "_meta" in data
        or any(
            isinstance(group, list) or (isinstance(group, dict) and isinstance(group.get("hosts"), list))
            for group in data.values()
        )
    )


def parse_listing(tree: Tree, data: Any, file: str, ask: Callable[[str], Any] | None) -> None:
    """What an inventory script prints for `--list`.

    Args:
        ask: the answer to `--host NAME`, asked for each host where `_meta` has no `hostvars`.

    Raises:
        InventoryError: the output has another shape.
    """
    if not isinstance(data, dict):
        raise InventoryError("the list of groups is no JSON object", file=file)
    try:
        hosts, hostvars = _groups(tree, data, file)
        for name in hosts:
            values = hostvars.get(name, {}) if hostvars is not None else ask(name) if ask else {}
            for key, value in _object(values, f"the variables of {name!r}").items():
                tree.set_variable(name, str(key), value, VariablePlace(file, None))
    except ValueError as error:
        raise InventoryError(str(error), file=file) from None


def _groups(tree: Tree, data: dict[str, Any], file: str) -> tuple[dict[str, None], dict[str, Any] | None]:
    hosts: dict[str, None] = {}
    hostvars: dict[str, Any] | None = None
    for name, content in data.items():
        if name == "_meta":
            meta = _object(content, "_meta")
            if "hostvars" in meta:
                hostvars = _object(meta["hostvars"], "_meta.hostvars")
            continue
        tree.add_group(name)
        if not isinstance(content, dict):
            content = {"hosts": content}
        elif not content.keys() & set(_SECTIONS):
            # A very old form: the name is both a group and its only host, the rest are the group's variables, in
            # which Ansible trusts no template.
            content = {"hosts": [name], "vars": unsafe(content)}
        for host in _list(content.get("hosts", []), f"the hosts of {name!r}"):
            tree.add_host(host, name)
            hosts[host] = None
        for key, value in _object(content.get("vars", {}), f"the vars of {name!r}").items():
            tree.set_variable(name, str(key), value, VariablePlace(file, None))
        for child in _list(content.get("children", []), f"the children of {name!r}"):
            tree.add_group(child)
            tree.add_child(name, child)
    return hosts, hostvars


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{what} are no list")
    return value


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what}: a JSON object is needed")
    return value
