"""Files that a controller sends: each is written beside its place and renamed into it when it has come whole.

What comes on stdin is a sequence of items: one line of JSON {path, mode, size} (a directory has no size), and of a file
its content in pieces, each behind its length in 4 bytes (big-endian). A piece of no bytes ends it; the length 2**32 - 1
says that the controller could not read it to its end. An empty line ends the sequence.
"""

# ruff: noqa: SIM105 (contextlib costs an import)

import _signal  # type: ignore[import-not-found]  # signal costs an import of enum
import errno
import fcntl
import os
import stat
import time

from . import disk, paths, wire
from .call import Gone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO

    from .call import Call

BROKEN = 0xFFFFFFFF
LINE_MAX = 1 << 16
# So much may wait for the disk: else one that is slow would keep the controller waiting at the end.
UNSYNCED = 32 << 20
# What makes a file on the host another's to read or write, beside owner and mode.
KEPT = ("security.selinux", "system.posix_acl_access")
FATAL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def put(call: "Call") -> None:
    """Take what comes and answer `stored`; what fails is told, and the rest goes on, but on a full disk."""
    for number in (_signal.SIGHUP, _signal.SIGTERM, _signal.SIGINT):
        _signal.signal(number, _gone)
    request = call.request
    arrival = Arrival(open(0, "rb", closefd=False))  # noqa: SIM115 (stdin stays open)
    given = wire.raw(request["path"])
    try:
        base = arrival.base(given, request)
    except KeyError:
        call.refuse("no-such-user", "%s: there is no such user" % request["path"])
    except (OSError, paths.Unfit) as e:
        call.refuse(*paths.problem(e, given))
    else:
        try:
            arrival.take(base)
        except OSError as e:
            kind, message, hint = paths.problem(e, base)
            done = "Files that had come before, whole: %d." % arrival.files if arrival.files else ""
            call.refuse(kind, message, " ".join(filter(None, (hint, done))))
        else:
            failures = arrival.failures
            call.say(
                "stored",
                path=paths.text(base),
                files=arrival.files,
                bytes=arrival.bytes,
                failed=failures.told,
                failures=failures.count,
            )
            call.bring()


def _gone(number: int, frame: "Any") -> None:
    raise Gone


