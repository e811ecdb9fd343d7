"""What the controller's own evaluator remembers: one file for each schedule file, changed under a lock."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from agentless import files
from agentless.errors import ScheduleError
from agentless.schedule.document import Entry

__all__ = ["Histories", "Past"]

_LOCK_SECONDS = 60.0


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
    """

    def __init__(self, root: Path, schedule: Path) -> None:
        self._root = root
        real = os.path.realpath(schedule)
        self._path = root / (hashlib.sha256(os.fsencode(real)).hexdigest()[:24] + ".json")

    def raw(self, name: str) -> Any:
        """An entry's history as the evaluator made it, or None."""
        return self._read().get(name)

    def load(self, entry: Entry) -> Past:
        """What a person wants to know of it."""
        raw = self.raw(entry.name) or {}
        fire, skip = raw.get("f"), raw.get("s")
        return Past(fire[1] if fire else None, (skip[0], skip[1]) if skip else None)

    @contextlib.contextmanager
    def changing(self) -> Iterator[MutableMapping[str, Any]]:
        """All histories, to be changed; on disk when the block ends, and nobody else changes them meanwhile.

        Raises:
            ScheduleError: they cannot be read or written.
        """
        try:
            files.make_own_directory(self._root)
            with FileLock(self._path.with_suffix(".lock"), timeout=_LOCK_SECONDS):
                found = self._read()
                before = dict(found)
                yield found
                if found != before:
                    files.replace_file(self._path, json.dumps(found).encode("ascii"))
        except files.NotOwn as error:
            raise ScheduleError(f"{self._root} {error}", "Move it away.") from error
        except OSError as error:
            raise ScheduleError(f"{self._path} cannot be written: {error}") from error

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            # To begin anew here might fire twice what was fired.
            raise ScheduleError(
                f"{self._path} cannot be read: {error}", "Remove it to let all entries start anew."
            ) from error
        return found if isinstance(found, dict) else {}
