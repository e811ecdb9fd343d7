"""Output in the second file of a job's record, which is read when it is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator

from agentless.cache.json_line import DamagedRecord
from agentless.cache.record_lines import Place, decode_output
from agentless.errors import CacheError
from agentless.model.output import PIECE, StreamOutput

__all__ = ["OutputFile", "StoredOutput"]


class OutputFile:
    """The second file of a job's record, open: what is pruned meanwhile can be read on. Closed when nobody has it.

    Args:
        path: its name, for messages.
        descriptor: becomes this object's.
    """

    __slots__ = ("_descriptor", "path")

    def __init__(self, path: str, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    def __del__(self) -> None:
        os.close(self._descriptor)

    def lines(self, place: Place) -> Iterator[bytes]:
        """The lines at this place; raises DamagedRecord where they are not whole, and OSError."""
        at, end = place[0], place[0] + place[1]
        pieces: list[bytes] = []
        while at < end and (block := os.pread(self._descriptor, min(PIECE, end - at), at)):
            at += len(block)
            first, *others = block.split(b"\n")
            pieces.append(first)
            for other in others:
                yield b"".join(pieces)
                pieces = [other]
        if at < end or any(pieces):
            raise DamagedRecord("it ends in the middle of a line")

    def check(self, place: Place, host: str) -> None:
        """Read through a host's lines, and keep nothing; raises as `lines`, also where they are another's."""
        for line in self.lines(place):
            decode_output(line, host)


class StoredOutput(StreamOutput):
    """One stream of one host.

    Args:
        file: the job's second file.
        place: where the host's lines lie in it.
        host: whose they must be.
        stream: 1 or 2.
    """

    __slots__ = ("_file", "_host", "_place", "_stream")

    def __init__(self, file: OutputFile, place: Place, host: str, stream: int) -> None:
        self._file = file
        self._place = place
        self._host = host
        self._stream = stream

    def pieces(self) -> Iterator[bytes]:
        try:
            for line in self._file.lines(self._place):
                if piece := decode_output(line, self._host)[self._stream - 1]:
                    yield piece
        except (OSError, DamagedRecord) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise CacheError(f"the output of {self._host} in {self._file.path} cannot be read: {reason}") from error
