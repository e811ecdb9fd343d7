"""Target patterns: `web*:&prod:!web3`, `~regex`, `group[0:2]`, `all`; Ansible's algebra on plain names.

The rules are those of Ansible's "Patterns: targeting hosts and groups" page, down to what a subscript counts.
"""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from agentless.errors import TargetError

__all__ = ["Names", "near", "select", "split"]

_SUBSCRIPT = re.compile(r"(.+)\[(?:(-?[0-9]+)|([0-9]+)[:-]([0-9]*))\]")
_PIECE = re.compile(r"(?:[^\s:\[\]]|\[[^\]]*\])+")
_WILD = frozenset(".?*[")


@dataclass(frozen=True, slots=True)
class Names:
    """What patterns choose from.

    Args:
        hosts: every host name, in the inventory's order.
        groups: every group name, in the inventory's order.
        members: the hosts of a group and of those below it, in order.
        implicit: gives the host that stands for a name of this machine where no host has it, or None.
        unmatched: told of each name that matches nothing.
    """

    hosts: Mapping[str, object]
    groups: Iterable[str]
    members: Callable[[str], Sequence[str]]
    implicit: Callable[[str], str | None]
    unmatched: Callable[[str], None]


def split(pattern: str, is_address: Callable[[str], bool]) -> list[str]:
    """The parts of a pattern: at commas where there are any, else at colons outside brackets.

    A pattern without commas that is itself an address (`2001:db8::1`, `web[1:3]`) stays whole.
    """
    if "," in pattern:
        parts = pattern.split(",")
    elif is_address(pattern):
        parts = [pattern]
    else:
        parts = _PIECE.findall(pattern)
    return [part.strip() for part in parts if part.strip()]


def select(parts: Sequence[str], names: Names) -> list[str]:
    """The hosts that the parts choose together: united first, then `&` intersected, then `!` removed, whatever their order.

    Raises:
        TargetError: a regular expression or a subscript that cannot be used.
    """
    parts = [part for part in parts if part]
    united = [part for part in parts if part[0] not in "&!"] or ["all"]
    chosen: dict[str, None] = {}
    for part in united:
        chosen.update(dict.fromkeys([part] if part in names.hosts else _match(part, names)))
    for part in (part for part in parts if part[0] == "&"):
        # A host may be called so; as in Ansible it then joins.
        if part in names.hosts:
            chosen[part] = None
            continue
        kept = set(_match(part[1:], names))
        chosen = {name: None for name in chosen if name in kept}
    for part in (part for part in parts if part[0] == "!"):
        if part in names.hosts:
            chosen[part] = None
            continue
        dropped = set(_match(part[1:], names))
        chosen = {name: None for name in chosen if name not in dropped}
    return list(chosen)


def _match(part: str, names: Names) -> list[str]:
    expression, first, last = part, None, None
    if part[:1] != "~" and (subscript := _SUBSCRIPT.fullmatch(part)):
        expression = subscript[1]
        first = int(subscript[2] or subscript[3])
        if subscript[2] is None:
            last = int(subscript[4]) if subscript[4] else -1
    found = _enumerate(expression, names)
    if first is None or not found:
        return found
    if last:
        # Duplicates count here: a host found by its group and by its own name has two places.
        return found[first:] if last == -1 else found[first : last + 1]
    try:
        return [found[first]]
    except IndexError:
        raise TargetError(
            f"{part!r} asks for number {first}, and {expression!r} has {len(found)} hosts", "Numbers count from 0."
        ) from None


def _enumerate(expression: str, names: Names) -> list[str]:
    """Hosts of the groups that match, then matching hosts where no group did or wildcards may mean both."""
    try:
        matches = re.compile(expression[1:] if expression[:1] == "~" else fnmatch.translate(expression)).match
    except re.error as error:
        raise TargetError(f"{expression!r} is no regular expression: {error}", "Check it with: agentless hosts") from None
    groups = [name for name in names.groups if matches(name)]
    found: list[str] = []
    for name in groups:
        found.extend(names.members(name))
    if not groups or expression[:1] == "~" or not _WILD.isdisjoint(expression):
        found.extend(name for name in names.hosts if matches(name))
    if not found and (implicit := names.implicit(expression)) is not None:
        found.append(implicit)
    if not found and not groups:
        names.unmatched(expression)
    return found


def near(wrong: str, known: Iterable[str]) -> str:
    """`Did you mean web1 or web2?`, or nothing where no known name is near."""
    found = difflib.get_close_matches(wrong, known, n=3, cutoff=0.7)
    return f"Did you mean {' or '.join(found)}?" if found else ""
