"""What `-i` names: files, directories, scripts and lists of hosts, each read as what it is."""

from __future__ import annotations

import enum
import os
import re
import stat

from agentless.errors import ConfigError, InventoryError
from agentless.inventory.address import split_port
from agentless.inventory.ansible_cfg import AnsibleSettings
from agentless.inventory.group_tree import Tree
from agentless.inventory.varsfiles import text_of
from agentless.inventory.vault import VaultClosed, is_encrypted
from agentless.values import dataclass

__all__ = ["NeedsAnsibleError", "Rules", "Scripts", "is_host_list", "may_run", "read"]

# Ansible's INVENTORY_IGNORE_EXTS, what it always leaves out of a directory, and what enables scripts.
_IGNORED_ENDINGS = (".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry")
_IGNORED_ALWAYS = r"^\.|^host_vars$|^group_vars$|^vars_plugins$"
_SCRIPT_PLUGINS = frozenset({"script", "ansible.builtin.script", "ansible.legacy.script"})
_YAML_SUFFIXES = frozenset({"", ".yml", ".yaml", ".json"})
_SUFFIXES = _YAML_SUFFIXES | {".ini"}
_EXPORT = "Ansible can turn it into something to read here: ansible-inventory -i {0} --list > inventory.json"


class Scripts(enum.Enum):
    """Whether executable inventories are run."""

    RUN = "run"
    IF_ONLY_OURS = "if only ours"
    """Not where others can write them, or their directory: nobody has named them, they only lie there."""
    NONE = "none"
    """What is executable is read like any other file: Ansible's plugin for scripts is not enabled."""
    NEVER = "never"
    """Left out."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How sources are read.

    Args:
        ignored: what is left out of a directory: found by this in a file's name.
    """

    scripts: Scripts
    ignored: re.Pattern[str]

    @classmethod
    def of(cls, scripts: Scripts, ansible: AnsibleSettings) -> Rules:
        """The rules by Ansible's own settings.

        Raises:
            ConfigError: one of the patterns of what to leave out is no regular expression.
        """
        if ansible.enable_plugins is not None and _SCRIPT_PLUGINS.isdisjoint(ansible.enable_plugins):
            scripts = Scripts.NONE
        endings = _IGNORED_ENDINGS if ansible.ignored_extensions is None else ansible.ignored_extensions
        ignored = [_IGNORED_ALWAYS, *(ansible.ignored_patterns or ()), *(re.escape(end) + "$" for end in endings)]
        try:
            return cls(scripts, re.compile("|".join(ignored)))
        except re.error as error:
            message = f"inventory_ignore_patterns holds what is no regular expression: {error}"
            raise ConfigError(message, file=ansible.file or "") from None


def is_host_list(source: str) -> bool:
    return "," in source and not os.path.exists(source)


def read(tree: Tree, source: str, rules: Rules) -> None:
    """Add one source to the tree.

    Raises:
        InventoryError: it is not there, or cannot be read, or is of a kind that only Ansible's plugins read.
    """
    if is_host_list(source):
        tree.source = source
        try:
            _read_host_list(tree, source)
        except ValueError as error:
            raise InventoryError(f"-i {source!r}: {error}") from None
    elif os.path.exists(source):
        try:
            _read_path(tree, source, rules)
        except RecursionError:
            raise InventoryError("this is nested too deeply", file=tree.source or source) from None
    else:
        raise InventoryError(
            f"there is no inventory {source}",
            "Name a file, a directory, or hosts with a comma: `inventory=web1,web2` (one host: `inventory=web1,`).",
        )


def _read_path(tree: Tree, path: str, rules: Rules) -> None:
    if os.path.isdir(path):
        _read_directory(tree, path, rules)
    else:
        tree.source = path
        _read_file(tree, path, rules)


def _read_host_list(tree: Tree, source: str) -> None:
    if not source.strip(", \t\r\n"):
        raise ValueError("this names no host; is a variable empty there?")
    for text in source.split(","):
        if text := text.strip():
            name, port = split_port(text) or (text, None)
            if "[" in name:
                name, port = text, None
            if name not in tree.hosts:
                tree.add_host(name, "ungrouped", port)


def _read_directory(tree: Tree, source: str, rules: Rules) -> None:
    for name in sorted(os.listdir(source)):
        if rules.ignored.search(name):
            continue
        try:
            _read_path(tree, os.path.join(source, name), rules)
        except NeedsAnsibleError:
            raise
        except InventoryError as error:
            # As Ansible: the others are served.
            tree.warn(f"{error.message}; it was left out")


