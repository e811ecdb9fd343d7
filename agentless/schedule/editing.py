"""Edits of the schedule file: comments kept, checked before a byte is written, replaced in one step."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from filelock import FileLock

from agentless.errors import ScheduleError, UsageError
from agentless.files import replace_file
from agentless.remote import clock, course
from agentless.schedule import dates
from agentless.schedule.coming import offset
from agentless.schedule.schedule_file import ALIASES, KEYS, Entry, Schedule, load, parse
from agentless.schedule.source import NotEditable, Source
from agentless.suggest import one_of
from agentless.yamlfile import FAULTS, yaml

__all__ = ["Editor", "values"]

# What these say is text, whatever YAML would make of it.
_TEXT = ("function", "target", "name", "cron", "once", "once_fmt", "after", "until", "timezone", "timeout", "runs_on")
_LOCK_SECONDS = 10.0
MINUTE = 60
_UNITS = ("seconds", "minutes", "hours", "days")
_WAYS = ({*_UNITS}, {"when"}, {"cron"}, {"once", "once_fmt"})


class _Words(yaml.SafeLoader):
    """YAML without guesses: a number, a switch, nothing, or text as it is written; `17:30` is no 1050."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("there are no aliases here")
        return super().compose_node(parent, index)


_Words.yaml_implicit_resolvers = {}
_Words.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"(~|null|)\Z"), ["~", "n", ""])
_Words.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"(true|false)\Z"), ["t", "f"])
_Words.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"-?(0|[1-9][0-9]*)\Z"), list("-0123456789"))


def values(pairs: Iterable[str]) -> dict[str, object]:
    """`KEY=VALUE` of a command line, the values as YAML: `when='[Monday 5pm, Tuesday 3pm]'`, `enabled=false`.

    Raises:
        UsageError: a word without `=`, an unknown key, or a value that is no YAML.
    """
    fields: dict[str, object] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise UsageError(f"{pair!r} is not KEY=VALUE")
        if not pair.isprintable() and any("\ud800" <= char <= "\udfff" for char in pair):
            raise UsageError(f"{key}: {text!r} is not UTF-8")
        if ALIASES.get(key, key) not in KEYS:
            raise UsageError(f"unknown key {key!r}", one_of(key, KEYS))
        if any(ALIASES.get(key, key) == ALIASES.get(known, known) for known in fields):
            raise UsageError(f"{key} is given a second time", "A list is one value: when='[1pm, 5pm]'.")
        if ALIASES.get(key, key) in _TEXT and text:
            fields[key] = text
            continue
        try:
            fields[key] = yaml.load(text, Loader=_Words)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise UsageError(f"{key}: not YAML: {text!r}: {str(error).splitlines()[0]}") from error
    return fields


