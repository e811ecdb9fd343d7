"""An inventory: its hosts with their groups and variables, and what a pattern selects of them."""

from __future__ import annotations

import codecs
import gc
import os
import sys
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType

from agentless.config import environment
from agentless.errors import InventoryError, TargetError
from agentless.files import read_file
from agentless.hostlist import fold, parts, shorten
from agentless.inventory import patterns
from agentless.inventory.address import split_port
from agentless.inventory.ansible_cfg import AnsibleSettings
from agentless.inventory.connection import Overrides, resolve
from agentless.inventory.extra import extra_layer
from agentless.inventory.group_tree import LOCALHOST, HostNode, Layer, Tree, VariablePlace
from agentless.inventory.hostvars import HostVars
from agentless.inventory.sources import NeedsAnsibleError, Rules, Scripts, is_host_list, may_run, read
from agentless.inventory.variables import TemplateScope, Variables
from agentless.inventory.varsfiles import VarsFiles
from agentless.inventory.vault import Vault
from agentless.model.endpoint import Endpoint
from agentless.model.job_spec import JobSpec
from agentless.suggest import did_you_mean
from agentless.values import dataclass

__all__ = ["Group", "Host", "Inventory", "load"]

_NAME_ONE = "Name one with `inventory=FILE`, or hosts with `inventory=host1,host2`."

# Unknown names that are warned of one by one, and parts of more of them that are named.
_MOST_WARNINGS = 3
_MOST_PARTS = 8


@dataclass(frozen=True, slots=True, eq=False)
class Host:
    """One host.

    Args:
        groups: every group it is in, directly or not, sorted, without `all`.
        vars: its variables, as JSON values.
    """

    name: str
    groups: tuple[str, ...]
    vars: HostVars


@dataclass(frozen=True, slots=True)
class Group:
    """One group: the hosts and groups directly in it, in the inventory's order."""

    name: str
    hosts: tuple[str, ...]
    children: tuple[str, ...]


