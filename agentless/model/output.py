"""What one stream of a job gave back, wherever its bytes lie: in memory, or in a file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from agentless.values import dataclass

__all__ = ["EMPTY", "PIECE", "InMemory", "StreamOutput"]

PIECE = 1 << 18
"""Bytes of the largest piece that a StreamOutput is read in."""


class StreamOutput(ABC):
    """The bytes of stdout or stderr. They are read when they are asked for; two with the same bytes are equal."""

    __slots__ = ()

    @abstractmethod
    def pieces(self) -> Iterator[bytes]:
        """The bytes in order, in pieces that are not empty; what lies in a file is never in memory as a whole.

        Raises:
            CacheError: it lies in the job cache, and cannot be read there.
        """

    def read(self) -> bytes:
        """All of the bytes; raises as `pieces`."""
        return b"".join(self.pieces())

    def head(self, limit: int) -> bytes:
        """The first `limit` bytes, or all where there are no more; raises as `pieces`."""
        data = b""
        for piece in self.pieces():
            data += piece
            if len(data) >= limit:
                break
        return data[:limit]

    def tail(self, limit: int) -> bytes:
        """The last `limit` bytes, or all where there are no more; raises as `pieces`."""
        data = b""
        for piece in self.pieces():
            data = (data + piece)[-limit:]
        return data

    def __reduce__(self) -> tuple[type[StreamOutput], tuple[bytes]]:
        # A report goes to another process, or into a file, with its bytes: where they lie is known here only.
        return InMemory, (self.read(),)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StreamOutput) and self.read() == other.read()

    def __hash__(self) -> int:
        return hash(self.head(64))


@dataclass(frozen=True, slots=True, eq=False)
class InMemory(StreamOutput):
    """Bytes in memory."""

    data: bytes = b""

    def pieces(self) -> Iterator[bytes]:
        for start in range(0, len(self.data), PIECE):
            yield self.data[start : start + PIECE]

    def read(self) -> bytes:
        return self.data


EMPTY = InMemory()