class Arrival:
    """The files of one call, as they come. `base` tells where they go: a directory, or the one file's own place."""

    def __init__(self, stream: "BinaryIO") -> None:
        self.files = self.bytes = 0
        self.failures = paths.Failures()
        self._stream = stream
        self._into = False
        self._swept = set()  # type: set[bytes]
        self._closed = set()  # type: set[bytes]
        self._modes = []  # type: list[tuple[bytes, int]]

    def base(self, given: bytes, request: "dict[str, Any]") -> bytes:
        path = paths.expand(given)
        self._into = request["into"] or os.path.isdir(path)
        if request["make"]:
            # An existing one keeps its mode; others are made as mkdir(1) makes them.
            os.umask(request["umask"])
            try:
                os.makedirs(path, exist_ok=True)
            except FileExistsError:
                raise paths.Unfit("not-a-directory", "something else than a directory is there", "") from None
            os.umask(0o77)
        elif self._into and not os.path.isdir(path):
            there = os.path.lexists(path)
            hint = "" if there else "Written with a / at its end, it is made."
            raise paths.Unfit("not-a-directory" if there else "no-such-directory", "no directory is there", hint)
        folder = path if self._into else os.path.dirname(path.rstrip(b"/"))
        if not os.path.isdir(folder):
            hint = "Write DIRECTORY/ to have it made."
            raise paths.Unfit("no-such-directory", "there is no directory %s" % paths.text(folder), hint)
        return path

    def take(self, base: bytes) -> None:
        folders = set()  # type: set[bytes]
        while True:
            line = self._stream.readline(LINE_MAX)
            if line == b"\n":
                break
            if line[-1:] != b"\n":
                raise Gone
            item = wire.loads(line.decode("ascii"))
            name = wire.raw(item["path"])
            path = os.path.join(base, name) if self._into else base
            if os.path.dirname(path) in self._closed:
                self._pass_over(path, item)
                continue
            try:
                if "size" in item:
                    self._file(path, item)
                    folders.add(os.path.dirname(path))
                else:
                    self._directory(path, item["mode"])
            except (OSError, paths.Unfit) as e:
                if getattr(e, "errno", 0) in FATAL:
                    raise
                self.failures.add(e, path)
                if "size" not in item:
                    self._closed.add(path)
        for path, mode in reversed(self._modes):
            os.chmod(path, mode)
        for path in folders:
            if os.path.isdir(path):
                disk.sync(path)  # type: ignore[arg-type]

    def _pass_over(self, path: bytes, item: "dict[str, Any]") -> None:
        """What is in a directory that was not made, or not entered; why is told once, of that one."""
        self.failures.count += 1
        if "size" not in item:
            self._closed.add(path)
            return
        for _ in Pieces(self._stream):
            pass

    def _directory(self, path: bytes, mode: int) -> None:
        place = paths.trusted(path)
        try:
            os.mkdir(place, 0o700)
        except FileExistsError:
            if not os.path.isdir(place):
                raise paths.Unfit(
                    "not-a-directory", "a directory goes there, and something else is there", ""
                ) from None
            return
        # What the directory above passes on, such as its group, stays.
        kept = os.stat(place).st_mode & 0o7000
        os.chmod(place, kept | mode | 0o700)
        if mode & 0o700 != 0o700:
            self._modes.append((place, kept | mode))

    def _file(self, path: bytes, item: "dict[str, Any]") -> None:
        rest = Pieces(self._stream)
        try:
            self._write(paths.trusted(path), item, rest)
        except (OSError, paths.Unfit) as e:
            if getattr(e, "errno", 0) not in FATAL:
                for _ in rest:
                    pass
            raise
        self.files += 1

    def _write(self, place: bytes, item: "dict[str, Any]", pieces: "Pieces") -> None:
        old = None
        if os.path.lexists(place):
            old = os.lstat(place)
            if stat.S_ISDIR(old.st_mode):
                raise IsADirectoryError(errno.EISDIR, "a file goes there, and a directory is there")
            if not stat.S_ISREG(old.st_mode):
                raise paths.Unfit("special-file", "neither a file nor a directory is there", "")
        folder, name = os.path.split(place)
        self._sweep(folder)
        room = os.statvfs(folder)
        # ramfs and many of FUSE have no size at all.
        if room.f_blocks and item["size"] > room.f_frsize * (room.f_bavail if os.geteuid() else room.f_bfree):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        part = os.path.join(folder, b".%s.%s%s" % (name[:100], os.urandom(4).hex().encode(), paths.PART))
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            try:
                _lock(fd)
                self._fill(fd, pieces)
                if old is not None:
                    _liken(fd, place, old)
                os.fchmod(fd, item["mode"])
                os.fsync(fd)
            finally:
                os.close(fd)
            os.rename(part, place)
        except BaseException:
            try:
                os.unlink(part)
            except FileNotFoundError:
                # Somebody cleaned up here.
                pass
            raise

    def _fill(self, fd: int, pieces: "Pieces") -> None:
        unsynced = 0
        for data in pieces:
            disk.write_all(fd, data)
            self.bytes += len(data)
            unsynced += len(data)
            if unsynced >= UNSYNCED:
                os.fsync(fd)
                unsynced = 0
        if pieces.broken:
            raise paths.Unfit("source", "it could not be read to its end on the controller", "")

    def _sweep(self, folder: bytes) -> None:
        """Take away what an earlier call left here that was killed, or lost its power: nobody holds its lock."""
        if folder in self._swept:
            return
        self._swept.add(folder)
        for name in os.listdir(folder):
            if name[:1] != b"." or not name.endswith(paths.PART):
                continue
            try:
                path = os.path.join(folder, name)
                if abs(time.time() - os.lstat(path).st_mtime) < paths.OLD:
                    continue
                fd = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
                try:
                    if _lock(fd):
                        os.unlink(path)
                finally:
                    os.close(fd)
            except OSError:
                # It is another user's, or was just taken away.
                continue


class Pieces:
    """The content of the file whose line was just read; `broken` tells, at its end, that it is not all of it."""

    def __init__(self, stream: "BinaryIO") -> None:
        self._stream = stream
        self._ended = self.broken = False

    def __iter__(self) -> "Any":
        while not self._ended:
            length = int.from_bytes(self._read(4), "big")
            if length in (0, BROKEN):
                self._ended, self.broken = True, length == BROKEN
            while not self._ended and length:
                data = self._read(min(length, wire.CHUNK))
                length -= len(data)
                yield data

    def _read(self, count: int) -> bytes:
        data = self._stream.read(count)
        if len(data) < count:
            raise Gone
        return data


def _lock(fd: int) -> bool:
    """Whether nobody else holds the file; where there are no locks, nobody is known to."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _liken(fd: int, place: bytes, old: "os.stat_result") -> None:
    """Give a new file what the old one had in its place, as writing over it would have left it: owner, group, label."""
    for uid, gid in ((old.st_uid, old.st_gid), (-1, old.st_gid)):
        try:
            os.fchown(fd, uid, gid)
            break
        except PermissionError:
            # Only root gives files away, and others give them to groups of their own.
            continue
    for name in KEPT:
        try:
            os.setxattr(fd, name, os.getxattr(place, name))
        except (OSError, AttributeError):
            # There is none, or this system has none.
            continue