class Inventory:
    """Hosts and groups of all sources together; made by `load`."""

    def __init__(
        self,
        tree: Tree,
        files: Sequence[VarsFiles],
        play_files: VarsFiles,
        directory: str,
        extra: Layer,
        sources: Sequence[str],
    ) -> None:
        self._sources = sources
        self._extra = extra
        self._tree = tree
        self._directory = directory
        self._files = files
        self._play_files = play_files
        self._shared: dict[tuple[str, ...], Layer] = {}
        self._members: dict[str, dict[str, object]] = {}
        self._implicit: Host | None = None
        self._read = self._layers  # bound once, for all hosts
        self._hosts = {name: self._host(tree.hosts[name]) for name in self.members("all")}
        self.hosts: Mapping[str, Host] = MappingProxyType(self._hosts)

    @property
    def groups(self) -> Mapping[str, Group]:
        return {
            group.name: Group(group.name, tuple(group.hosts), tuple(group.children))
            for group in self._tree.groups.values()
        }

    def find(self, name: str) -> Host | None:
        """The host of this name, also this machine under a name of its own where the inventory doesn't have it."""
        if name not in self._hosts and self._localhost(name) == name:
            return self._implicit
        return self._hosts.get(name)

    def _named(self, name: str) -> Host:
        host = self.find(name)
        if host is None:
            raise KeyError(name)
        return host

    def members(self, group: str) -> Mapping[str, object]:
        """The hosts in a group and in the groups below it, as keys, in order; KeyError where there is no such group."""
        if group not in self._members:
            hosts: dict[str, object] = {}
            for node in self._tree.groups[group].descendants():
                hosts.update(node.hosts)
            self._members[group] = hosts
        return self._members[group]

    def select(self, pattern: str, limit: str | None = None) -> tuple[Host, ...]:
        """The hosts that a pattern selects, in the order in which Ansible would take them.

        Args:
            pattern: Ansible's, such as `web*:&prod:!web3`.
            limit: a further pattern; its parts may be `@FILE`, a file with one pattern a line.

        Raises:
            TargetError: it cannot be read, it comes to no pattern at all, or nothing matches.
        """
        hosts = self._hosts
        chosen = self.match(pattern, limit)
        if self._implicit is not None and self._implicit.name in chosen:
            hosts = {**hosts, self._implicit.name: self._implicit}
        return tuple([hosts[name] for name in chosen])

    def match(self, pattern: str, limit: str | None = None, beside: Sequence[str] = ()) -> list[str]:
        """The names of what a pattern selects; arguments and errors as of `select`.

        Args:
            beside: hosts that can be selected, too, though the inventory may not name them (any more).
        """
        extra = dict.fromkeys(name for name in beside if name not in self._tree.hosts)

        def members(group: str) -> Mapping[str, object]:
            hosts = self.members(group)
            return {**hosts, **extra} if extra and group == "all" else hosts

        unmatched: dict[str, None] = {}
        names = patterns.Names(
            hosts={**self._tree.hosts, **extra} if extra else self._tree.hosts,
            groups=self._tree.groups,
            members=members,
            implicit=self._localhost,
            unmatched=lambda name: unmatched.update({name: None}),
        )
        selecting = patterns.split(pattern, _is_address)
        patterns.check(selecting, f"the target {pattern!r}")
        limits = None if limit is None else _limit_parts(limit, names.hosts)
        chosen = patterns.select(selecting, names)
        if limits is not None and chosen:
            kept = set(patterns.select(limits, names))
            chosen = [name for name in chosen if name in kept]
        unmatched.pop("all", None)
        known = [*self._tree.groups, *names.hosts]
        # Looking for near names takes a while in large inventories, and a stale retry list has hundreds that are gone.
        hints = {name: did_you_mean(name, known, 3) if at < 3 else "" for at, name in enumerate(unmatched)}
        if not chosen:
            raise TargetError(self._nothing(pattern, limit, list(unmatched)), " ".join(filter(None, hints.values())))
        if len(hints) > _MOST_WARNINGS:
            self._tree.warn(f"{len(hints)} names match no host and no group: {_folded(hints)}")
            return chosen
        for name, hint in hints.items():
            # The others are narrowed by what they name; this one leaves in whom it should leave out.
            left_in = f", so !{name} leaves nobody out" if f"!{name}" in (*selecting, *(limits or ())) else ""
            self._tree.warn(f"{name!r} matches no host and no group{left_in}. {hint}".rstrip())
        return chosen

    def _nothing(self, pattern: str, limit: str | None, unmatched: list[str]) -> str:
        if not self.hosts:
            return f"{pattern!r} matches nothing: the inventory has no hosts ({', '.join(self._sources)})"
        if unmatched:
            return f"no host or group is called {_folded(unmatched)}"
        return f"{pattern!r}" + (f" limited to {limit!r}" if limit else "") + " matches no host"

    def _localhost(self, name: str) -> str | None:
        """Ansible's implicit localhost: this machine, where the inventory doesn't have it."""
        if name not in LOCALHOST:
            return None
        if self._tree.localhost is not None:
            return self._tree.localhost.name
        if self._implicit is None:
            node = HostNode(name, None)
            place = VariablePlace("implicit localhost", None)
            node.own.put("ansible_python_interpreter", sys.executable, place)
            node.own.put("ansible_connection", "local", place)
            self._implicit = self._host(node)
        return self._implicit.name

    def _host(self, node: HostNode) -> Host:
        groups = tuple(sorted(group.name for group in self._tree.lineage(node)))
        return Host(node.name, groups, HostVars(node, self._read))

    def endpoint(self, host: Host, overrides: Overrides) -> Endpoint:
        """How to reach a host: its `ansible_*` variables, and `overrides` where they say nothing.

        Raises:
            InventoryError: a variable that is needed and cannot be used, with its file and line.
        """
        return resolve(Variables(host.vars, self._surroundings), overrides, self._tree.warn)

    def rendered(self, host: Host, spec: JobSpec, *, hides: bool = False) -> JobSpec:
        """A job of templates as a host gets it.

        Args:
            hides: as it may be shown: with `********` in place of each secret.

        Raises:
            InventoryError: it cannot be rendered for this host.
        """
        from agentless.inventory.job_templates import rendered

        return rendered(spec, Variables(host.vars, self._surroundings, hides=hides))

    @cached_property
    def _surroundings(self) -> TemplateScope:
        return TemplateScope(
            vault=self._tree.vault,
            extra=self._extra,
            environ=environment(),
            directory=self._directory,
            groups=lambda: {name: list(self.members(name)) for name in self._tree.groups},
            variables=lambda name: self._named(name).vars,
            group_names=lambda name: [group for group in self._named(name).groups if group != "all"],
        )

    def _layers(self, node: HostNode) -> tuple[Layer, Layer]:
        """The variables of a host's groups, weakest first, and its own: Ansible's VARIABLE_PRECEDENCE."""
        groups = self._tree.lineage(node)
        names = tuple(group.name for group in groups)
        if names not in self._shared:
            shared = Layer(merges=self._tree.merges)
            shared.update(self._tree.groups["all"].own)
            for group in groups:
                shared.update(group.own)
            for folder in (*self._files, self._play_files):
                self._add(shared, folder, "group_vars", "all")
            for folder in self._files:
                for name in names:
                    self._add(shared, folder, "group_vars", name)
            for name in names:
                self._add(shared, self._play_files, "group_vars", name)
            # Only now: what a broken file has kept from being whole is nobody's.
            self._shared[names] = shared
        own = Layer(merges=self._tree.merges)
        for folder in (*self._files, self._play_files):
            self._add(own, folder, "host_vars", node.name)
        if self._tree.merges:
            return Layer(), self._together(self._shared[names], node.own, own)
        if not own.values and not own.closed:
            return self._shared[names], node.own
        return self._shared[names], self._together(node.own, own)

    def _together(self, *layers: Layer) -> Layer:
        together = Layer(merges=self._tree.merges)
        for layer in layers:
            together.update(layer)
        return together

    @staticmethod
    def _add(layer: Layer, files: VarsFiles, folder: str, name: str) -> None:
        variables = files.layer(folder, name)
        if variables is not None:
            layer.update(variables)


