"""What hosts had of a schedule file when it was last pushed or checked from here, so that `list` need not ask."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypedDict

from filelock import FileLock, Timeout

from agentless import files
from agentless.values import dataclass

__all__ = ["OnHosts", "Pushes", "digest"]

_LOCK_SECONDS = 10.0
_DIGITS = 16


def digest(entry: Mapping[str, Any]) -> str:
    """A short hash of an entry as it travels, whatever the moment from which it counts."""
    fixed = {key: value for key, value in entry.items() if key != "since"}
    return hashlib.sha256(json.dumps(fixed, sort_keys=True).encode("ascii")).hexdigest()[:_DIGITS]


@dataclass(frozen=True, slots=True)
class OnHosts:
    """Which hosts of an entry have it as it is in the file, as far as is known here.

    Args:
        same: those that have it so.
        others: those that have not, or have never been pushed to from here.
        as_of: Unix seconds, when the one was pushed to or checked that was longest ago; None where none was.
    """

    same: tuple[str, ...]
    others: tuple[str, ...]
    as_of: float | None


class _Push(TypedDict):
    """What a host had at a push or a check: when that was (Unix seconds), and its entries' digests by name."""

    at: float
    entries: dict[str, str]


class Pushes:
    """One file for each schedule file; what is damaged or gone is known anew by the next push.

    Args:
        root: the directory; made 0700 by the first push.
        schedule: the schedule file.
        warn: told, in one line, where it cannot be written.
    """

    def __init__(self, root: Path, schedule: Path, warn: Callable[[str], None]) -> None:
        real = os.path.realpath(schedule)
        self._root = root
        self._path = root / (hashlib.sha256(os.fsencode(real)).hexdigest()[:24] + ".pushed.json")
        self._warn = warn

    def note(
        self, sender: str, had: Mapping[str, Mapping[str, str]], now: float, *, other: Mapping[str, Mapping[str, str]]
    ) -> None:
        """Note what hosts have now.

        Args:
            sender: as whom they were asked: each user of a host has a schedule of its own.
            had: by host, the digests of the entries that it has, by name.
            now: Unix seconds.
            other: by host, digests that its entries of these names were found not to have, empty where it has none of
                that name. Of these it keeps what was known, for it was only looked at.
        """
        try:
            files.make_own_directory(self._root)
            with FileLock(self._path.with_suffix(".lock"), timeout=_LOCK_SECONDS):
                known = self._read()
                for host, entries in had.items():
                    push = known.setdefault(host, {}).get(sender)
                    denied, before = other.get(host, {}), push.get("entries", {}) if push else {}
                    kept = {
                        name: each for name, each in before.items() if name in denied and denied[name] not in ("", each)
                    }
                    known[host][sender] = {"at": now, "entries": {**kept, **entries}}
                files.replace_file(self._path, json.dumps(known).encode("ascii"))
        except (OSError, Timeout, files.NotOwn) as error:
            self._warn(f"{self._path}: what was pushed cannot be noted for `schedule list`: {error}")

    def of(self, name: str, wanted: str, hosts: Iterable[str]) -> OnHosts:
        """Which of these hosts have an entry of this name with this digest."""
        known = self._read()
        same: list[str] = []
        others: list[str] = []
        times: list[float] = []
        for host in hosts:
            seen = [each for each in known.get(host, {}).values() if isinstance(each, dict)]
            having = [each for each in seen if each.get("entries", {}).get(name) == wanted]
            (same if having else others).append(host)
            times += [max(float(each["at"]) for each in having or seen)] if seen else []
        return OnHosts(tuple(same), tuple(others), min(times, default=None))

    def _read(self) -> dict[str, dict[str, _Push]]:
        """By host, and by the user as whom it was asked; what else the file may hold is looked at with care."""
        try:
            known = json.loads(self._path.read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        if not isinstance(known, dict):
            return {}
        return {host: each for host, each in known.items() if isinstance(each, dict)}