class NeedsAnsibleError(InventoryError):
    """A source that only a plugin of Ansible's reads; to run it is as to run a script."""


class _NoInventoryError(InventoryError):
    """A well-formed file that holds no inventory: among the files of a directory no reason to stop."""


def _read_file(tree: Tree, path: str, rules: Rules) -> None:
    refusal: InventoryError | None = None
    if rules.scripts is not Scripts.NONE and os.access(path, os.X_OK):
        refusal = _not_run(path, rules.scripts)
        if refusal is None:
            # Imported where needed: subprocess and YAML cost more than the rest of a small command.
            from agentless.inventory import script

            try:
                if script.parse(tree, path):
                    return
            except InventoryError as error:
                refusal = error
        if refusal is not None and _is_script(path):
            _refuse(refusal)
            return
    # A plain file with an x bit, as shared folders give every file, is read as what it is.
    try:
        text = text_of(path)
        tree.sealed = is_encrypted(text)
        _read_text(tree, path, tree.vault.open(text) if tree.sealed else text)
    except VaultClosed as closed:
        raise InventoryError(f"the inventory {closed.reason}", closed.hint, file=path) from None
    except InventoryError:
        if refusal is None:
            raise
        _refuse(refusal)
    finally:
        tree.sealed = False


def _refuse(error: InventoryError) -> None:
    if not isinstance(error, _LeftOutError):
        raise error from None


def may_run(path: str, scripts: Scripts) -> bool:
    """Whether a source that runs something, or has Ansible run it, is to be read."""
    return _not_run(path, scripts) is None


def _not_run(path: str, scripts: Scripts) -> InventoryError | None:
    """Why an executable is not to be run; None where it is."""
    if scripts is Scripts.NEVER:
        return _LeftOutError("this is executable, and is not run here", file=path)
    if scripts is Scripts.IF_ONLY_OURS and (place := _writable_by_others(path)):
        return InventoryError(
            f"this is executable, and is not run, since others can write {place} and nobody named it",
            f"To have it run, name it: `inventory={path}`",
            file=path,
        )
    return None


class _LeftOutError(InventoryError):
    """An executable that was left out."""


def _is_script(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return False


def _writable_by_others(path: str) -> str:
    """The file or the directory that somebody else could have changed; empty where nobody could."""
    path = os.path.realpath(path)
    for place in (path, os.path.dirname(path)):
        status = os.stat(place)
        if status.st_uid not in (0, os.geteuid()) or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return place
    return ""


def _read_text(tree: Tree, path: str, text: str) -> None:
    suffix = os.path.splitext(path)[1]
    if suffix == ".toml":
        raise NeedsAnsibleError("TOML inventories are not read here", _EXPORT.format(path), file=path)
    problem = _read_yaml(tree, text, path) if suffix in _YAML_SUFFIXES else None
    if suffix in _YAML_SUFFIXES and problem is None:
        return
    from agentless.inventory import ini

    try:
        ini.parse(tree, text, path)
    except InventoryError as error:
        if problem is not None and not _looks_like_ini(text):
            raise problem from None
        if suffix in _SUFFIXES:
            raise
        raise _NoInventoryError(error.message) from None


def _read_yaml(tree: Tree, text: str, path: str) -> InventoryError | None:
    """None when it is read; else why the text is no mapping of groups, for it may still be INI."""
    from agentless.inventory import groupfile
    from agentless.inventory.yaml_document import Document

    try:
        document = Document(text, path, tree.warn)
    except InventoryError as error:
        return error
    data = document.data
    if not data:
        return None
    if not isinstance(data, dict):
        return _NoInventoryError("an inventory is a mapping of groups, and this is none", file=path)
    if data.get("plugin"):
        raise NeedsAnsibleError(
            f"this configures Ansible's inventory plugin {data['plugin']!r}, which only Ansible runs",
            _EXPORT.format(path),
            file=path,
            line=document.line(data, "plugin"),
        )
    if groupfile.is_listing(data) and path.endswith(".json"):
        groupfile.parse_listing(tree, data, path, None)
    else:
        groupfile.parse(tree, document)
    return None


def _looks_like_ini(text: str) -> bool:
    """Whether the first line that says something is a section or a host, and not a YAML key."""
    for line in text.splitlines():
        line = line.strip()
        if line and line[0] not in "#;":
            return line[0] == "[" or not re.search(r"^(---|[{%-])|:(\s|$)", line)
    return False
