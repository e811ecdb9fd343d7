"""The filters and tests of templates that inventories use, as Ansible's documentation has them."""

from __future__ import annotations

import base64
import ipaddress
import json
import os
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jinja2

from agentless.inventory.cfg_values import FALSE, TRUE
from agentless.inventory.quoting import Safe

__all__ = ["FILTERS", "TESTS", "TemplateProblem"]


class TemplateProblem(Exception):
    """A template that cannot be rendered; its text says why."""


def _bool(value: Any) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word not in TRUE and word not in FALSE:
        raise TemplateProblem(f"{value!r} is neither true nor false")
    return word in TRUE


def _mandatory(value: Any, msg: str | None = None) -> Any:
    if isinstance(value, jinja2.Undefined):
        raise TemplateProblem(msg or f"the mandatory {value._undefined_name!r} is not defined")
    return value


def _flags(ignorecase: bool, multiline: bool) -> re.RegexFlag:
    return re.RegexFlag(re.IGNORECASE * ignorecase | re.MULTILINE * multiline)


def _regex_replace(
    value: Any,
    pattern: str = "",
    replacement: str = "",
    ignorecase: bool = False,
    multiline: bool = False,
    count: int = 0,
) -> str:
    return re.sub(pattern, replacement, str(value), count=count, flags=_flags(ignorecase, multiline))


def _regex_search(value: Any, pattern: str, *groups: str, ignorecase: bool = False, multiline: bool = False) -> Any:
    match = re.search(pattern, str(value), _flags(ignorecase, multiline))
    if match is None:
        return None
    if not groups:
        return match.group()
    # `\\1` for a number, `\\g<name>` for a name.
    names = [re.sub(r"^\\g<(.*)>$|^\\(\d+)$", r"\1\2", group) for group in groups]
    return [match.group(int(name) if name.isdigit() else name) for name in names]


def _regex_findall(value: Any, pattern: str, multiline: bool = False, ignorecase: bool = False) -> list[Any]:
    return re.findall(pattern, str(value), _flags(ignorecase, multiline))


def _ipaddr(value: Any, query: str = "") -> Any:
    """The plain queries of ansible.utils.ipaddr; False where the value is no address."""
    try:
        interface = ipaddress.ip_interface(str(value))
    except ValueError:
        return False
    answers: dict[str, Callable[[], Any]] = {
        "": lambda: str(value),
        "address": lambda: str(interface.ip),
        "network": lambda: str(interface.network.network_address),
        "netmask": lambda: str(interface.netmask),
        "prefix": lambda: interface.network.prefixlen,
        "subnet": lambda: str(interface.network),
        "broadcast": lambda: str(interface.network.broadcast_address),
        "version": lambda: interface.version,
        "ipv4": lambda: str(value) if interface.version == 4 else False,
        "ipv6": lambda: str(value) if interface.version == 6 else False,
    }
    if re.fullmatch(r"-?\d+", str(query)):
        return f"{interface.network[int(query)]}/{interface.network.prefixlen}"
    if query not in answers:
        raise TemplateProblem(f"ipaddr({query!r}) is not done here: {', '.join(filter(None, answers))} and numbers are")
    return answers[query]()


def _ternary(value: Any, true: Any, false: Any, none: Any = None) -> Any:
    if value is None and none is not None:
        return none
    return true if value else false


def _combine(first: Mapping[str, Any], *others: Mapping[str, Any], recursive: bool = False) -> dict[str, Any]:
    combined = dict(first)
    for other in others:
        for key, value in other.items():
            both = recursive and isinstance(value, Mapping) and isinstance(combined.get(key), Mapping)
            combined[key] = _combine(combined[key], value, recursive=True) if both else value
    return combined


def _flatten(values: Sequence[Any], levels: int | None = None) -> list[Any]:
    flat: list[Any] = []
    for value in values:
        if isinstance(value, (list, tuple)) and levels != 0:
            flat.extend(_flatten(value, None if levels is None else levels - 1))
        elif value is not None:
            flat.append(value)
    return flat


