"""Groups and hosts as the sources of an inventory add them up, by Ansible's rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import field
from typing import Any, NamedTuple

from agentless.inventory.vault import Vault, VaultClosed
from agentless.values import dataclass

__all__ = ["LOCALHOST", "GroupNode", "HostNode", "Layer", "Sealed", "Tree", "VariablePlace"]

LOCALHOST = ("127.0.0.1", "localhost", "::1")


class VariablePlace(NamedTuple):
    """Where a variable was written; no line where the source has none (JSON, the output of a script)."""

    file: str
    line: int | None


@dataclass(frozen=True, slots=True, repr=False)
class Sealed:
    """A value of a file that Ansible Vault encrypts: it connects and fills templates, and no verb shows it."""

    value: Any


def merged(weak: Any, strong: Any) -> Any:
    """Two values of one variable: mappings are merged at every depth, of all else the strong one counts."""
    if isinstance(weak, Sealed) or isinstance(strong, Sealed):
        weak = weak.value if isinstance(weak, Sealed) else weak
        return Sealed(merged(weak, strong.value if isinstance(strong, Sealed) else strong))
    if not isinstance(weak, dict) or not isinstance(strong, dict):
        return strong
    return {**weak, **{key: merged(weak.get(key), value) for key, value in strong.items()}}


@dataclass(slots=True)
class Layer:
    """Variables of one origin. `places` knows those that may matter to a connection."""

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[str, VariablePlace] = field(default_factory=dict)
    closed: dict[str, VaultClosed] = field(default_factory=dict)
    """Files of this origin that Ansible Vault encrypts whole and that could not be opened: what they set is unknown."""

    merges: bool = False
    """Mappings of several origins are merged, as with Ansible's `hash_behaviour = merge`."""

    def put(self, name: str, value: Any, place: VariablePlace) -> None:
        self.values[name] = merged(self.values.get(name), value) if self.merges else value
        if name.startswith(("ansible_", "agentless_")):
            self.places[name] = place

    def update(self, other: Layer) -> None:
        if self.merges:
            for name, value in other.values.items():
                self.values[name] = merged(self.values.get(name), value)
        else:
            self.values.update(other.values)
        self.places.update(other.places)
        self.closed.update(other.closed)


@dataclass(slots=True, eq=False)
class GroupNode:
    name: str
    hosts: dict[str, HostNode] = field(default_factory=dict)
    children: dict[str, GroupNode] = field(default_factory=dict)
    parents: dict[str, GroupNode] = field(default_factory=dict)
    own: Layer = field(default_factory=Layer)
    priority: int = 1
    depth: int = 0

    def ancestors(self) -> dict[str, GroupNode]:
        ancestors: dict[str, GroupNode] = {}
        waiting = list(self.parents.values())
        while waiting:
            group = waiting.pop()
            if group.name not in ancestors:
                ancestors[group.name] = group
                waiting.extend(group.parents.values())
        return ancestors

    def descendants(self) -> Iterable[GroupNode]:
        """This group and those below, level by level, each in the order written.

        Ansible's own order below the second level is that of a set of objects and differs between its runs; this is
        the one of its possible orders that stays the same.
        """
        seen = {self.name}
        level = [self]
        while level:
            yield from level
            following = []
            for group in level:
                for name, child in group.children.items():
                    if name not in seen:
                        seen.add(name)
                        following.append(child)
            level = following


@dataclass(slots=True, eq=False)
class HostNode:
    name: str
    source: str | None
    groups: list[GroupNode] = field(default_factory=list)
    own: Layer = field(default_factory=Layer)
    left_ungrouped: bool = False
    """It was in `ungrouped` and in another group; Ansible then forgets `ungrouped` even as a group above the other."""


