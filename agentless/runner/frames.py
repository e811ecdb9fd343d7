"""The controller's end of the wire: frames out of a stream that may hold anything else besides."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from agentless.errors import Unreachable
from agentless.regex import regex
from agentless.remote import wire
from agentless.values import dataclass

__all__ = ["Decoder", "Frame"]

NOISE_KEPT = 4096
_LENGTHS = regex(rb"(\d{1,8}) (\d{1,8})\n")


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a reply: its JSON of `size` bytes, whose `t` names the kind, and the raw bytes that follow it."""

    meta: Mapping[str, Any]
    body: bytes = b""
    size: int = field(default=0, compare=False)

    @property
    def kind(self) -> str:
        kind = self.meta.get("t")
        return kind if isinstance(kind, str) else ""


class Decoder:
    """Frames marked with one call's nonce; whatever stands between them is noise (banners, start-up files).

    The reply comes from a machine that may be hostile: sizes are bounded, and a frame that breaks the bounds or is
    no JSON object ends the call with `Unreachable("protocol")`.
    """

    def __init__(self, nonce: str) -> None:
        self._mark = b"\x1e" + nonce.encode("ascii") + b" "
        self._header_room = len(self._mark) + 18
        self._buffer = bytearray()
        self._noise = b""

    @property
    def noise(self) -> bytes:
        """The end of what was no frame, for messages about a helper that never spoke."""
        return (self._noise + bytes(self._buffer))[-NOISE_KEPT:]

    def forget(self) -> None:
        """Begin anew: what came so far belongs to a call that has ended."""
        self._buffer.clear()
        self._noise = b""

    def feed(self, data: bytes) -> list[Frame]:
        """Take the next bytes of the stream; return the frames that are complete now."""
        self._buffer += data
        frames = []
        while (frame := self._next()) is not None:
            frames.append(frame)
        return frames

    def _next(self) -> Frame | None:
        start = self._buffer.find(self._mark)
        if start < 0:
            # The end may hold the first bytes of a mark.
            self._drop(max(0, len(self._buffer) - len(self._mark) + 1))
            return None
        self._drop(start)
        header = _LENGTHS.match(self._buffer, len(self._mark))
        if header is None:
            if len(self._buffer) >= self._header_room:
                raise Unreachable("protocol", "the reply has a damaged frame header")
            return None
        meta_len, body_len = int(header[1]), int(header[2])
        if meta_len > wire.META_MAX or body_len > wire.BODY_MAX:
            raise Unreachable("protocol", f"the reply has a frame of {meta_len} + {body_len} bytes: over the limit")
        end = header.end() + meta_len + body_len
        if len(self._buffer) < end:
            return None
        raw = bytes(self._buffer[header.end() : header.end() + meta_len])
        body = bytes(self._buffer[header.end() + meta_len : end])
        del self._buffer[:end]
        try:
            meta = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise Unreachable("protocol", f"the reply has a frame that is no JSON: {error}") from error
        if not isinstance(meta, dict):
            raise Unreachable("protocol", "the reply has a frame that is no JSON object")
        return Frame(meta, body, meta_len)

    def _drop(self, count: int) -> None:
        if count:
            self._noise = (self._noise + bytes(self._buffer[:count]))[-NOISE_KEPT:]
            del self._buffer[:count]