def _unique(values: Iterable[Any]) -> list[Any]:
    unique: list[Any] = []
    for value in values:
        if value not in unique:
            unique.append(value)
    return unique


def _extract(key: Any, container: Any, morekeys: Any = None) -> Any:
    value = container[key]
    for further in morekeys if isinstance(morekeys, list) else [] if morekeys is None else [morekeys]:
        value = value[further]
    return value


def _dict2items(value: Mapping[str, Any], key_name: str = "key", value_name: str = "value") -> list[dict[str, object]]:
    return [{key_name: key, value_name: each} for key, each in value.items()]


def _items2dict(value: Iterable[Mapping[str, Any]], key_name: str = "key", value_name: str = "value") -> dict[Any, Any]:
    return {item[key_name]: item[value_name] for item in value}


def _searches(match: Callable[..., Any]) -> Callable[..., bool]:
    def test(value: Any, pattern: str = "", ignorecase: bool = False, multiline: bool = False) -> bool:
        return match(pattern, str(value), _flags(ignorecase, multiline)) is not None

    return test


FILTERS: Mapping[str, Callable[..., Any]] = {
    "b64decode": lambda value: base64.b64decode(value).decode("utf-8"),
    "b64encode": lambda value: base64.b64encode(str(value).encode()).decode("ascii"),
    "basename": lambda value: os.path.basename(str(value)),
    "bool": _bool,
    "combine": _combine,
    "dict2items": _dict2items,
    "difference": lambda one, other: [value for value in _unique(one) if value not in other],
    "dirname": lambda value: os.path.dirname(str(value)),
    "expanduser": lambda value: os.path.expanduser(str(value)),
    "extract": _extract,
    "flatten": _flatten,
    "from_json": json.loads,
    "intersect": lambda one, other: [value for value in _unique(one) if value in other],
    "ipaddr": _ipaddr,
    "ipv4": lambda value: _ipaddr(value, "ipv4"),
    "ipv6": lambda value: _ipaddr(value, "ipv6"),
    "items2dict": _items2dict,
    "mandatory": _mandatory,
    "quote": lambda value: shlex.quote(str(value)),
    "realpath": lambda value: os.path.realpath(str(value)),
    "regex_escape": lambda value: re.escape(str(value)),
    "regex_findall": _regex_findall,
    "regex_replace": _regex_replace,
    "regex_search": _regex_search,
    "safe": lambda value: Safe(str(value)),
    "split": lambda value, separator=None: str(value).split(separator),
    "splitext": lambda value: os.path.splitext(str(value)),
    "ternary": _ternary,
    "to_json": lambda value: json.dumps(value),
    "union": lambda one, other: _unique([*one, *other]),
    "unique": _unique,
    "zip": lambda *values: [list(each) for each in zip(*values, strict=False)],
}
FILTERS = {
    **FILTERS,
    **{f"ansible.builtin.{name}": filter_ for name, filter_ in FILTERS.items()},
    **{f"ansible.utils.{name}": FILTERS[name] for name in ("ipaddr", "ipv4", "ipv6")},
    **{f"ansible.netcommon.{name}": FILTERS[name] for name in ("ipaddr", "ipv4", "ipv6")},
}
TESTS: Mapping[str, Callable[..., Any]] = {
    "contains": lambda value, one: one in value,
    "exists": lambda value: os.path.exists(str(value)),
    "falsy": lambda value: not value,
    "file": lambda value: os.path.isfile(str(value)),
    "directory": lambda value: os.path.isdir(str(value)),
    "match": _searches(re.match),
    "regex": _searches(re.search),
    "search": _searches(re.search),
    "subset": lambda one, other: set(one) <= set(other),
    "superset": lambda one, other: set(one) >= set(other),
    "truthy": lambda value: bool(value),
}
