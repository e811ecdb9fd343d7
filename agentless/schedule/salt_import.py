"""Salt's schedules as entries of ours: `_schedule.conf`, a pillar, or what `schedule.list` prints of a minion.

This finds the entries of a file; salt_entry.py puts each into our words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from agentless.errors import ScheduleError
from agentless.regex import regex
from agentless.schedule.salt_entry import Keys, SaltEntry, value_of
from agentless.schedule.schedule_file import ALIASES, GLOBAL, parse
from agentless.values import dataclass
from agentless.yamlfile import YamlItem, root, yaml

__all__ = ["Taken", "translated"]

_PYTHON_TEXT = regex(r"!!python/(?:unicode|str) ")


@dataclass(frozen=True, slots=True)
class Taken:
    """What a file of Salt's comes to.

    Args:
        entries: by name, the keys of each.
        words: what is worth to know of them, a line each: what was left out, and what was put in another way.
    """

    entries: Mapping[str, Keys]
    words: Sequence[str]


def translated(
    data: bytes,
    file: str,
    *,
    target: str | None,
    beside: str,
    now: float,
    skip: Collection[str] = (),
    returners: Collection[str] | None = None,
) -> Taken:
    """The entries of a file of Salt's, all that are not skipped.

    Args:
        data: the file.
        file: its name in errors.
        target: the hosts that run them; None takes the minions' ids, where the file names them.
        beside: our schedule file; scripts lie beside it.
        now: Unix seconds.
        skip: shell patterns of entries that are left out.
        returners: those that the configuration has; None where that is not known.

    Raises:
        ScheduleError: it is no schedule, or something in it cannot be taken; each such thing is named.
    """
    text = data.decode("utf-8", "surrogateescape")
    try:
        whole = root(_PYTHON_TEXT.sub("", text).encode("utf-8", "surrogateescape"), file, ScheduleError)
    except ScheduleError as error:
        if "{%" in text or "{{" in text:
            hint = "It is a template. Let Salt render it: `salt-call pillar.get schedule --out yaml > FILE`"
        else:
            hint = "What Salt prints is YAML with: `salt-call schedule.list --out yaml > FILE`"
        raise ScheduleError(error.message, hint) from error
    unused = set(skip)
    entries: dict[str, Keys] = {}
    minions: dict[str, list[str]] = {}
    words: list[str] = []
    faults: list[str] = []
    for minion, fields, whens in _schedules(whole, file):
        shared = {key: fields[key] for key in GLOBAL if key in fields}
        for name, item in fields.items():
            skipped = {pattern for pattern in skip if fnmatchcase(name, pattern)}
            unused -= skipped
            if name in GLOBAL or skipped:
                continue
            if name.startswith("__"):
                words.append(f"{name} is left out: it keeps Salt itself going")
                continue
            one = SaltEntry(name, item, shared, whens, beside)
            made = one.made(target or minion)
            if not one.faults and (fault := _wrong(name, made, beside, now, returners)):
                one.faults.append(fault)
            if name in entries and _plain(entries[name]) != _plain(made):
                one.faults.append(f"it is another one on {minions[name][0]}: import the minions one by one")
            faults += [f"line {item.line}: {name}: {fault}" for fault in one.faults]
            words += [f"{name}: {word}" for word in one.words if f"{name}: {word}" not in words]
            entries[name] = made
            minions.setdefault(name, []).extend([minion] if minion else [])
    if unused:
        raise ScheduleError(f"there is no entry {min(unused)!r} in it that could be left out", file=file)
    if faults:
        what = "1 thing" if len(faults) == 1 else f"{len(faults)} things"
        hint = "Nothing was imported. Change them there, or leave such entries out: `skip=NAME`"
        lines = "\n".join([f"{what} of it cannot be taken:", *faults])
        raise ScheduleError(lines, hint, file=file)
    if not entries:
        raise ScheduleError("there is no entry in it that could be imported", file=file)
    for name, made in entries.items():
        if target is None and minions[name] and "target" in made:
            made["target"] = ",".join(dict.fromkeys(minions[name]))
    return Taken(entries, words)


def _plain(made: Keys) -> str:
    """An entry without its target, to be compared."""
    kept = {key: value_of(value) if isinstance(value, yaml.Node) else value for key, value in made.items()}
    return json.dumps({key: value for key, value in kept.items() if key != "target"}, sort_keys=True, default=str)


def _wrong(name: str, made: Keys, beside: str, now: float, returners: Collection[str] | None) -> str:
    """Why our schedule would refuse an entry; empty where it would not."""
    document = yaml.safe_dump({"schedule": {name: {key: _native(value) for key, value in made.items()}}})
    try:
        entry = parse(document, beside, now=now).entries[name]
    except ScheduleError as error:
        reason = error.message.partition(f"{name}: ")[2] or error.message
        return f"{reason} {error.hint}".rstrip()
    for returner in entry.returners:
        if returners is not None and returner not in returners:
            return f"returner: agentless's configuration has no returner {returner!r} under `returners:`"
    return ""


def _native(value: Any) -> Any:
    """A value whose scalars mean the same when they are dumped: text as text, the rest as YAML reads it."""
    if not isinstance(value, yaml.Node):
        return value
    if isinstance(value, yaml.MappingNode):
        return {str(key.value): _native(each) for key, each in value.value}
    if isinstance(value, yaml.SequenceNode):
        return [_native(each) for each in value.value]
    if value.tag in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:null"):
        return yaml.safe_load(value.value)
    if value.tag == "tag:yaml.org,2002:int" and re.fullmatch(r"[+-]?[0-9]+", value.value):
        return int(value.value)
    return value.value


def _schedules(
    whole: YamlItem | None, file: str
) -> Iterator[tuple[str | None, dict[str, YamlItem], dict[str, YamlItem]]]:
    """Each schedule of the file: the minion's id where it is named, the entries and switches, and `whens`."""
    if whole is None or not isinstance(whole.node, yaml.MappingNode):
        raise ScheduleError("it is no schedule of Salt: a mapping with `schedule` in it is needed", file=file)
    top = whole.fields()
    if "schedule" in top or all(map(_is_entry, top.values())):
        yield from _one(None, top, whole)
        return
    for minion, item in top.items():
        inner: YamlItem | None = item
        if isinstance(item.node, yaml.ScalarNode) and not item.empty:
            # `salt MINION schedule.list` prints the minion's YAML as text.
            inner = root(str(item.node.value), file, ScheduleError)
        if inner is None or inner.empty:
            continue
        if not isinstance(inner.node, yaml.MappingNode):
            raise item.error("it is no schedule of Salt: a mapping with `schedule` in it is needed")
        yield from _one(None if minion == "local" else minion, inner.fields(), inner)


def _one(
    minion: str | None, top: Mapping[str, YamlItem], whole: YamlItem
) -> Iterator[tuple[str | None, dict[str, YamlItem], dict[str, YamlItem]]]:
    whens = top["whens"].fields() if "whens" in top and not top["whens"].empty else {}
    if "schedule" not in top:
        if not all(_is_entry(item) or name in GLOBAL for name, item in top.items()):
            raise whole.error("it is no schedule of Salt: there is no `schedule` in it")
        yield minion, dict(top), whens
    elif not top["schedule"].empty:
        yield minion, top["schedule"].fields(), whens


def _is_entry(item: YamlItem) -> bool:
    if not isinstance(item.node, yaml.MappingNode):
        return False
    return any(ALIASES.get(str(key.value), str(key.value)) == "function" for key, _ in item.node.value)
