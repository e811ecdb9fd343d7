"""What returners have not had yet: a small file for each job whose returns they get, beside the job cache.

The file is on disk before the job is. So a return that is in the cache is owed until a line here says who has had it:
a process that is killed between the two leaves a return that is handed over once more, never one that is not.

    JID.owed       somebody has not had all of it        {"returner":"archive","host":"web1"}
    JID.had        everybody has had all that there is   {"returner":"hook","host":"web1","failed":true}
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field

from agentless import files
from agentless.cache.record import Record
from agentless.errors import CacheError
from agentless.model.jid import JID
from agentless.model.job import Job
from agentless.regex import regex
from agentless.values import dataclass

__all__ = ["Debt", "Delivered", "Owed", "debt_of"]

OWED = ".owed"
HAD = ".had"
_NAME = regex(r"(\d{20})(\.owed|\.had)", re.ASCII)

Delivered = tuple[str, str]
"""A returner and a host whose return it has had."""


@dataclass(frozen=True, slots=True)
class Debt:
    """What returners have not had of one job, as far as hosts have ended.

    Args:
        job: the job.
        hosts: by returner, the hosts whose ends it has not had, in the job's order.
        failures: how often a returner could not take the end of a host.
        complete: no host can end any more.
    """

    job: Job
    hosts: Mapping[str, tuple[str, ...]]
    failures: Mapping[Delivered, int] = field(default_factory=dict)
    complete: bool = False

    def count(self) -> dict[str, int]:
        """By returner, how many returns it has not had; returners that have had all are left out."""
        return {name: len(hosts) for name, hosts in self.hosts.items() if hosts}


class Owed:
    """The files, in a directory of their own.

    `begin`, `end`, and `remove` are called under the lock of the job cache; `note` and reading need none.

    Args:
        root: the directory; made 0700 by the first write.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self._root = os.fspath(root)

    def path(self, name: str) -> str:
        """The path of a file in the directory."""
        return f"{self._root}/{name}"

    def make(self) -> None:
        """Make the directory where it is missing; raises CacheError."""
        try:
            files.make_own_directory(self._root)
        except files.NotOwn as error:
            raise CacheError(f"{self._root} {error}", "move it away, or set XDG_CACHE_HOME") from error
        except OSError as error:
            raise CacheError(f"{self._root} cannot be made: {error.strerror}") from error

    def begin(self, jid: JID) -> None:
        """Returns of this job are to come; on disk when this returns. Raises OSError and CacheError."""
        self.make()
        try:
            os.rename(self.path(jid + HAD), self.path(jid + OWED))
        except FileNotFoundError:
            handle = os.open(self.path(jid + OWED), os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            os.close(handle)
        files.sync_directory(self._root)

    def end(self, jid: JID) -> None:
        """Everybody has had all of this job."""
        with contextlib.suppress(FileNotFoundError):  # another process was faster
            os.rename(self.path(jid + OWED), self.path(jid + HAD))

    def remove(self, jid: JID) -> None:
        """The job is gone; raises OSError."""
        for suffix in (OWED, HAD):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path(jid + suffix))

    def jids(self, *, also_had: bool = False) -> list[JID]:
        """The jobs that something is owed of, or may be, oldest first; none where there is no directory.

        Args:
            also_had: those of which nothing is, too.

        Raises:
            CacheError: the directory cannot be read.
        """
        try:
            names = os.listdir(self._root)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise CacheError(f"{self._root} cannot be read: {error.strerror}") from error
        jids: set[JID] = set()
        for match in map(_NAME.fullmatch, names):
            if match and (also_had or match[2] == OWED):
                with contextlib.suppress(ValueError):  # digits that are no date: nothing of ours
                    jids.add(JID(match[1]))
        return sorted(jids)

    def note(self, jid: JID, had: Iterable[Delivered], failed: Iterable[Delivered] = ()) -> None:
        """Note who has had the ends of which hosts, and who could not take them; raises OSError.

        Whoever reads takes a line that was cut off for none: then a return is handed over once more.
        """
        lines = [_line(one) for one in had] + [_line(one, failed=True) for one in failed]
        flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            handle = os.open(self.path(jid + OWED), flags)
        except FileNotFoundError:  # the job was pruned meanwhile
            return
        try:
            # Behind what a killed process left there, each line begins anew.
            files.write_all(handle, b"\n" + b"".join(lines))
        finally:
            os.close(handle)

    def read(self, jid: JID) -> tuple[set[Delivered], Counter[Delivered]]:
        """Who has had what of a job, and how often somebody could not take something; raises CacheError."""
        data = b""
        for suffix in (OWED, HAD, OWED):
            try:
                with open(self.path(jid + suffix), "rb") as file:
                    data = file.read()
                break
            except FileNotFoundError:
                continue
            except OSError as error:
                raise CacheError(f"{self.path(jid + suffix)} cannot be read: {error.strerror}") from error
        had: set[Delivered] = set()
        failures: Counter[Delivered] = Counter()
        for one, failed in _entries(data):
            if failed:
                failures[one] += 1
            else:
                had.add(one)
        return had, failures


def _line(one: Delivered, *, failed: bool = False) -> bytes:
    returner, host = one
    return json.dumps({"returner": returner, "host": host, **({"failed": True} if failed else {})}).encode() + b"\n"


def _entries(data: bytes) -> Iterator[tuple[Delivered, bool]]:
    for line in data.split(b"\n"):
        try:
            entry = json.loads(line)
            yield (str(entry["returner"]), str(entry["host"])), bool(entry.get("failed"))
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
            continue


def debt_of(record: Record, owed: Owed, *, held: bool) -> Debt:
    """What is owed of a job.

    Args:
        held: the run of the job lives: a host that it could not reach may still be.
    """
    had, failures = owed.read(record.job.jid)
    states = {host: line.result for host, line in record.lines.items()}
    ends = [host for host, result in states.items() if result.state.final or (result.settled and not held)]
    due = {name: tuple(host for host in ends if (name, host) not in had) for name in record.job.returners}
    return Debt(record.job, due, failures, complete=not held and len(ends) == len(states))
