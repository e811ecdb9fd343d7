"""A job's output: two files that it appends to, capped by punching holes into their middle.

Where the user may not make files as large as a job may print (a hard `ulimit -f`), the job has a pipe, which its
supervisor empties: a job that only prints is not to end for that limit. What is beyond it is counted.

A record is the first `head` and the last `tail` bytes of the `size` that were written; what lies between was dropped.
"""

import os

from . import system, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# What lies there may be another's by now: nobody is waited for at the other end of a pipe.
READING = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
PAGE = 4096
# What a pipe may hold, and more than is taken from it at once.
PIPE_MAX = 1 << 20
# Below this, a hole is not worth the call.
HOLE = 1 << 20
NAMES = ("stdout", "stderr")


class Capped:
    """One output file, kept near the cap while it grows.

    Args:
        path: a file to create.
        cap: bytes kept: half of them from the start, half from the end.
    """

    def __init__(self, path: str, cap: int) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.head = cap - cap // 2
        self.tail = cap // 2
        self.size = 0
        self.uncapped = False
        self.sink = self.fd
        self.source = -1
        self.room = 0
        self.dropped = 0
        self._punched = -(-self.head // PAGE) * PAGE

    def through_pipe(self, room: int) -> None:
        """Give the job a pipe instead, of which the file takes `room` bytes."""
        self.source, self.sink = os.pipe()
        os.set_blocking(self.source, False)
        self.room = room

    def pump(self) -> bool:
        """Take what is in the pipe; False when nobody can write into it any more."""
        taken = 0
        while taken < PIPE_MAX:
            try:
                data = os.read(self.source, wire.CHUNK)
            except BlockingIOError:
                break
            if not data:
                return False
            taken += len(data)
            kept = data[: self.room]
            self.room -= len(kept)
            self.dropped += len(data) - len(kept)
            while kept:
                kept = kept[os.write(self.fd, kept) :]
        return True

    def look(self) -> int:
        """Punch what is over the cap; return by how many bytes the file grew since the last look."""
        size = os.fstat(self.fd).st_size
        grown = size - self.size
        self.size = size
        end = (size - self.tail) // PAGE * PAGE
        if end - self._punched >= HOLE:
            self._punch(end)
        return grown

    def _punch(self, end: int) -> None:
        if not self.uncapped and end > self._punched:
            self.uncapped = not system.punch(self.fd, self._punched, end)
            self._punched = end

    def close(self) -> "list[int]":
        """Head, tail and size of the record, cut between UTF-8 characters; the file is as small as it gets."""
        cuts = _cut(self.fd, self.head, self.tail)
        self.size = cuts[2]
        if self.dropped:
            # What was behind the room is gone, so there is no end to keep.
            cuts = [_boundary(self.fd, min(self.head, self.size)), 0, self.size + self.dropped]
        if self.size > self.head + self.tail:
            self._punch((self.size - self.tail) // PAGE * PAGE)
        return cuts

    def drop(self) -> bool:
        """Cut off what children that were left behind wrote after `close`, once it is over the cap; whether they write.

        They append, so that the next write goes to the end of the record again.
        """
        size = os.fstat(self.fd).st_size
        over = size - self.size > self.head + self.tail
        if over:
            os.ftruncate(self.fd, self.size)
        return over

    def keep(self, path: str, cuts: "list[int]") -> None:
        """Write the record to `path` where nothing but a link to this open file is there: its own was deleted."""
        if not os.path.islink(path):
            return
        head, tail, size = cuts
        fd = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(fd, size)
            for start, length in ((0, head), (size - tail, tail)):
                os.pwrite(fd, os.pread(self.fd, length, start), start)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(path + ".new", path)


def _cut(fd: int, head: int, tail: int) -> "list[int]":
    size = os.fstat(fd).st_size
    if size <= head + tail:
        return [size, 0, size]
    head = _boundary(fd, head)
    for byte in os.pread(fd, min(3, tail), size - tail):
        if byte & 0xC0 != 0x80:
            break
        tail -= 1
    return [head, tail, size]


def _boundary(fd: int, head: int) -> int:
    """The last offset up to `head` at which no UTF-8 character is cut."""
    before = os.pread(fd, 4, max(0, head - 4))
    for back in range(1, len(before) + 1):
        byte = before[-back]
        if byte & 0xC0 != 0x80:
            length = 1 if byte < 0xC0 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return head - back if length > back else head
    return head


def remains(folder: str, cap: int) -> "dict[str, object]":
    """What lies there of a job whose supervisor could not close its output: the fields of a return that tell it."""
    cuts = []
    for name in NAMES:
        try:
            fd = os.open(folder + "/" + name, READING)
        except OSError:
            return {}
        try:
            cuts.append(_cut(fd, cap - cap // 2, cap // 2))
        finally:
            os.close(fd)
    return cut_fields(cuts)


def cut_fields(cuts: "list[list[int]]") -> "dict[str, object]":
    """The fields of a return about these cuts of stdout and stderr."""
    fields = {"cuts": cuts}  # type: dict[str, object]
    for name, (head, tail, size) in zip(NAMES, cuts):
        fields[name + "_truncated"] = size - head - tail
    return fields


def pieces(path: str, head: int, tail: int, size: int) -> "Iterator[bytes]":
    """The record of one output file, in chunks; as far as it can be read."""
    if not head + tail:
        return
    try:
        fd = os.open(path, READING)
    except OSError:
        return
    try:
        for start, end in ((0, head), (size - tail, size)):
            while start < end:
                try:
                    data = os.pread(fd, min(wire.CHUNK, end - start), start)
                except OSError:
                    # A pipe in its place, or a disk that fails.
                    return
                if not data:
                    break
                start += len(data)
                yield data
    finally:
        os.close(fd)


class Growing:
    """One output file read while the job appends to it, from an offset on; never a byte of a hole."""

    def __init__(self, path: str, at: int, cap: int) -> None:
        self.fd = os.open(path, READING)
        self.at = at
        self.whole = at == 0
        self._head = cap - cap // 2
        self._tail = cap // 2

    def next(self, limit: "int | None" = None) -> "tuple[int, int, bytes] | None":
        """What comes next, as (offset, bytes dropped there, data); None while there is nothing.

        `limit` is the size of the record where the job has ended.
        """
        size = os.fstat(self.fd).st_size
        if size < self.at:
            # The job truncated its own output.
            self.at, self.whole = 0, False
        end = size if limit is None else min(size, limit)
        if self.at >= end:
            return None
        start = self.at
        data = os.pread(self.fd, min(wire.CHUNK, end - start), start)
        # A hole may have been punched since: only head and tail of the size as it is now are certain to be data.
        size = os.fstat(self.fd).st_size
        certain = size - self._tail
        if size <= self._head + self._tail or start >= certain:
            pass
        elif start < self._head:
            data = data[: self._head - start]
        else:
            self.at, self.whole = certain, False
            return start, certain - start, b""
        self.at += len(data)
        return (start, 0, data) if data else None
