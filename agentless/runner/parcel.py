"""What `put` sends: files and directories of this machine, looked at once and read anew for each host."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from agentless.errors import UsageError
from agentless.values import dataclass

__all__ = ["Parcel", "ParcelItem", "pack"]

PIECE = 1 << 18
# Small files go together: a packet for each line and each length would cost more than they do.
TOGETHER = 1 << 16
BROKEN = 0xFFFFFFFF
# What stands in an error; the rest is counted.
TOLD = 5


@dataclass(frozen=True, slots=True)
class ParcelItem:
    """A file or a directory.

    Args:
        name: its path below the destination.
        path: where it is here.
        mode: its permissions; what makes a file run as its owner is not copied.
        size: of a file; None is a directory.
    """

    name: str
    path: str
    mode: int
    size: int | None


@dataclass(frozen=True, slots=True)
class Parcel:
    """Directories come before what is in them.

    Args:
        into: only a directory can take it: there are several things, or directories.
        make: that directory is made where it is missing.
    """

    items: tuple[ParcelItem, ...]
    into: bool
    make: bool

    @property
    def size(self) -> int:
        """Bytes of all files, as they were looked at."""
        return sum(item.size or 0 for item in self.items)

    @property
    def files(self) -> int:
        """How many files there are."""
        return sum(item.size is not None for item in self.items)

    def stream(self, sent: Callable[[int], None]) -> Iterator[bytes]:
        """What goes to the helper's stdin, as remote/put.py has it.

        Args:
            sent: told of the bytes of content that have gone out.
        """
        waiting: list[bytes] = []
        size = content = 0
        for piece, bytes_in_it in self._pieces():
            waiting.append(piece)
            size += len(piece)
            content += bytes_in_it
            if size >= TOGETHER:
                yield b"".join(waiting)
                sent(content)
                waiting, size, content = [], 0, 0
        yield b"".join(waiting)
        sent(content)

    def _pieces(self) -> Iterator[tuple[bytes, int]]:
        for item in self.items:
            fields = {"path": item.name, "mode": item.mode, **({} if item.size is None else {"size": item.size})}
            yield json.dumps(fields).encode("ascii") + b"\n", 0
            if item.size is not None:
                yield from _content(item.path)
        yield b"\n", 0


def pack(sources: Sequence[str | Path], *, into: bool) -> Parcel:
    """Look at what is to be sent. A directory goes by its name with all that is in it; `directory/` is what is in it.

    Links are followed: what they lead to is sent.

    Args:
        sources: paths of this machine.
        into: the destination says by itself that it is a directory.

    Raises:
        UsageError: something is not there, cannot be read, is neither file nor directory, or two would have one name.
    """
    items: dict[str, ParcelItem] = {}
    wrong: list[str] = []
    for source in sources:
        path = os.fspath(source)
        if not path or "\0" in path:
            raise UsageError("the name of a file to send is empty" if not path else "no file name has a NUL byte")
        name = "" if path.endswith("/") else os.path.basename(path)
        name = "" if name in (".", "..") else name
        of_source = list(_look(path, name, (), wrong))
        both = [item for item in of_source if item.name in items]
        # Directories of one name become one.
        if twice := next((item for item in both if {item.size, items[item.name].size} != {None}), None):
            where = items[twice.name].path
            raise UsageError(
                f"{where} and {twice.path} would both become {twice.name}", "Send them one after the other."
            )
        items.update((item.name, item) for item in of_source)
    if wrong:
        more = f"; and {len(wrong) - TOLD} more" if len(wrong) > TOLD else ""
        raise UsageError("; ".join(wrong[:TOLD]) + more, "Nothing was sent.")
    folders = any(item.size is None for item in items.values()) or any(str(source).endswith("/") for source in sources)
    return Parcel(tuple(items.values()), into or folders or len(sources) > 1, into or folders)


def _look(path: str, name: str, above: tuple[tuple[int, int], ...], wrong: list[str]) -> Iterator[ParcelItem]:
    try:
        info = os.stat(path)
        mode = stat.S_IMODE(info.st_mode) & 0o777
        if stat.S_ISREG(info.st_mode) and name:
            with open(path, "rb"):
                yield ParcelItem(name, path, mode, info.st_size)
        elif not stat.S_ISDIR(info.st_mode):
            what = "is a file" if stat.S_ISREG(info.st_mode) else "is neither a file nor a directory"
            wrong.append(f"{path} {what}" + (", and no directory" if not name else ""))
        elif (info.st_dev, info.st_ino) in above:
            wrong.append(f"{path} is a link that leads back to a directory that it is in")
        else:
            if name:
                yield ParcelItem(name, path, mode, None)
            for one in sorted(os.listdir(path)):
                below = os.path.join(path, one), os.path.join(name, one)
                yield from _look(*below, (*above, (info.st_dev, info.st_ino)), wrong)
    except OSError as error:
        wrong.append(f"{path}: {error.strerror or error}")


def _content(path: str) -> Iterator[tuple[bytes, int]]:
    """A file in pieces, each behind its length, and the end."""
    try:
        with open(path, "rb", buffering=0) as file:
            while data := file.read(PIECE):
                yield len(data).to_bytes(4, "big") + data, len(data)
    except OSError:
        # It is gone, or its disk fails: what is there already must not be taken for the whole.
        yield BROKEN.to_bytes(4, "big"), 0
    else:
        yield bytes(4), 0
