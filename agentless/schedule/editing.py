"""Edits of the schedule file: comments kept, checked before a byte is written, replaced in one step."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from agentless.errors import ScheduleError, UsageError

from .document import ALIASES, KEYS, Schedule, load, parse
from .nodes import near

__all__ = ["Editor", "values"]

# What these say is text, whatever YAML would make of it.
_TEXT = ("function", "target", "name", "cron", "once", "once_fmt", "after", "until", "timezone", "timeout", "runs_on")
_LOCK_SECONDS = 10.0


def values(pairs: Iterable[str]) -> dict[str, Any]:
    """`KEY=VALUE` of a command line, the values as YAML: `when='[Monday 5pm, Tuesday 3pm]'`, `enabled=false`.

    Raises:
        UsageError: a word without `=`, an unknown key, or a value that is no YAML.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise UsageError(f"{pair!r} is not KEY=VALUE")
        if ALIASES.get(key, key) not in KEYS:
            raise UsageError(f"unknown key {key!r}", near(key, KEYS))
        if ALIASES.get(key, key) in _TEXT and text:
            found[key] = text
            continue
        try:
            found[key] = YAML(typ="rt", pure=True).load(text)
        except (YAMLError, ValueError) as error:
            raise UsageError(f"{key}: not YAML: {text!r}: {str(error).splitlines()[0]}") from error
    return found


