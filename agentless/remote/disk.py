"""Files on a host: replaced in one step, and on the disk when the function returns."""

import errno
import os

from . import system, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Bytes that a return takes.
ROOM = 4096
FULL = (errno.ENOSPC, errno.EDQUOT)


def refusal(kind: str, e: OSError, state_dir: str) -> "tuple[str, str, str]":
    """Kind, message and hint of what could not be done; of another kind where there is no place for what is written."""
    if e.errno in FULL:
        kind, hint = "disk-full", "make room on that file system, or set agentless_state_dir"
    elif e.errno == errno.EROFS:
        # As where it is so at the first call, of which the loader speaks.
        kind, hint = "state-dir", "set agentless_state_dir"
    else:
        return kind, str(e), ""
    return kind, "state directory %s: %s" % (state_dir, e.strerror), hint


def write(path: str, value: "dict[str, Any]") -> None:
    """Replace the file by `value` as JSON, all of it or nothing."""
    new = "%s.%d" % (path, os.getpid())
    try:
        put(new, value)
        os.rename(new, path)
    except OSError:
        remove(new)
        raise


def put(path: str, value: "dict[str, Any]") -> None:
    """Write a new file with `value` as JSON, on disk when this returns."""
    store(path, wire.dumps(value).encode("ascii"))


def store(path: str, data: bytes) -> None:
    """Write a new file, on disk when this returns."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        write_all(fd, data)
        os.fsync(fd)
    finally:
        os.close(fd)


def reserve(path: str) -> None:
    """Make a new file with room for a return, which `place` finds there."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        try:
            # The blocks are taken at once; bytes that were only written may find none when they go to the disk.
            os.posix_fallocate(fd, 0, ROOM)
        except (AttributeError, OSError) as e:
            if getattr(e, "errno", 0) in FULL:
                raise
            # macOS has no such call, and some file systems can't do it.
            write_all(fd, bytes(ROOM))
            os.fsync(fd)
    finally:
        os.close(fd)


def place(path: str, value: "dict[str, Any]") -> None:
    """Write `value` over the room reserved at PATH.new, and put it in its place: a full disk does not keep it out."""
    data = wire.dumps(value).encode("ascii")
    fd = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        write_all(fd, data)
        os.ftruncate(fd, len(data))
        os.fsync(fd)
    finally:
        os.close(fd)
    os.rename(path + ".new", path)
    sync(os.path.dirname(path))


def stamp(path: str) -> None:
    """Give a file, made where it is missing, the present time."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    os.utime(path, None)


def write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def sync(path: str) -> None:
    """Put a directory's entries on disk."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as e:
        # Some network file systems refuse to sync a directory, and have no need of it.
        if e.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(fd)


def load(path: str) -> "dict[str, Any] | None":
    """The JSON object in a file, or None where there is no such file or it is torn."""
    try:
        value = wire.loads(system.read(path, wire.REQUEST_MAX * 2).decode("utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def remove(path: str) -> None:
    """Remove a file or a directory of files; what is not there is gone already."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    except OSError as e:
        if e.errno not in (errno.EISDIR, errno.EPERM):
            raise
        for name in os.listdir(path):
            remove(path + "/" + name)
        os.rmdir(path)