def _check_encoding(name: str) -> None:
    """A name goes to hosts, into files and to a terminal, none of which would take half a character."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ValueError(f"the name {name!r} is no UTF-8") from None


class Tree:
    """What the sources have said so far; every rule broken is a ValueError with a sentence.

    Args:
        tell: told each warning once.
    """

    def __init__(
        self, tell: Callable[[str], None] | None = None, vault: Vault | None = None, *, merges: bool = False
    ) -> None:
        self._tell = tell
        self.merges = merges
        self.vault = vault or Vault([], lambda prompt: None)
        # Whether the source that is being read was encrypted.
        self.sealed = False
        self.groups: dict[str, GroupNode] = {}
        self.hosts: dict[str, HostNode] = {}
        self.localhost: HostNode | None = None
        self.source: str | None = None
        self.warnings: dict[str, None] = {}
        self._lineages: dict[tuple[bool | str, ...], tuple[GroupNode, ...]] = {}
        self.add_group("all")
        self.add_group("ungrouped")
        self.add_child("all", "ungrouped")

    def warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings[text] = None
            if self._tell is not None:
                self._tell(text)

    def add_group(self, name: object) -> GroupNode:
        if not name or not isinstance(name, str):
            raise ValueError(f"{name!r} is no group name: quote it")
        group = self.groups.get(name)
        if group is None:
            _check_encoding(name)
            group = self.groups[name] = GroupNode(name, own=Layer(merges=self.merges))
        return group

    def add_host(self, name: str, group: str | None = None, port: int | None = None) -> HostNode:
        """A host, in a group. The port counts only where the host is new: that is Ansible's rule."""
        if not name or not isinstance(name, str):
            raise ValueError(f"{name!r} is no host name: quote it")
        host = self.hosts.get(name)
        if host is None:
            _check_encoding(name)
            host = self.hosts[name] = HostNode(name, self.source, own=Layer(merges=self.merges))
            if port:
                host.own.put("ansible_port", port, VariablePlace(self.source or name, None))
            if name in LOCALHOST and self.localhost is None:
                self.localhost = host
        if group is not None:
            self._join(self.groups[group], host)
        return host

    def _join(self, group: GroupNode, host: HostNode) -> None:
        if host.name not in group.hosts:
            group.hosts[host.name] = host
            host.groups.append(group)

    def set_variable(self, entity: str, name: str, value: Any, place: VariablePlace) -> None:
        """A variable of a group, or else of a host: where both have the name, Ansible gives it to the group."""
        group = self.groups.get(entity)
        if group is None:
            self.hosts[entity].own.put(name, Sealed(value) if self.sealed else value, place)
        elif name == "ansible_group_priority":
            try:
                group.priority = int(value)
            except (TypeError, ValueError, OverflowError):
                raise ValueError(f"ansible_group_priority of {entity!r} is no number: {value!r}") from None
        else:
            group.own.put(name, Sealed(value) if self.sealed else value, place)

    def add_child(self, parent: str, name: str) -> None:
        group = self.groups[parent]
        child = self.groups.get(name)
        if child is None:
            if name not in self.hosts:
                raise ValueError(f"{name!r} is neither a group nor a host")
            self._join(group, self.hosts[name])
            return
        if name == "all" or child is group or name in group.ancestors():
            raise ValueError(f"group {name!r} as a child of {parent!r} closes a loop")
        group.children[name] = child
        child.parents[parent] = group

    def reconcile(self) -> None:
        """What Ansible does when every source is read: all groups under `all`, lonely hosts in `ungrouped`, depths.

        Raises:
            ValueError: groups that close a loop.
        """
        everything, ungrouped = self.groups["all"], self.groups["ungrouped"]
        for group in list(self.groups.values()):
            if group is not everything and not group.parents:
                self.add_child("all", group.name)
        lineages: dict[str, set[str]] = {}
        for host in self.hosts.values():
            names: set[str] = set()
            for group in host.groups:
                lineage = lineages.get(group.name)
                if lineage is None:
                    lineage = lineages[group.name] = {group.name, *group.ancestors()}
                names |= lineage
            if "ungrouped" in names:
                if names - {"all", "ungrouped"} and host.name in ungrouped.hosts:
                    del ungrouped.hosts[host.name]
                    host.groups.remove(ungrouped)
                    host.left_ungrouped = True
            elif names <= {"all"}:
                self._join(ungrouped, host)
        for name in sorted(self.groups.keys() & self.hosts.keys()):
            self.warn(f"{name!r} is both a group and a host: as a target it is the host")
        self._measure_depths()

    def _measure_depths(self) -> None:
        """The longest way down from `all`: deeper groups override shallower ones."""
        open_parents = {name: len(group.parents) for name, group in self.groups.items()}
        waiting = [group for group in self.groups.values() if not group.parents]
        while waiting:
            group = waiting.pop()
            for child in group.children.values():
                child.depth = max(child.depth, group.depth + 1)
                open_parents[child.name] -= 1
                if not open_parents[child.name]:
                    waiting.append(child)

    def lineage(self, host: HostNode) -> tuple[GroupNode, ...]:
        """All groups of a host but `all`, weakest first: by depth, priority and name. For when all is read."""
        direct: tuple[bool | str, ...] = (host.left_ungrouped, *(group.name for group in host.groups))
        if direct not in self._lineages:
            self._lineages[direct] = self._lineage(host)
        return self._lineages[direct]

    def _lineage(self, host: HostNode) -> tuple[GroupNode, ...]:
        groups: dict[str, GroupNode] = {}
        for group in host.groups:
            if group.name not in groups:
                groups[group.name] = group
                groups.update(group.ancestors())
        groups.pop("all", None)
        if host.left_ungrouped:
            groups.pop("ungrouped", None)
        return tuple(sorted(groups.values(), key=lambda group: (group.depth, group.priority, group.name)))
