"""Target patterns: `web*:&prod:!web3`, `~regex`, `group[0:2]`, `all`; Ansible's algebra on plain names.

The rules are those of Ansible's "Patterns: targeting hosts and groups" page, down to what a subscript counts.

Folded names are ours: `web[1-40,43]` is what results are shown under, and can be given back. Ansible once read
`web[1-40]` as places of a group, warns of it ("which has been removed"), and takes `web[1:40]` for that, as we do.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace

from agentless import hostlist
from agentless.errors import TargetError
from agentless.regex import regex
from agentless.values import dataclass

__all__ = ["Names", "check", "select", "split"]

_SUBSCRIPT = regex(r"(.+)\[(?:(-?[0-9]+)|([0-9]+)[:-]([0-9]*))\]")
_PIECE = regex(r"(?:[^\s:\[\]]|\[[^\]]*\])+")
_GLOB = frozenset("?*[")
# Python reads no number of more than 4,300 digits, and no inventory has hosts of this many.
_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Names:
    """What patterns choose from.

    Args:
        hosts: every host name, in the order in which the inventory names them.
        groups: every group name, in the inventory's order.
        members: the hosts of a group and of those below it, as keys, in order.
        implicit: gives the host that stands for a name of this machine where no host has it, or None.
        unmatched: told of each name that matches nothing.
    """

    hosts: Mapping[str, object]
    groups: Mapping[str, object]
    members: Callable[[str], Mapping[str, object]]
    implicit: Callable[[str], str | None]
    unmatched: Callable[[str], None]


def split(pattern: str, is_address: Callable[[str], bool]) -> list[str]:
    """The parts of a pattern: at commas where there are any, else at colons outside brackets.

    A pattern without commas that is itself an address (`2001:db8::1`, `web[1:3]`) stays whole, and so do folded names.
    """
    parts = hostlist.parts(pattern)
    if len(parts) == 1:
        parts = [pattern] if is_address(pattern) else _PIECE.findall(pattern)
    return [part.strip() for part in parts if part.strip()]


def check(parts: Sequence[str], what: str) -> None:
    """Refuse what comes to no pattern at all: an unset variable of a script shall never select everybody.

    Args:
        what: what the error calls the pattern.

    Raises:
        TargetError: there is no part, or one is an operator with nothing behind it.
    """
    if not parts:
        raise TargetError(f"{what} names no host and no group", "Write all where you mean all hosts.")
    for part in parts:
        if not part.strip("!&~ "):
            raise TargetError(f"{what} has {part!r} with no pattern behind it", "Is a variable empty there?")
        if part[0] in "!&" and part[1] == "@":
            raise TargetError(
                f"{what} has {part!r}: a file or a retry list can only be added", "Give it as the limit: `limit=@FILE`."
            )


def select(parts: Sequence[str], names: Names) -> list[str]:
    """The hosts that the parts choose together: united first, then `&` intersected, then `!` removed.

    Raises:
        TargetError: a regular expression or a subscript that cannot be used.
    """
    parts = [part for part in parts if part]
    # A host whose own name starts with & or ! joins by it, as in Ansible.
    plain = [part for part in parts if part[0] in "&!" and part in names.hosts]
    kept = [_match(part[1:], names) for part in parts if part[0] == "&" and part not in plain]
    dropped = [_match(part[1:], names) for part in parts if part[0] == "!" and part not in plain]
    chosen: list[str] = []
    for part in [part for part in parts if part[0] not in "&!"] or ["all"]:
        chosen.extend([part] if part in names.hosts else _match(part, names))
    if kept or dropped:
        # One pass for all of them: on large inventories each costs as much as reading the names from memory.
        without: frozenset[str] = frozenset().union(*dropped)
        within = _common(kept)
        chosen = [name for name in chosen if name not in without and (within is None or name in within)]
    return list(dict.fromkeys([*chosen, *plain]))


def _common(selections: Sequence[Sequence[str] | Mapping[str, object]]) -> Container[str] | None:
    if not selections:
        return None
    if len(selections) == 1 and isinstance(selections[0], Mapping):
        return selections[0]
    return frozenset(selections[0]).intersection(*selections[1:])


def _match(part: str, names: Names) -> Sequence[str] | Mapping[str, object]:
    """The hosts of one part; a mapping where they are the members of one group."""
    folded = () if part[:1] == "~" else hostlist.unfold(part)
    return _match_folded(part, folded, names) if folded else _match_pattern(part, names)


def _match_folded(part: str, folded: Sequence[str], names: Names) -> Sequence[str] | Mapping[str, object]:
    """The hosts of `web[1-40]`: of these names, unless only Ansible's older reading makes sense of it.

    Raises:
        TargetError: some of the names are hosts, some are not, and the older reading means others.
    """
    hosts = [name for name in folded if name in names.hosts]
    if len(hosts) == len(folded):
        return hosts
    other = [] if "," in part else _match_pattern(part, replace(names, unmatched=lambda name: None))
    if other and not hosts:
        return other
    if other and set(other) != set(hosts):
        missing = next(name for name in folded if name not in names.hosts)
        raise TargetError(
            f"{part!r} may be host names, of which {missing} is none, or what Ansible takes it for",
            f"{hostlist.fold(hosts)} are the hosts of these names; places of a group are written with a colon, [0:4].",
        )
    for name in folded:
        if name not in names.hosts and not other:
            names.unmatched(name)
    return hosts


def _match_pattern(part: str, names: Names) -> Sequence[str] | Mapping[str, object]:
    expression, first, last = part, None, None
    if part[:1] != "~" and (subscript := _SUBSCRIPT.fullmatch(part)):
        expression = subscript[1]
        if any(len(number or "") > _DIGITS for number in subscript.groups()[1:]):
            raise TargetError(f"{part!r:.80} asks for a number of that size", "Numbers count from 0.")
        first = int(subscript[2] or subscript[3])
        if subscript[2] is None:
            last = int(subscript[4]) if subscript[4] else -1
    matched = _enumerate(expression, names)
    if first is None or not matched:
        return matched
    hosts = list(matched)
    if last:
        # Duplicates count here: a host found by its group and by its own name has two places.
        return hosts[first:] if last == -1 else hosts[first : last + 1]
    try:
        return [hosts[first]]
    except IndexError:
        raise TargetError(
            f"{part!r} asks for number {first}, and {expression!r} has {len(hosts)} hosts", "Numbers count from 0."
        ) from None


def _enumerate(expression: str, names: Names) -> Sequence[str] | Mapping[str, object]:
    """Hosts of the groups that match, then matching hosts where no group did or wildcards may mean both."""
    if expression[:1] != "~" and _GLOB.isdisjoint(expression):
        if expression in names.groups and "." not in expression:
            return names.members(expression)
        groups = [expression] if expression in names.groups else []
        hosts = [expression] if expression in names.hosts else []
    else:
        matches = _matcher(expression)
        groups = [name for name in names.groups if matches(name)]
        hosts = [name for name in names.hosts if matches(name)]
    selected = [host for name in groups for host in names.members(name)] + hosts
    if not selected and (implicit := names.implicit(expression)) is not None:
        selected.append(implicit)
    if not selected and not groups:
        names.unmatched(expression)
    return selected


def _matcher(expression: str) -> Callable[[str], object]:
    try:
        return re.compile(expression[1:] if expression[:1] == "~" else fnmatch.translate(expression)).match
    except re.error as error:
        raise TargetError(
            f"{expression!r} is no regular expression: {error}", "Behind ~ stands one of Python's."
        ) from None