class Editor:
    """Edits of one schedule file. Each reads it, changes it, checks the whole and replaces it, under a lock.

    Only the lines of what an edit is about change; every other, and every comment, stays byte for byte.

    Args:
        path: the file; `add` makes it where it is not there.
        now: as for `load`.
        check_target: called with each entry that an edit adds or gives another target; raises ScheduleError where that
            selects no host, for a push would refuse the file then.
        check_returners: the same of each entry whose returners are new.

    Each method returns the schedule as it is then, and raises ScheduleError, the file untouched, where the edit is
    impossible or would make it wrong.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        now: float,
        check_target: Callable[[Entry], None] = lambda entry: None,
        check_returners: Callable[[Entry], None] = lambda entry: None,
    ) -> None:
        # It is known by the name that was given, as loading knows it; a link is followed when it is replaced.
        self._file = os.fspath(path)
        self._path = Path(os.path.realpath(path))
        self._now = now
        self._check_target = check_target
        self._check_returners = check_returners

    def add(self, name: str, keys: Mapping[str, object]) -> Schedule:
        """A new entry."""
        return self.add_all({name: keys}, "Change it with `agentless schedule modify`.")

    def add_all(self, entries: Mapping[str, Mapping[str, object]], hint: str = "") -> Schedule:
        """Several new entries, all or none.

        Args:
            entries: the keys of each by its name.
            hint: what to do where there is one of that name.
        """

        def change(schedule: Schedule, source: Source) -> None:
            for name, keys in entries.items():
                self._refuse_known(schedule, name, hint)
                source.add(name, {key: value for key, value in keys.items() if value is not None})

        return self._edit(change, create=True)

    def modify(self, name: str, keys: Mapping[str, object]) -> Schedule:
        """Set keys of an entry; a value of None takes the key away. Another way to say when replaces the old one."""

        def change(schedule: Schedule, source: Source) -> None:
            entry = schedule.entry(name).key
            given = {key for key, value in keys.items() if value is not None}
            chosen = [way for way in _WAYS if way & given]
            gone = set().union(*_WAYS) - chosen[0] if len(chosen) == 1 else set()
            gone |= {key for key, value in keys.items() if value is None}
            for key in keys:
                same = ALIASES.get(key, key)
                gone |= {other for other in (same, *ALIASES) if ALIASES.get(other, other) == same and other != key}
            for key in given:
                source.put(entry, key, keys[key])
            for key in [key for key in source.entry(entry) if key in gone]:
                source.drop(entry, key)

        return self._edit(change)

    def delete(self, name: str) -> Schedule:
        """Take an entry out."""
        return self._edit(lambda schedule, source: source.delete(schedule.entry(name).key))

    def enable(self, name: str | None = None) -> Schedule:
        """Switch an entry on, or the whole schedule."""
        return self._switch(name, True)

    def disable(self, name: str | None = None) -> Schedule:
        """Switch an entry off, or the whole schedule."""
        return self._switch(name, False)

    def copy(self, name: str, target: str, new_name: str | None = None) -> Schedule:
        """The entry once more for other hosts, as `NAME@TARGET` unless it is given a name."""
        new = new_name or f"{name}@{target}"

        def change(schedule: Schedule, source: Source) -> None:
            self._refuse_known(schedule, new)
            source.copy(schedule.entry(name).key, new)
            source.put(new, "target", target)
            if "name" in source.entry(new):
                source.drop(new, "name")

        return self._edit(change)

    def move(self, name: str, target: str) -> Schedule:
        """Give the entry to other hosts."""
        return self.modify(name, {"target": target})

    def skip(self, name: str, time: str) -> Schedule:
        """Leave out the fire of that time; without seconds, those of that minute."""

        def change(schedule: Schedule, source: Source) -> None:
            entry = schedule.entry(name)
            source.extend(entry.key, "skip_explicit", time)
            # To the evaluator, who postpones a fire within a minute that is skipped means it to run.
            for moment in _within_minute(time, entry.timing.get("run", ())):
                source.extend(entry.key, "skip_explicit", moment)

        return self._edit(change)

    def postpone(self, name: str, time: str, new_time: str) -> Schedule:
        """Leave out the fire of that time, and run it at the new one, which is still to come."""

        def check(after: Schedule) -> None:
            entry = after.entry(name)
            rule = dates.date(new_time)
            where = offset(after, entry)
            # A host may have any zone, where the entry names none: its clock is at most 12 hours behind UTC.
            elsewhere = entry.runs_on == "host" and entry.timezone is None and rule[0] == 0
            if (rule[1] + 12 * 3600 if elsewhere else clock.moment(rule, where)) < self._now:
                raise ScheduleError(f"{name}: {new_time} is past: nothing would run then", file=self._file)
            timing = entry.timing.copy()
            timing.pop("enabled", None)
            at = clock.moment(rule, where)
            if reason := course.Course(timing, None, int(self._now), "", where).reason(at, at):
                raise ScheduleError(f"{name}: at {new_time} nothing would run: {reason}", file=self._file)

        def change(schedule: Schedule, source: Source) -> None:
            for key, moment in (("skip_explicit", time), ("run_explicit", new_time)):
                source.extend(schedule.entry(name).key, key, moment)

        return self._edit(change, check=check)

    def _switch(self, name: str | None, on: bool) -> Schedule:
        def change(schedule: Schedule, source: Source) -> None:
            entry = None if name is None else schedule.entry(name).key
            if not on or source.says(entry, "enabled"):
                source.put(entry, "enabled", on)

        return self._edit(change)

    def _refuse_known(self, schedule: Schedule, name: str, hint: str = "") -> None:
        for entry in schedule.entries.values():
            if name in (entry.name, entry.key):
                raise ScheduleError(f"there is an entry {name!r} already", hint, file=self._file, line=entry.line)

    def _edit(
        self,
        change: Callable[[Schedule, Source], None],
        *,
        create: bool = False,
        check: Callable[[Schedule], None] = lambda after: None,
    ) -> Schedule:
        if not create and not self._path.exists():
            load(self._file, now=self._now)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self._path.with_name(f".{self._path.name}.lock"), timeout=_LOCK_SECONDS):
                data = self._path.read_bytes() if self._path.exists() else b""
                # What is wrong already is told with its line.
                before = parse(data, self._file, now=self._now)
                result = self._changed(data, before, change)
                after = self._checked(result, before, check)
                if result != data:
                    replace_file(self._path, result, mode=None)
        except OSError as error:
            raise ScheduleError(f"cannot be edited: {error.strerror or error}", file=self._file) from error
        return after

    def _changed(self, data: bytes, before: Schedule, change: Callable[[Schedule, Source], None]) -> bytes:
        """The bytes of the file with the edit in them."""
        try:
            source = Source(data.decode("utf-8"))
            change(before, source)
            return source.text.encode("utf-8")
        except (NotEditable, *FAULTS) as error:
            # libyaml, which read it, takes a tab here and there, and a mapping that merges itself.
            why = str(error) if isinstance(error, NotEditable) else "an edit cannot be placed in what is written here"
            raise ScheduleError(why, "Edit the file by hand.", file=self._file) from error

    def _checked(self, data: bytes, before: Schedule, check: Callable[[Schedule], None]) -> Schedule:
        """The schedule that the edited file holds, checked as loading and a push will check it."""
        after = parse(data, self._file, now=self._now)
        for name, entry in after.entries.items():
            known = before.entries.get(name)
            if entry.target is not None and (known is None or known.target != entry.target):
                self._check_target(entry)
            if known is None or known.returners != entry.returners:
                self._check_returners(entry)
        check(after)
        return after


def _within_minute(time: str, moments: Iterable[dates.Rule]) -> Iterator[str]:
    """Those of the moments that lie within the minute `time`, but not at its start, as text."""
    try:
        kind, start = dates.date(time)
    except ValueError:
        return  # the check of the whole says it, with the line
    for of_kind, at in moments:
        if of_kind == kind and start % MINUTE == 0 and start < at < start + MINUTE:
            yield datetime.fromtimestamp(at, timezone.utc).isoformat()[: None if kind else len("2026-01-01T00:00:00")]