def load(
    sources: Sequence[str],
    *,
    directory: str | None = None,
    warn: Callable[[str], None] | None = None,
    scripts: Scripts = Scripts.RUN,
    vault: Vault | None = None,
    extra_vars: Sequence[str] = (),
    ansible: AnsibleSettings | None = None,
) -> Inventory:
    """Read inventories, the later ones added to the earlier ones.

    Args:
        sources: files, directories, executables, or hosts with commas, as Ansible's `-i`.
        directory: whose `group_vars/` and `host_vars/` count too, as a playbook's would; the working directory if None.
        warn: told each warning once, now and later, as it comes up.
        vault: opens what Ansible Vault encrypts; None opens nothing.
        extra_vars: `VAR=VALUE`, a mapping in YAML or JSON, or `@FILE`, above the variables of all sources.
        ansible: Ansible's own settings, as far as they say how inventories are read; None has its defaults.

    Raises:
        InventoryError: a source that is missing or wrong.
    """
    ansible = ansible or AnsibleSettings()
    merges = ansible.hash_behaviour == "merge"
    tree = Tree(warn, vault, merges=merges)
    directory = directory or ansible.playbook_dir or os.getcwd()
    rules = Rules.of(scripts, ansible)
    collecting = gc.isenabled()
    # Nothing here is garbage while it is built, and looking for some doubles the time of a large inventory.
    gc.disable()
    try:
        if not sources:
            raise InventoryError("no inventory is named", _NAME_ONE)
        if not all(source.strip() for source in sources):
            raise InventoryError("the name of an inventory is empty", f"Is a variable empty there? {_NAME_ONE}")
        sources = [source if "," in source else os.path.abspath(os.path.expanduser(source)) for source in sources]
        try:
            for source in sources:
                read(tree, source, rules)
        except NeedsAnsibleError:
            from shutil import which

            program = which("ansible-inventory", path=environment().get("PATH"))
            if program is None or not all(may_run(source, scripts) for source in sources):
                raise
            from agentless.inventory.script import parse_by_ansible

            tree = Tree(warn, vault, merges=merges)
            parse_by_ansible(tree, program, sources, directory, tree.vault.words)
        files = [
            VarsFiles(source if os.path.isdir(source) else os.path.dirname(source), tree.warn, tree.vault, merges)
            for source in sources
            if not is_host_list(source)
        ]
        try:
            tree.reconcile()
        except ValueError as error:
            raise InventoryError(str(error)) from None
        extra = extra_layer(extra_vars, tree.vault, tree.warn)
        play_files = VarsFiles(directory, tree.warn, tree.vault, merges)
        return Inventory(tree, files, play_files, directory, extra, tuple(sources))
    finally:
        if collecting:
            gc.enable()


def _folded(names: Iterable[str]) -> str:
    """Names that are unknown, in one line: a slip in `web[1-4]` shall not scroll all else away."""
    return shorten(parts(fold(names)), _MOST_PARTS)


def _is_address(text: str) -> bool:
    return split_port(text) is not None


def _limit_parts(limit: str, hosts: Container[str]) -> list[str]:
    limiting: list[str] = []
    for part in patterns.split(limit, _is_address):
        limiting.extend([part] if part[0] != "@" or part in hosts else _limit_file(part[1:]))
    patterns.check(limiting, f"the limit {limit!r}")
    return limiting


def _limit_file(path: str) -> list[str]:
    """The patterns of an `@FILE`, one a line."""
    try:
        data = read_file(path, 64)
    except OSError as error:
        raise TargetError(f"the limit file {path!r} cannot be read: {error.strerror}") from None
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise TargetError(f"the limit file {path!r} is no UTF-8, but UTF-16", "Convert it with iconv.")
    lines = [line.strip() for line in data.decode("utf-8-sig", "surrogateescape").splitlines()]
    lines = [line for line in lines if line]
    if not lines:
        # Ansible would take all hosts, which is the last thing that an empty retry list means.
        raise TargetError(f"the limit file {path!r} names no host")
    return lines
