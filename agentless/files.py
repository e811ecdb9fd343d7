"""Files on the controller: replaced in one step, in directories that are the user's own."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

__all__ = [
    "TEMPORARY",
    "NotOwn",
    "close_to_others",
    "is_special",
    "make_own_directory",
    "read_file",
    "read_stream",
    "replace_file",
    "replace_file_by",
    "sync_directory",
    "unless_full",
    "write_all",
    "write_stream",
]

TEMPORARY = ".tmp"
"""How the names of temporary files end. One that is left was its writer's when that was killed."""

StrPath = str | os.PathLike[str]


class NotOwn(Exception):
    """A directory is not one that only this user can have made; the text says what it is: `is a link`."""


def read_file(path: StrPath, mib: int) -> bytes:
    """What is in a file that a person names, which may be a pipe, or a device that never ends.

    Args:
        mib: MiB that it may have.

    Raises:
        OSError: it cannot be read, or has more, as `strerror` says.
        ValueError: its name has a NUL byte, or a character that no file name has.
    """
    with open(path, "rb") as file:
        return read_stream(file, mib)


def read_stream(file: IO[bytes], mib: int) -> bytes:
    """As `read_file`, of what is open; where it does not block, what is still to come is waited for."""
    # All at once, room for the most would be asked for, which `ulimit -v` may deny.
    pieces = []
    left = (mib << 20) + 1
    while left:
        piece: bytes | None = file.read(min(left, 1 << 20))
        if piece is None:
            _await(file, select.POLLIN)
        elif piece:
            pieces.append(piece)
            left -= len(piece)
        else:
            break
    if not left:
        raise OSError(errno.EFBIG, f"it has more than {mib} MiB")
    return b"".join(pieces)


def replace_file(path: StrPath, data: bytes, *, mode: int | None = 0o600, sync: bool = True) -> None:
    """`replace_file_by` with all of the content at once."""
    replace_file_by(path, [data], mode=mode, sync=sync)


def replace_file_by(path: StrPath, pieces: Iterable[bytes], *, mode: int | None = None, sync: bool = True) -> None:
    """Write a file in one step: also after a power cut, its content is the old one or the new one, whole.

    Args:
        pieces: of the new content.
        mode: of the file, whatever the umask; None keeps that of the file which is replaced, and leaves that of a new
            one to the umask.
        sync: False does not wait for the disk: after a power cut the file may be empty.

    Raises:
        OSError: it cannot be written; the old file is as it was. Nor is a device or a pipe replaced: /dev/null is
            everybody's.
    """
    path = os.fspath(path)
    if is_special(path):
        raise OSError(errno.EINVAL, "it is a device or a pipe")
    directory, name = os.path.split(path)
    temporary = os.path.join(directory, f".{name[:100]}.{os.getpid()}-{os.urandom(4).hex()}{TEMPORARY}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o666 if mode is None else mode)
    try:
        try:
            if mode is None:
                with contextlib.suppress(FileNotFoundError):
                    mode = stat.S_IMODE(os.stat(path).st_mode)
            if mode is not None:
                os.fchmod(descriptor, mode)
            for piece in pieces:
                write_all(descriptor, piece)
            if sync:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def sync_directory(directory: StrPath) -> None:
    """Bring the names in a directory to disk; raises OSError."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def unless_full() -> Iterator[None]:
    """Leave undone what finds no room on the disk; raises every other OSError."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise


def is_special(path: StrPath) -> bool:
    """Whether something else than a file or a directory is there, or at the end of the link: a device, a pipe."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of it: one write, and more only where the system took less; raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def write_stream(file: IO[bytes], data: bytes) -> None:
    """Write all of it, at once; raises OSError.

    Python's own `write` takes a part only, and does not say so, where PYTHONUNBUFFERED has it buffer nothing and a
    signal comes, or where the file does not block: node and ssh leave terminals and pipes like that.
    """
    raw = getattr(file, "raw", file)
    view = memoryview(data)
    while view:
        written = raw.write(view)
        if written is None:
            _await(raw, select.POLLOUT)
        else:
            view = view[written:]


def _await(file: IO[bytes], event: int) -> None:
    """Wait until a file that does not block has something, or takes something."""
    poll = select.poll()
    poll.register(file, event)
    poll.poll()


def close_to_others(directory: StrPath) -> bool:
    """Make sure that only this user can read a directory and write to it (0700).

    Returns:
        False where it does not exist.

    Raises:
        NotOwn: it is a link, no directory, or belongs to another user.
        OSError: it cannot be looked at, or its mode cannot be changed.
    """
    try:
        status = os.lstat(directory)
    except FileNotFoundError:
        return False
    if not stat.S_ISDIR(status.st_mode):
        raise NotOwn("is a link" if stat.S_ISLNK(status.st_mode) else "is no directory")
    if status.st_uid != os.geteuid():
        raise NotOwn(f"belongs to uid {status.st_uid}, not to uid {os.geteuid()}")
    if stat.S_IMODE(status.st_mode) & 0o077:
        os.chmod(directory, 0o700)
    return True


def make_own_directory(directory: StrPath) -> None:
    """Make a directory that only this user can read, and those above it, where they are missing.

    Raises:
        NotOwn: as `close_to_others`.
        OSError: it cannot be made.
    """
    if close_to_others(directory):
        return
    place = Path(os.path.abspath(directory))
    for folder in [*reversed(place.parents), place]:
        if not folder.is_dir():
            # Another process may be faster.
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder, 0o700)
                # Its user can enter it, whatever the umask.
                os.chmod(folder, 0o700)
    close_to_others(directory)
