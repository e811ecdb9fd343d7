"""When an entry fires: its time keys, checked, as the entry that remote/evaluator.py takes."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from zoneinfo import available_timezones

from agentless.schedule import dates
from agentless.suggest import one_of
from agentless.yamlfile import LONGEST, YamlItem, yaml

if TYPE_CHECKING:
    from agentless.remote.course import Timing

__all__ = ["KEYS", "UNITS", "identify", "in_words", "read_span", "read_splay", "said", "timing"]

UNITS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400}
KEYS = (
    *UNITS,
    *("when", "cron", "once", "once_fmt", "splay", "range", "skip_during_range", "run_after_skip_range", "after"),
    *("until", "run_on_start", "maxrunning", "enabled", "run_explicit", "skip_explicit", "timezone", "misfire_grace"),
)
ONE_SECOND_OF = 60


def identify(identity: str, name: str) -> str:
    """The six digits of a schedule's entry, which end the JIDs of its fires."""
    return f"{zlib.crc32(identity.encode() + bytes(1) + name.encode()) % 1000000:06d}"


def timing(
    entry: YamlItem, fields: Mapping[str, YamlItem], name: str, identity: str, whens: Mapping[str, YamlItem]
) -> Timing:
    """The time keys of one entry for the evaluator, whose docstring says what they become.

    Raises:
        ScheduleError: with the line, the key and the reason.
    """
    made: Timing = {"name": name, "id": identify(identity, name)}
    _when(made, entry, fields, whens)
    every = made.get("every")
    if "once_fmt" in fields and "once" not in fields:
        raise fields["once_fmt"].error("there is no `once` that it could belong to")
    if fields["run_on_start"].flag() if "run_on_start" in fields else every is not None:
        made["start"] = 1
    if "splay" in fields and (splay := read_splay(fields["splay"])):
        if every is not None and splay[0] >= every:
            raise fields["splay"].error(f"it starts after the interval of {every} seconds")
        made["splay"] = splay
    if "range" in fields:
        made["range"], inverted = read_span(fields["range"], invert=True)
        if inverted:
            made["invert"] = 1
    if "skip_during_range" in fields:
        made["skip_range"], _ = read_span(fields["skip_during_range"])
    if "run_after_skip_range" in fields and fields["run_after_skip_range"].flag():
        if "skip_range" not in made:
            reason = "there is no skip_during_range, of the entry or of all, that it could come after"
            raise fields["run_after_skip_range"].error(reason)
        made["run_after"] = 1
    if "after" in fields:
        made["after"] = _bound(fields["after"])
    if "until" in fields:
        made["until"] = _bound(fields["until"])
    if (
        "after" in made
        and "until" in made
        and made["after"][0] == made["until"][0]
        and list(made["until"]) <= list(made["after"])
    ):
        raise fields["until"].error("it is not later than `after`: the entry would never fire")
    if "run_explicit" in fields and (moments := [_moment(item, False) for item in fields["run_explicit"].each()]):
        made["run"] = moments
    if "skip_explicit" in fields and (moments := [_moment(item, True) for item in fields["skip_explicit"].each()]):
        made["skip"] = moments
    if "maxrunning" in fields:
        made["maxrunning"] = fields["maxrunning"].whole(1)
    if "misfire_grace" in fields:
        made["grace"] = fields["misfire_grace"].whole(0)
    if "enabled" in fields and not fields["enabled"].flag():
        made["enabled"] = 0
    if "timezone" in fields:
        made["zone"] = _zone(fields["timezone"])
    return made


def said(fields: Mapping[str, YamlItem], whens: Mapping[str, YamlItem]) -> dict[str, str]:
    """The time keys as they are written, in their order here; a name from `whens` with what it stands for."""
    words = {key: _said(fields[key].node) for key in KEYS if key in fields and key != "enabled"}
    if "when" in fields:
        named = ((each.text, whens.get(each.text)) for each in fields["when"].each())
        words["when"] = ", ".join(text if other is None else f"{text} ({other.text})" for text, other in named)
    return words


