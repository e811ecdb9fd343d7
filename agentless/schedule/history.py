"""What the controller's own evaluator remembers: one file for each schedule file, changed under a lock."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from agentless import files
from agentless.errors import ScheduleError
from agentless.remote.course import COUNTED, EXTRA, FIRED, HAD, NEXT, SKIPPED, VERSION, WAY
from agentless.schedule.schedule_file import Entry
from agentless.values import dataclass

if TYPE_CHECKING:
    from agentless.remote.course import History

__all__ = ["Histories", "Past"]

_ALWAYS = {VERSION, WAY, COUNTED, HAD, NEXT}
_KEYS = _ALWAYS | {EXTRA, FIRED, SKIPPED}
_LOCK_SECONDS = 60.0
_LATEST = 253_402_300_800.0  # the year 10000, in Unix seconds


@dataclass(frozen=True, slots=True)
class Past:
    """The last fire, and the last skip with its reason; Unix seconds."""

    last_fire: float | None
    last_skip: tuple[str, float] | None


class Histories:
    """The histories of a schedule file's entries, by their names.

    Args:
        root: the directory; made 0700 by the first change.
        schedule: the schedule file.
        warn: told, in one line, what of it is damaged: those entries start anew, and the others go on.
    """

    def __init__(self, root: Path, schedule: Path, warn: Callable[[str], None]) -> None:
        self._root = root
        self._warn = warn
        self._warned: set[str] = set()
        real = os.path.realpath(schedule)
        self._path = root / (hashlib.sha256(os.fsencode(real)).hexdigest()[:24] + ".json")

    def raw(self, name: str) -> History | None:
        """An entry's history as the evaluator made it, or None."""
        return self._read().get(name)

    def load(self, entry: Entry) -> Past:
        """What a person wants to know of it."""
        raw = self.raw(entry.name) or {}
        fire, skip = raw.get(FIRED), raw.get(SKIPPED)
        return Past(fire[1] if fire else None, (skip[0], skip[1]) if skip else None)

    @contextlib.contextmanager
    def changing(self) -> Iterator[MutableMapping[str, History]]:
        """All histories, to be changed; on disk when the block ends, and nobody else changes them meanwhile.

        Raises:
            ScheduleError: they cannot be read or written.
        """
        try:
            files.make_own_directory(self._root)
            with FileLock(self._path.with_suffix(".lock"), timeout=_LOCK_SECONDS):
                histories = self._read()
                before = dict(histories)
                yield histories
                if histories != before:
                    files.replace_file(self._path, json.dumps(histories).encode("ascii"))
        except files.NotOwn as error:
            raise ScheduleError(f"{self._root} {error}", "Move it away.") from error
        except OSError as error:
            raise ScheduleError(f"{self._path} cannot be written: {error}") from error

    def _read(self) -> dict[str, History]:
        """What is there and can be used; what cannot is named."""
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return {}
        except OSError as error:
            # To begin anew here might fire twice what was fired.
            raise ScheduleError(
                f"{self._path} cannot be read: {error.strerror}", "Remove it to let all entries start anew."
            ) from error
        try:
            histories = json.loads(data)
        except (ValueError, RecursionError):
            histories = None
        if not isinstance(histories, dict):
            self._set_aside(data, "it is no history, and all entries start anew")
            return {}
        damaged = [name for name, history in histories.items() if not _is_history(history)]
        if damaged:
            self._set_aside(data, f"start anew for what it says of them: {', '.join(map(repr, damaged))}")
        return {name: history for name, history in histories.items() if name not in damaged}

    def _set_aside(self, data: bytes, why: str) -> None:
        if why in self._warned:
            return
        self._warned.add(why)
        aside = self._root / "set-aside" / self._path.name
        try:
            files.make_own_directory(aside.parent)
            files.replace_file(aside, data)
        except (OSError, files.NotOwn) as error:
            self._warn(f"{self._path}: {why} (it cannot be set aside: {error})")
        else:
            self._warn(f"{self._path}: {why}; a copy is set aside as {aside}")


def _is_history(value: object) -> bool:
    """Whether the evaluator can go on from this; remote/evaluator.py tells its fields."""
    if not isinstance(value, dict) or not _ALWAYS <= value.keys() <= _KEYS:
        return False
    spans, extra = value[HAD], value.get(EXTRA, [])
    fire, skip = value.get(FIRED, [0, 0]), value.get(SKIPPED, ["", 0])
    return (
        all(_is_time(value[key]) for key in _ALWAYS - {HAD})
        and _is_list(spans, lambda span: _is_list(span, _is_time, 3) and span[0] <= span[1] and span[2] > 0)
        and _is_list(extra, _is_time)
        and _is_list(fire, _is_time, 2)
        and (isinstance(skip, list) and len(skip) == 2 and isinstance(skip[0], str) and _is_time(skip[1]))
    )


def _is_list(value: Any, check: Callable[[Any], bool], count: int | None = None) -> bool:
    return isinstance(value, list) and (count is None or len(value) == count) and all(map(check, value))


def _is_time(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -_LATEST < value < _LATEST
