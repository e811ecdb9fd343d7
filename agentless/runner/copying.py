"""`put` and `get`: files to and from hosts, over one exec of the helper each, as every other verb has it.

Not SFTP: its server runs as the login user only, so that what root alone may read or write would lie open on the way;
it is missing on some hosts and on this machine; a master of ssh or the keeper carries an exec as it is; and it takes
round trips for each file where a stream takes none.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePath
from typing import NamedTuple

from agentless.errors import HostError, Refused, Unreachable, UsageError
from agentless.inventory.selection import Selection, pattern
from agentless.model.answers import Gathered, Stored
from agentless.model.copies import Copied, Copies, Paths, ignored
from agentless.model.endpoint import Endpoint
from agentless.model.job_spec import shown
from agentless.model.problem import Problem
from agentless.model.requests import GetRequest, PutRequest
from agentless.runner.arrival import FetchedFiles, folder_name
from agentless.runner.contact import Contact, in_order, problem_of
from agentless.runner.parcel import pack
from agentless.runner.reading import Answer

__all__ = ["HostPath", "get", "host_path", "put"]

UNFINISHED = (
    "Files that had come whole are in their places. The one under way is not: the host takes away what had come of it, "
    "and where it lost its power, the next put does (.NAME.….agentless-part)."
)

Done = Callable[[str, Copied], None]


class HostPath(NamedTuple):
    """A path on hosts: `path`, and whether it says by its end that it is a directory (`folder`)."""

    path: str
    folder: bool


def host_path(path: str) -> HostPath:
    """A path on hosts as people write it; raises UsageError."""
    if not path.strip():
        # Else an empty variable would fetch everybody's home.
        raise UsageError("a path on hosts is empty", "Is a variable empty there? The home is ./")
    if "\0" in path:
        raise UsageError("no file name has a NUL byte")
    last = path.rsplit("/", 1)[-1]
    return HostPath(path, last in ("", ".", "..") or (last == path and path.startswith("~")))


def _each(paths: Paths) -> tuple[str, ...]:
    given = [paths] if isinstance(paths, (str, bytes, os.PathLike)) else paths
    if not isinstance(given, Iterable):
        raise UsageError(f"files are named by a path or several, not {shown(given)}")
    return tuple(map(_path, given))


def _path(path: object) -> str:
    """A path as a program gives it."""
    if not isinstance(path, (str, bytes, os.PathLike)):
        raise UsageError(f"a path is a string or a Path, not {shown(path)}")
    return os.fsdecode(path)


class _Course:
    """How far the copies of one command are, and whether they are to go on."""

    def __init__(self) -> None:
        self.done: dict[str, int] = {}
        self.began: dict[str, float] = {}
        self.stopped = threading.Event()

    def begin(self, name: str) -> None:
        self.done[name] = 0
        self.began[name] = time.monotonic()

    def seconds(self, name: str) -> float | None:
        return time.monotonic() - self.began[name] if name in self.began else None

    def check(self) -> None:
        if self.stopped.is_set():
            raise Unreachable("interrupted", "interrupted on the controller")


def put(
    contact: Contact,
    selection: Selection,
    target: str,
    sources: Paths,
    destination: str | PurePath,
    done: Done = ignored,
) -> Copies:
    """Send files to hosts; the arguments and errors are those of `Fleet.put`."""
    endpoints, sources = selection.endpoints(pattern(target)), _each(sources)
    if not sources:
        raise UsageError("there is nothing to send")
    destination = _path(destination)
    place = host_path(destination)
    parcel = pack(sources, into=place.folder)
    course = _Course()
    stored: dict[str, Stored] = {}

    def request(name: str) -> PutRequest:
        def stream() -> Iterator[bytes]:
            course.begin(name)
            for piece in parcel.stream(lambda count: course.done.update({name: course.done[name] + count})):
                course.check()
                yield piece

        return PutRequest(place.path, parcel.into, parcel.make, stream)

    def take(name: str, answer: Answer) -> bool:
        if isinstance(answer, Stored):
            stored[name] = answer
        return isinstance(answer, Stored)

    def copied(name: str, error: HostError | None) -> Copied:
        answer = stored.get(name)
        if answer is not None and not answer.failures and answer.files != parcel.files:
            error = Unreachable("protocol", f"the host has {answer.files} files, and was sent {parcel.files}")
            answer = None
        if answer is None:
            return _without(error, course.seconds(name), UNFINISHED if name in course.began else "")
        return _ended(answer, answer.path, answer.files, answer.bytes, course.seconds(name))

    def shown(name: str) -> str:
        size = parcel.size
        return f"{name} {course.done[name] * 100 // size} %" if size and name in course.done else name

    hosts = _all(contact, endpoints, request, take, shown, copied, course, done)
    return Copies("put", target, sources, destination, hosts)


def get(
    contact: Contact, selection: Selection, target: str, sources: Paths, directory: str | Path, done: Done = ignored
) -> Copies:
    """Fetch files from hosts, each into a folder of its own; the arguments and errors are those of `Fleet.get`."""
    endpoints, sources = selection.endpoints(pattern(target)), _each(sources)
    if not sources:
        raise UsageError("there is nothing to fetch")
    places = tuple(map(host_path, sources))
    names = [path.rsplit("/", 1)[-1] for path, folder in places if not folder]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"two files named {twice} would come into one folder", "Fetch them one after the other.")
    directory = _path(directory)
    if not directory.strip():
        raise UsageError("the directory to fetch into is empty", "Is a variable empty there? This one is .")
    top = Path(directory)
    if top.exists() and not top.is_dir():
        raise UsageError(f"{directory} is no directory", "A folder for each host is made in it.")
    course = _Course()
    arrivals = {name: FetchedFiles(top / folder_name(name)) for name in endpoints}

    def request(name: str) -> GetRequest:
        course.begin(name)
        return GetRequest(places)

    def take(name: str, answer: Answer) -> bool:
        course.check()
        taken = arrivals[name].take(answer)
        course.done[name] = arrivals[name].received
        return taken

    def copied(name: str, error: HostError | None) -> Copied:
        arrival = arrivals[name]
        arrival.close()
        path, seconds = str(arrival.folder), course.seconds(name)
        gathered = arrival.gathered
        if error is not None or gathered is None:
            return replace(_without(error, seconds), path=path, files=arrival.files, bytes=arrival.bytes)
        return _ended(gathered, path, arrival.files, arrival.bytes, seconds)

    def shown(name: str) -> str:
        count = course.done.get(name, 0)
        return f"{name} {count / 1e6:.0f} MB" if count >= 1_000_000 else name

    try:
        hosts = _all(contact, endpoints, request, take, shown, copied, course, done)
    finally:
        for arrival in arrivals.values():
            arrival.close()
    return Copies("get", target, sources, directory, hosts)


def _all(
    contact: Contact,
    endpoints: Mapping[str, Endpoint],
    request: Callable[[str], PutRequest | GetRequest],
    take: Callable[[str, Answer], bool],
    shown: Callable[[str], str],
    copied: Callable[[str, HostError | None], Copied],
    course: _Course,
    done: Done,
) -> dict[str, Copied]:
    hosts: dict[str, Copied] = {}
    try:
        for name, outcome in contact.ask(endpoints, request, take=take, shown=shown):
            hosts[name] = copied(name, outcome if isinstance(outcome, HostError) else None)
            done(name, hosts[name])
    finally:
        # Where this is left early, what is under way ends, and leaves nothing half.
        course.stopped.set()
    return in_order(endpoints, hosts)


def _without(error: HostError | None, seconds: float | None, unfinished: str = "") -> Copied:
    """A host that has not said how it ended; `unfinished` tells of one that broke off what became of the files."""
    if error is None:
        error = Unreachable("protocol", "the host did not say what became of the files")
    refused = isinstance(error, Refused) and error.kind != "inventory"
    problem = problem_of(error)
    if not refused and unfinished:
        problem = replace(problem, hint=f"{problem.hint} {unfinished}".strip())
    return Copied("failed" if refused else "unreachable", problem=problem, seconds=seconds)


def _ended(end: Stored | Gathered, path: str, files: int, size: int, seconds: float | None) -> Copied:
    """A host that has said how it ended; where not all was copied, by the first failure and how many more."""
    if not end.failures:
        return Copied("copied", path, files, size, seconds)
    first = end.failed[0].problem if end.failed else Problem("failed", "some were not copied")
    more = f"; and {end.failures - 1} more" if end.failures > 1 else ""
    problem = replace(first, message=first.message + more)
    return Copied("failed", path, files, size, seconds, problem, end.failures, end.failed)
