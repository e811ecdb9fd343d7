"""How far this controller has seen each host's sequence of scheduled jobs that have ended."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from agentless import files
from agentless.digests import sha256
from agentless.errors import CacheError

__all__ = ["Cursors"]

# Users and state directories of one host; what was seen longest ago goes first.
SEQUENCES = 16
_LARGEST = 2**63


class Cursors:
    """A small file for each host. A sequence has an id of its own, so users and state directories are kept apart.

    Two processes may write at once: the one that loses is asked for the same jobs once more, which changes nothing.
    For the same reason a file that is damaged takes nobody else along: it is set aside, and all is asked for once more.

    Args:
        root: the directory; made 0700 by the first write.
        warn: told, in one line, of every file that had to be set aside.
    """

    def __init__(self, root: Path, warn: Callable[[str], None]) -> None:
        self._root = root
        self._warn = warn

    def seen(self, host: str) -> dict[str, int]:
        """By the id of a sequence of this host, how many of its jobs were seen."""
        path = self._path(host)
        try:
            document = json.loads(path.read_bytes())
            seen: dict[str, int] = document["seen"]
            if not all(isinstance(at, int) and not isinstance(at, bool) and 0 <= at < _LARGEST for at in seen.values()):
                raise ValueError(f"it counts {seen!r:.60}")
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
            self._set_aside(path, error)
            return {}
        return seen

    def _set_aside(self, path: Path, error: Exception) -> None:
        aside = self._root / "set-aside" / path.name
        try:
            files.make_own_directory(aside.parent)
            path.replace(aside)
        except (OSError, files.NotOwn):
            self._warn(f"left alone {path}: what was seen of a schedule cannot be read there ({error})")
        else:
            self._warn(f"set aside {aside}, which does not say what was seen of a schedule: {error}")

    def advance(self, host: str, sequence: str, at: int) -> None:
        """Note that the first `at` jobs of a sequence were seen.

        Raises:
            CacheError: it cannot be written.
        """
        seen = self.seen(host)
        if seen.get(sequence, -1) >= at:
            return
        seen.pop(sequence, None)
        seen[sequence] = at
        document = {"host": host, "seen": dict(list(seen.items())[-SEQUENCES:])}
        path = self._path(host)
        try:
            files.make_own_directory(self._root)
            files.replace_file(path, json.dumps(document).encode("ascii"))
        except files.NotOwn as error:
            raise CacheError(f"{self._root} {error}", "move it away, or set XDG_CACHE_HOME") from error
        except OSError as error:
            raise CacheError(f"{path} cannot be written: {error.strerror}") from error

    def _path(self, host: str) -> Path:
        return self._root / (sha256(host.encode("utf-8", "surrogateescape")).hexdigest()[:24] + ".json")
