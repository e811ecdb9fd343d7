"""The directory of the job cache: its names, its locks, and writes that are whole or not there."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import threading
from collections.abc import Callable, Iterable, Iterator

from agentless import files
from agentless.cache import file_names
from agentless.errors import CacheError
from agentless.locks import Lock
from agentless.model.jid import JID

__all__ = ["NO_FILE", "Folder"]

LOCK_TIMEOUT = 30.0
LOCK_POLL = 0.002
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_CHUNK = 4096
NO_FILE = (errno.EISDIR, errno.ELOOP, errno.ENXIO)  # what open and read say of a directory, a link, a socket


class Folder:
    """The files of a job cache.

    Args:
        root: the directory, made 0700 at the first write.
        warn: told, in one line, of what had to be set aside to write a file in its place.
    """

    def __init__(self, root: str | os.PathLike[str], warn: Callable[[str], None]) -> None:
        self.root = os.fspath(root)
        self._warn = warn
        self._thread = threading.RLock()
        self._lock: Lock | None = None

    def path(self, name: str) -> str:
        return f"{self.root}/{name}"

    # --- the directory itself -----------------------------------------------------------------------------------
    def check(self) -> bool:
        """Whether the directory exists; raises CacheError where it is a link, or belongs to another user."""
        with self._own("read"):
            return files.close_to_others(self.root)

    @contextlib.contextmanager
    def _own(self, what: str) -> Iterator[None]:
        try:
            with self.guard(what):
                yield
        except files.NotOwn as error:
            hint = "move it away, or set XDG_CACHE_HOME to a directory of your own (sudo keeps HOME on some systems)"
            raise CacheError(f"the job cache {self.root} {error}", hint) from error

    def make(self) -> None:
        """Make the directory where it is missing; raises CacheError."""
        with self._own("make"):
            files.make_own_directory(self.root)

    def names(self) -> set[str]:
        """All names in the directory; none where there is no directory."""
        if not self.check():
            return set()
        with self.guard("list"):
            before = os.stat(self.root).st_mtime_ns
            names = set(os.listdir(self.root))
            if os.stat(self.root).st_mtime_ns != before:
                # readdir(3) may miss a file that is renamed meanwhile, and a record is renamed once
                names.update(os.listdir(self.root))
        return names

    def exists(self, name: str) -> bool:
        return os.path.lexists(self.path(name))

    @contextlib.contextmanager
    def guard(self, what: str, name: str = "") -> Iterator[None]:
        """Let an OSError within come out as CacheError: what could not be done, and to which file."""
        try:
            yield
        except OSError as error:
            hint = "set XDG_CACHE_HOME to a directory that you can write to"
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                hint = "make room on that disk, or lower keep_jobs and run `agentless jobs prune`"
            where = self.path(name) if name else self.root
            raise CacheError(f"cannot {what} the job cache {where}: {error.strerror or error}", hint) from error

    # --- locks --------------------------------------------------------------------------------------------------
    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only writer, over threads and processes; raises CacheError after 30 s."""
        with self._thread:
            if self._lock is None or not self._lock.is_locked:
                self.make()
            if self._lock is None:
                self._lock = Lock(self.path(file_names.LOCK), timeout=LOCK_TIMEOUT, poll=LOCK_POLL)
            with self.guard("lock", file_names.LOCK):
                try:
                    self._lock.acquire()
                except TimeoutError as error:
                    raise CacheError(
                        f"another process has held {self.path(file_names.LOCK)} for {LOCK_TIMEOUT:.0f} s",
                        "look for a stopped agentless process",
                    ) from error
            try:
                yield
            finally:
                self._lock.release()

    def take_live(self, jid: JID) -> Lock:
        """The lock that says: the run of this job lives; raises CacheError where another process has it."""
        lock = Lock(self.path(jid + file_names.LIVE), timeout=1.0, poll=LOCK_POLL)
        with self.guard("lock", jid + file_names.LIVE):
            try:
                lock.acquire()
            except TimeoutError as error:
                raise CacheError(f"job {jid} is in the hands of another agentless process") from error
        return lock

    def is_live(self, jid: JID) -> bool:
        """Whether some process holds the job's lock.

        Asks with a shared lock, so that two who ask do not see each other.
        """
        import fcntl

        with self.guard("look at the lock of", jid + file_names.LIVE):
            try:
                handle = os.open(self.path(jid + file_names.LIVE), _READ)
            except FileNotFoundError:
                return False
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            finally:
                os.close(handle)
        return False

    # --- files --------------------------------------------------------------------------------------------------
    def read(self, name: str) -> bytes:
        """A whole file. Raises OSError."""
        with os.fdopen(os.open(self.path(name), _READ), "rb") as file:
            return file.read()

    def first_line(self, name: str) -> bytes:
        """The first line, without its newline; b"" where no line is whole. Raises OSError."""
        handle = os.open(self.path(name), _READ)
        try:
            data = os.read(handle, _CHUNK)
            end = data.find(b"\n")
            while end < 0:
                more = os.read(handle, len(data) + _CHUNK)
                if not more:
                    return b""
                start, data = len(data), data + more
                end = data.find(b"\n", start)
            return data[:end]
        finally:
            os.close(handle)

    def whole_lines(self, name: str) -> bytes:
        """The file up to its last newline: what follows is a write that was cut off. Raises OSError."""
        with self._regular(name) as handle:
            return _whole(handle, 0)

    def new_lines(self, name: str, head: bytes, start: int) -> bytes | None:
        """As `whole_lines`, from `start`; None where the file no longer begins with `head`. Raises OSError."""
        with self._regular(name) as handle:
            return _whole(handle, start) if os.pread(handle, len(head), 0) == head else None

    @contextlib.contextmanager
    def _regular(self, name: str) -> Iterator[int]:
        handle = os.open(self.path(name), _READ)
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise OSError(errno.EISDIR, "not a file", self.path(name))
            yield handle
        finally:
            os.close(handle)

    def open(self, name: str) -> int:
        """A descriptor of the file, to read from; raises OSError."""
        with self._regular(name) as handle:
            return os.dup(handle)

    def replace(self, name: str, data: bytes, *, sync: bool = True) -> None:
        """Write a file whole, on disk when this returns if `sync`; only under the lock. Raises OSError.

        What stands in its place and is no file is set aside.
        """
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISREG(os.lstat(self.path(name)).st_mode):
                self._warn(f"set aside {self.set_aside(name)}, which is no file of the job cache")
        files.replace_file(self.path(name), data, sync=sync)

    def append(self, name: str, lines: Iterable[bytes], *, create: bool = False) -> tuple[int, int, int]:
        """Append whole lines, or nothing; only under the lock. Raises OSError.

        Returns:
            The open descriptor, for the caller to fsync and close, the offset at which the lines begin, and how long
            they are together, in bytes.
        """
        flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_CREAT if create else 0)
        handle = os.open(self.path(name), flags, 0o600)
        try:
            size = whole_size(handle)
            try:
                length = 0
                for line in lines:
                    files.write_all(handle, line)
                    length += len(line)
            except BaseException:
                os.ftruncate(handle, size)
                raise
            return handle, size, length
        except BaseException:
            os.close(handle)
            raise

    def rename(self, old: str, new: str) -> None:
        os.rename(self.path(old), self.path(new))

    def remove(self, name: str) -> int:
        """Remove a file; the bytes on disk that this frees. A file that is gone already frees none."""
        try:
            size = os.lstat(self.path(name)).st_blocks * 512
            os.unlink(self.path(name))
        except FileNotFoundError:
            return 0
        return size

    def sync(self) -> None:
        """Bring the names to disk; raises OSError."""
        files.sync_directory(self.root)

    def set_aside(self, name: str) -> str:
        """Move a file out of the way, under the lock; returns where it lies now. Raises OSError."""
        os.makedirs(self.path(file_names.SET_ASIDE), 0o700, exist_ok=True)
        target, n = f"{file_names.SET_ASIDE}/{name}", 0
        while self.exists(target):
            n += 1
            target = f"{file_names.SET_ASIDE}/{name}.{n}"
        self.rename(name, target)
        return self.path(target)


def _whole(handle: int, start: int) -> bytes:
    pieces = []
    while piece := os.pread(handle, max(_CHUNK, os.fstat(handle).st_size - start), start):
        pieces.append(piece)
        start += len(piece)
    data = b"".join(pieces)
    return data[: data.rfind(b"\n") + 1]


def whole_size(handle: int) -> int:
    """The size up to the last newline; what a killed writer left behind it is cut off, since nobody was told of it."""
    size = os.fstat(handle).st_size
    if size == 0 or os.pread(handle, 1, size - 1) == b"\n":
        return size
    end = size
    while end > 0:
        start = max(0, end - 65536)
        newline = os.pread(handle, end - start, start).rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    os.ftruncate(handle, end)
    return end
