"""Groups and hosts as a tree, as `ansible-inventory --graph` draws it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from agentless.report.printable import one_line

if TYPE_CHECKING:
    from agentless.inventory import Group

__all__ = ["tree"]

_STEP = "  |"


def tree(groups: Mapping[str, Group], hosts: Collection[str]) -> str:
    """The groups below `all` that hold any of `hosts`, each with its groups first and its own hosts after them."""
    return "".join(one_line(line) + "\n" for line in _group(groups, hosts, "all", 0))


def _group(groups: Mapping[str, Group], hosts: Collection[str], name: str, depth: int) -> Iterator[str]:
    group = groups[name]
    inside = [line for child in group.children for line in _group(groups, hosts, child, depth + 1)]
    inside += [f"{_STEP * (depth + 1)}--{host}" for host in group.hosts if host in hosts]
    if inside or depth == 0:
        yield f"{_STEP * depth}--@{name}:" if depth else f"@{name}:"
        yield from inside
