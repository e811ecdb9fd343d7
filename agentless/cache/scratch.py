"""Output on its way home: in memory while it is short, else in a file that nobody else sees, until it is recorded."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

from agentless.model.output import PIECE, StreamOutput

__all__ = ["Scratch", "Spool"]

# What a host prints mostly is shorter, and costs no file.
HELD = 1 << 16


class Scratch:
    """One file without a name for all threads of a process, in blocks of `PIECE` bytes that are taken and given back.

    It grows to what is under way at once, and is gone with the process however that ends.

    Args:
        directory: where it lies. In /tmp it might well be memory.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._descriptor = -1
        self._blocks = 0
        self._free: list[int] = []

    def take(self) -> int:
        """The number of a free block; raises OSError where no file can be had."""
        with self._lock:
            if self._descriptor < 0:
                from tempfile import TemporaryFile

                with TemporaryFile(dir=self._directory) as file:
                    self._descriptor = os.dup(file.fileno())
            if self._free:
                return self._free.pop()
            self._blocks += 1
            return self._blocks - 1

    def give(self, blocks: list[int]) -> None:
        """Nobody reads these any more."""
        with self._lock:
            self._free += blocks

    def write(self, block: int, at: int, data: bytes | bytearray | memoryview) -> int:
        """Write into a block, from its byte `at` on; how many bytes it took. Raises OSError."""
        return os.pwrite(self._descriptor, data, block * PIECE + at)

    def read(self, block: int, size: int) -> bytes:
        """The first bytes of a block."""
        return os.pread(self._descriptor, size, block * PIECE)

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)


class Spool(StreamOutput):
    """Bytes that grow by `write`.

    Where the disk is full, or no file can be had, they stay in memory: nothing is lost for that.

    Args:
        scratch: where it lies when it is long.
    """

    __slots__ = ("_blocks", "_filed", "_full", "_held", "_scratch")

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._blocks: list[int] = []
        self._filed = 0
        self._held = bytearray()
        self._full = False

    def __len__(self) -> int:
        return self._filed + len(self._held)

    def write(self, data: bytes) -> None:
        self._held += data
        if len(self._held) > HELD and not self._full:
            try:
                self._to_file()
            except OSError:
                self._full = True

    def _to_file(self) -> None:
        while self._held:
            at = self._filed % PIECE
            if at == 0 and self._filed == len(self._blocks) * PIECE:
                self._blocks.append(self._scratch.take())
            written = self._scratch.write(self._blocks[-1], at, self._held[: PIECE - at])
            del self._held[:written]
            self._filed += written

    def pieces(self) -> Iterator[bytes]:
        for number, block in enumerate(self._blocks):
            if piece := self._scratch.read(block, min(PIECE, self._filed - number * PIECE)):
                yield piece
        if self._held:
            yield bytes(self._held)

    def __del__(self) -> None:
        self._scratch.give(self._blocks)