def _said(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        words = {_said(key): _said(value) for key, value in node.value}
        span = f"{words.pop('start')} to {words.pop('end')}" if {"start", "end"} <= words.keys() else ""
        return ", ".join(filter(None, [span, *(f"{key} {value}" for key, value in words.items())]))
    if isinstance(node, yaml.SequenceNode):
        return ", ".join(map(_said, node.value))
    return str(node.value)


def in_words(words: Mapping[str, str]) -> str:
    """When an entry fires, in one line: `every 1h30m, splay 10`, `cron 30 2 * * * (Europe/Berlin)`.

    Args:
        words: as of `said`.
    """
    every = "".join(f"{words[unit]}{unit[0]}" for unit in reversed(UNITS) if unit in words)
    way = f"every {every}" if every else words.get("when", "")
    for key in ("cron", "once"):
        way = f"{key} {words[key]}" if key in words else way
    zone = f" ({words['timezone']})" if "timezone" in words else ""
    bounds = [
        f"{key.replace('_', ' ')} {words[key]}"
        for key in ("splay", "range", "skip_during_range", "after", "until")
        if key in words
    ]
    return ", ".join([way + zone, *bounds])


def version(made: Timing) -> int:
    """A number that changes when anything of the timing does."""
    return zlib.crc32(json.dumps(made, sort_keys=True).encode())


def _when(made: Timing, entry: YamlItem, fields: Mapping[str, YamlItem], whens: Mapping[str, YamlItem]) -> None:
    """The one way in which an entry says when: `every` or `rules`."""
    intervals = [key for key in UNITS if key in fields]
    others = [key for key in ("when", "cron", "once") if key in fields]
    if len(others) + bool(intervals) > 1:
        wrong = (intervals + others)[1:][-1]
        together = ", ".join(intervals + others)
        raise fields[wrong].error(f"{together} together: an entry has one way to say when it runs")
    if intervals:
        every = made["every"] = sum(fields[key].whole(0) * UNITS[key] for key in intervals)
        if not every:
            raise fields[intervals[0]].error("an interval needs at least one second")
        if every > LONGEST:
            raise fields[max(intervals, key=UNITS.__getitem__)].error("an interval of more than 100 years")
        return
    if not others:
        raise entry.error("it never says when it runs", "Add seconds, minutes, hours, days, when, cron or once.")
    item = fields[others[0]]
    if others == ["cron"]:
        made["rules"] = [_checked(item, dates.cron, item.text)]
    elif others == ["when"]:
        made["rules"] = [_named(each, whens) for each in item.each()]
        if not made["rules"]:
            raise item.error("the list is empty")
    else:
        fmt = fields["once_fmt"].text if "once_fmt" in fields else None
        made["rules"] = [_full(item, item.text, fmt)]
        made["once"] = 1


def _checked(item: YamlItem, read: Callable[..., dates.Rule], *args: Any) -> dates.Rule:
    try:
        return read(*args)
    except ValueError as error:
        raise item.error(f"{args[0]!r}: {error}") from error


def _named(item: YamlItem, whens: Mapping[str, YamlItem]) -> dates.Rule:
    named = whens.get(item.text)
    if named is not None:
        return _checked(named, dates.date, named.text)
    try:
        return dates.date(item.text)
    except ValueError as error:
        raise item.error(f"{item.text!r}: {error}", one_of(item.text, whens) if whens else "") from error


def _full(item: YamlItem, text: str, fmt: str | None = None) -> dates.Rule:
    rule = _checked(item, dates.date, text, fmt)
    if rule[0] > 0:
        raise item.error(f"{text!r}: a full date is needed", "Write it as 2026-12-24T17:00:00.")
    return rule


def _fields(item: YamlItem, *known: str) -> dict[str, YamlItem]:
    """A mapping's values; keys that are not known are refused."""
    fields = item.fields()
    for key in fields:
        if key not in known:
            raise fields[key].error("unknown key", one_of(key, known))
    return fields


def _moment(item: YamlItem, width: bool) -> list[int]:
    """A time of run_explicit or skip_explicit: text, or Salt's {time, time_fmt}."""
    if isinstance(item.node, yaml.MappingNode):
        fields = _fields(item, "time", "time_fmt")
        if "time" not in fields:
            raise item.error("`time` is missing")
        rule = _full(fields["time"], fields["time"].text, fields["time_fmt"].text if "time_fmt" in fields else None)
    else:
        rule = _full(item, item.text)
    if width:
        # Who leaves the seconds out means the minute.
        rule = [*rule, 1 if rule[1] % ONE_SECOND_OF else ONE_SECOND_OF]
    return rule


def _bound(item: YamlItem) -> dates.Rule:
    rule = _checked(item, dates.date, item.text)
    if rule[0] > dates.DAILY or len(rule) > 2:
        raise item.error(f"{item.text!r}: a full date, or a time of day, is needed")
    return rule


def read_splay(item: YamlItem) -> list[int]:
    """`splay`: N is 0..N, a mapping has start and end; empty where there is none."""
    if isinstance(item.node, yaml.MappingNode):
        fields = _fields(item, "start", "end")
        if "start" not in fields or "end" not in fields:
            raise item.error("a splay of two needs both start and end")
        least, most = fields["start"].whole(0), fields["end"].whole(0)
        if most < least:
            raise fields["end"].error("the end is before the start")
    else:
        least, most = 0, item.whole(0)
    return [least, most] if most else []


def read_span(item: YamlItem, *, invert: bool = False) -> tuple[list[dates.Rule], bool]:
    """A range: two times of day, two weekdays with a time, or two full dates; and whether it is inverted."""
    fields = _fields(item, "start", "end", *(["invert"] if invert else []))
    for key in ("start", "end"):
        if key not in fields:
            raise item.error(f"`{key}` is missing")
    start, end = (_checked(fields[key], dates.date, fields[key].text) for key in ("start", "end"))
    if len(start) > 2 or len(end) > 2:
        raise item.error("a range is of times of day, of weekdays, or of full dates")
    if max(start[0], 0) != max(end[0], 0):
        raise item.error("start and end are of different kinds: two times of day, two weekdays, or two full dates")
    if start == end:
        raise item.error("start and end are the same")
    if start[0] <= 0 and start[0] == end[0] and end[1] < start[1]:
        raise fields["end"].error("the end is before the start")
    return [start, end], "invert" in fields and fields["invert"].flag()


def _zone(item: YamlItem) -> str:
    try:
        dates.zone(item.text, 0)
    except ValueError as error:
        hint = one_of(item.text, sorted(available_timezones())) or "An IANA name is needed, such as Europe/Berlin."
        raise item.error(str(error), hint) from error
    return item.text
