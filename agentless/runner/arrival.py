"""The files that one host sends: each is written beside its place, in this host's folder and nowhere else.

What a host says is not believed: a name has no `..`, lies in a directory that came before it, and is never written
through a link.
"""

from __future__ import annotations

import fcntl
import os
import stat
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from agentless.errors import Refused, Unreachable
from agentless.files import write_all
from agentless.model.answers import Content, ContentEnd, FetchedItem, Gathered, Gathering
from agentless.runner.reading import Answer

__all__ = ["FetchedFiles", "folder_name"]

# How names of files end that have not come whole, and how old a leftover is before it is taken away; as on hosts.
PART = ".agentless-part"
OLD = 60.0
# As remote/get.py sends it at most of a file whose size is not known.
UNSIZED = 16 << 20
NAME_MAX = 255

V = TypeVar("V")


def folder_name(host: str) -> str:
    """A host's name as that of a folder: what no file name may have, and a leading dot, is written as `%2F`."""
    quoted = "".join(f"%{ord(c):02X}" if c in "/\0%" or ord(c) < 32 or ord(c) == 127 else c for c in host)
    return f"%2E{quoted[1:]}" if quoted.startswith(".") else quoted


class FetchedFiles:
    """What comes from one host.

    Args:
        folder: where it goes; made with the first thing that comes.

    Attributes:
        files, bytes: how many came whole.
        gathered: the host's last word; None until then.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.gathered: Gathered | None = None
        # Who is interrupted discards while a host's thread may write.
        self._lock = threading.Lock()
        self._closed = False
        self._reset()

    def _reset(self) -> None:
        self.files = self.bytes = self.received = 0
        self._directories: dict[str, int] = {}
        self._part: _Part | None = None
        self._swept: set[str] = set()

    def take(self, answer: Answer) -> bool:
        """Take what is about files; False: it is about something else.

        Raises:
            Unreachable: `protocol`, for what no helper says.
            Refused: `controller`: it cannot be written here.
        """
        with self._lock:
            return not self._closed and self._take(answer)

    def _take(self, answer: Answer) -> bool:
        match answer:
            case Gathering():
                self._discard()
                self._reset()
            case FetchedItem():
                self._item(answer)
            case Content(data):
                self._content(data)
            case ContentEnd(broken):
                self._end(broken=broken)
            case Gathered():
                if self._part is not None:
                    raise Unreachable("protocol", "the reply ends in the middle of a file")
                self.gathered = answer
                for path, mode in reversed(self._directories.items()):
                    self._do(path, partial(os.chmod, mode=mode))
            case _:
                return False
        return True

    def close(self) -> None:
        """Take nothing more, and take away what has not come whole."""
        with self._lock:
            self._closed = True
            self._discard()

    def _discard(self) -> None:
        if self._part is not None:
            self._part.discard()
            self._part = None

    def _item(self, item: FetchedItem) -> None:
        if self._part is not None:
            raise Unreachable("protocol", "the reply has a file within a file")
        above, _, name = item.path.rpartition("/")
        if name in ("", ".", "..") or "\0" in name or len(os.fsencode(name)) > NAME_MAX:
            raise Unreachable("protocol", f"the reply has a file named {item.path!r:.80}, which is no name")
        if above and above not in self._directories:
            raise Unreachable("protocol", f"the reply has {item.path!r:.80}, and did not have the directory before")
        if not self._directories and not self._swept:
            self._do("", lambda full: os.makedirs(full, exist_ok=True))
        if item.size is None:
            self._do(item.path, _make_directory)
            self._directories[item.path] = item.mode
            return
        if above not in self._swept:
            self._swept.add(above)
            self._do(above, _sweep)
        size = item.size
        self._part = self._do(item.path, lambda full: _Part(full, size, item.mode))

    def _content(self, data: bytes) -> None:
        part = self._part
        if part is None:
            raise Unreachable("protocol", "the reply has content of no file")
        part.received += len(data)
        if part.received > (part.size or UNSIZED):
            raise Unreachable("protocol", f"the reply has more of {part.name!r:.80} than it said there is")
        self.received += len(data)
        self._do(part.path, lambda _: part.write(data))

    def _end(self, *, broken: bool) -> None:
        part, self._part = self._part, None
        if part is None:
            raise Unreachable("protocol", "the reply has the end of no file")
        if broken:
            part.discard()
            return
        self._do(part.path, lambda _: part.finish())
        self.files += 1
        self.bytes += part.received

    def _do(self, path: str, work: Callable[[str], V]) -> V:
        full = os.path.join(self.folder, path)
        try:
            return work(full)
        except OSError as error:
            message = f"here, {full}: {error.strerror or error}"
            raise Refused("controller", message, "Nothing of it was written over.") from error


class _Part:
    """A file that grows beside its place; whoever else finds it sees by its lock that somebody is at it."""

    def __init__(self, path: str, size: int, mode: int) -> None:
        self.path, self.size, self.received = path, size, 0
        folder, self.name = os.path.split(path)
        with suppress(FileNotFoundError):
            kind = os.lstat(path).st_mode
            if not stat.S_ISREG(kind) and not stat.S_ISLNK(kind):
                raise OSError(0, "a file goes there, and something else is there")
        room = os.statvfs(folder)
        # ramfs and many of FUSE have no size at all.
        if room.f_blocks and size > room.f_bavail * room.f_frsize:
            raise OSError(0, f"{size} bytes are to come, and there is no room for them")
        self._mode = mode
        self._temporary = os.path.join(folder, f".{self.name[:60]}.{os.urandom(4).hex()}{PART}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._fd = os.open(self._temporary, flags, 0o600)
        with suppress(OSError):  # where there are no locks
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def write(self, data: bytes) -> None:
        write_all(self._fd, data)

    def finish(self) -> None:
        try:
            os.fchmod(self._fd, self._mode)
            os.fsync(self._fd)
            os.replace(self._temporary, self.path)
        except OSError:
            self.discard()
            raise
        os.close(self._fd)

    def discard(self) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self._temporary)
        os.close(self._fd)


def _make_directory(path: str) -> None:
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            raise OSError(0, "a directory goes there, and something else (or a link) is there") from None


def _sweep(folder: str) -> None:
    """Take away what an earlier command left here that was killed: nobody holds its lock."""
    for name in os.listdir(folder):
        if not name.startswith(".") or not name.endswith(PART):
            continue
        path = os.path.join(folder, name)
        with suppress(OSError):
            if abs(time.time() - os.lstat(path).st_mtime) < OLD:
                continue
            descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(path)
            finally:
                os.close(descriptor)