class Editor:
    """Edits of one schedule file. Each reads it, changes it, checks the whole and replaces it, under a lock.

    Args:
        path: the file; `add` makes it where it is not there.
        identity, now: as for `load`.

    Each method returns the schedule as it is then, and raises ScheduleError, the file untouched, where the edit is
    impossible or would make it wrong.
    """

    def __init__(self, path: str | os.PathLike[str], *, identity: str | None = None, now: float) -> None:
        # A link is followed: what it points to is edited, and it stays a link.
        self._path = Path(os.path.realpath(path))
        self._identity = identity
        self._now = now

    def add(self, name: str, keys: Mapping[str, Any]) -> Schedule:
        """A new entry."""

        def change(entries: MutableMapping[str, Any]) -> None:
            if name in entries:
                raise self._error(f"there is an entry {name!r} already", "Change it with `agentless schedule modify`.")
            entries[name] = dict(keys)

        return self._edit(change, create=True)

    def modify(self, name: str, keys: Mapping[str, Any]) -> Schedule:
        """Set keys of an entry; a value of None takes the key away. Another way to say when replaces the old one."""
        units = ("seconds", "minutes", "hours", "days")
        ways = ({*units}, {"when"}, {"cron"}, {"once", "once_fmt"})

        def change(entries: MutableMapping[str, Any]) -> None:
            entry = self._find(entries, name)
            given = {key for key, value in keys.items() if value is not None}
            chosen = [way for way in ways if way & given]
            if len(chosen) == 1:
                for key in set().union(*ways) - chosen[0]:
                    entry.pop(key, None)
            for key, value in keys.items():
                same = ALIASES.get(key, key)
                for alias in [same, *(short for short, full in ALIASES.items() if full == same)]:
                    if alias != key:
                        entry.pop(alias, None)
                if value is None:
                    entry.pop(key, None)
                else:
                    entry[key] = value

        return self._edit(change)

    def delete(self, name: str) -> Schedule:
        """Take an entry out."""

        def change(entries: MutableMapping[str, Any]) -> None:
            del entries[self._key(entries, name)]

        return self._edit(change)

    def enable(self, name: str | None = None) -> Schedule:
        """Switch an entry on, or the whole schedule."""
        return self._switch(name, True)

    def disable(self, name: str | None = None) -> Schedule:
        """Switch an entry off, or the whole schedule."""
        return self._switch(name, False)

    def copy(self, name: str, target: str, new_name: str | None = None) -> Schedule:
        """The entry once more for other hosts, as `NAME@TARGET` unless it is given a name."""
        import copy

        new = new_name or f"{name}@{target}"

        def change(entries: MutableMapping[str, Any]) -> None:
            if new in entries:
                raise self._error(f"there is an entry {new!r} already")
            made = copy.deepcopy(self._find(entries, name))
            made.pop("name", None)
            made["target"] = target
            entries[new] = made

        return self._edit(change)

    def move(self, name: str, target: str) -> Schedule:
        """Give the entry to other hosts."""
        return self.modify(name, {"target": target})

    def skip(self, name: str, time: str) -> Schedule:
        """Leave out the fire of that time; without seconds, those of that minute."""
        return self._append(name, {"skip_explicit": time})

    def postpone(self, name: str, time: str, new_time: str) -> Schedule:
        """Leave out the fire of that time, and run it at the new one."""
        return self._append(name, {"skip_explicit": time, "run_explicit": new_time})

    def _switch(self, name: str | None, on: bool) -> Schedule:
        def change(entries: MutableMapping[str, Any]) -> None:
            place = entries if name is None else self._find(entries, name)
            if on and "enabled" not in place:
                return
            if name is None and "enabled" not in place and hasattr(place, "insert"):
                place.insert(0, "enabled", on)
            else:
                place["enabled"] = on

        return self._edit(change)

    def _append(self, name: str, times: Mapping[str, str]) -> Schedule:
        def change(entries: MutableMapping[str, Any]) -> None:
            entry = self._find(entries, name)
            for key, time in times.items():
                known = entry.get(key)
                known = known if isinstance(known, list) else [] if known is None else [known]
                if time not in known:
                    known.append(time)
                entry[key] = known

        return self._edit(change)

    def _error(self, message: str, hint: str = "") -> ScheduleError:
        return ScheduleError(message, hint, file=str(self._path))

    def _key(self, entries: Mapping[str, Any], name: str) -> str:
        named = {entry.get("name", key): key for key, entry in entries.items() if isinstance(entry, Mapping)}
        named.pop("skip_during_range", None)
        if name not in named:
            raise self._error(f"there is no entry {name!r}", near(name, named) if named else "")
        return str(named[name])

    def _find(self, entries: Mapping[str, Any], name: str) -> Any:
        entry = entries[self._key(entries, name)]
        if not isinstance(entry, MutableMapping):
            raise self._error(f"{name}: a mapping of keys to values is needed")
        return entry

    def _edit(self, change: Callable[[MutableMapping[str, Any]], None], *, create: bool = False) -> Schedule:
        from ruamel.yaml import YAML
        from ruamel.yaml.comments import CommentedMap
        from ruamel.yaml.util import load_yaml_guess_indent

        if create:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        elif not self._path.exists():
            load(self._path, now=self._now)
        lock = self._path.with_name(f".{self._path.name}.lock")
        with FileLock(lock, timeout=_LOCK_SECONDS):
            text = self._path.read_bytes().decode("utf-8") if self._path.exists() else ""
            # What is wrong already is told with its line, before ruamel finds other words for it.
            parse(text, str(self._path), identity=self._identity, now=self._now)
            yaml = YAML(typ="rt", pure=True)
            yaml.preserve_quotes = True
            yaml.width = 1 << 16
            _, indent, offset = load_yaml_guess_indent(text) if text.strip() else (None, 2, 0)
            yaml.indent(mapping=2, sequence=indent or 2, offset=offset or 0)
            document = yaml.load(text)
            if document is None:
                document = CommentedMap()
            if document.get("schedule") is None:
                document["schedule"] = CommentedMap()
            change(document["schedule"])
            made = io.StringIO()
            yaml.dump(document, made)
            result = made.getvalue()
            if (
                text
                and not _comments(document)
                and text.strip().startswith("#")
                and not result.lstrip().startswith("#")
            ):
                # A file of nothing but comments: ruamel has nothing to hang them on.
                result = text.rstrip("\n") + "\n" + result
            schedule = parse(result, str(self._path), identity=self._identity, now=self._now)
            _replace(self._path, result.encode("utf-8"))
        return schedule


def _comments(document: Any) -> bool:
    return bool(getattr(document.ca, "comment", None))


def _replace(path: Path, data: bytes) -> None:
    """Write a file in one step: it is the old one or the new one, with the old one's mode."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
            file.write(data)
            file.flush()
            if path.exists():
                os.fchmod(file.fileno(), path.stat().st_mode & 0o7777)
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
