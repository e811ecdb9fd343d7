"""How far this controller has seen each host's sequence of scheduled jobs that have ended."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from agentless import files
from agentless.errors import CacheError

__all__ = ["Cursors"]

# Users and state directories of one host; what was seen longest ago goes first.
SEQUENCES = 16


class Cursors:
    """A small file for each host. A sequence has an id of its own, so users and state directories are kept apart.

    Two processes may write at once: the one that loses is asked for the same jobs once more, which changes nothing.

    Args:
        root: the directory; made 0700 by the first write.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def seen(self, host: str) -> dict[str, int]:
        """By the id of a sequence of this host, how many of its jobs were seen."""
        try:
            found = json.loads(self._path(host).read_bytes())
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise CacheError(f"{self._path(host)} cannot be read: {error.strerror}") from error
        except ValueError:
            # Torn or foreign: everything comes once more, and is known already.
            return {}
        seen = found.get("seen") if isinstance(found, dict) else None
        if not isinstance(seen, dict):
            return {}
        return {name: at for name, at in seen.items() if isinstance(at, int)}

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
        self._write(host, dict(list(seen.items())[-SEQUENCES:]))

    def _path(self, host: str) -> Path:
        return self._root / (hashlib.sha256(host.encode("utf-8", "surrogateescape")).hexdigest()[:24] + ".json")

    def _write(self, host: str, seen: Mapping[str, int]) -> None:
        path = self._path(host)
        try:
            files.make_own_directory(self._root)
            files.replace_file(path, json.dumps({"host": host, "seen": dict(seen)}).encode("ascii"))
        except files.NotOwn as error:
            raise CacheError(f"{self._root} {error}", "move it away, or set XDG_CACHE_HOME") from error
        except OSError as error:
            raise CacheError(f"{path} cannot be written: {error.strerror}") from error
