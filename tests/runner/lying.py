"""Hosts that answer what a test wants: what a hostile or broken one sends, no real one can be made to send."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Iterable, Sequence
from typing import Any

from agentless.cache.scratch import Scratch
from agentless.errors import HostError
from agentless.model.endpoint import Endpoint
from agentless.transport.channel import Channel, Connector, Link

JID = "20261122095039579207"
END: tuple[dict[str, Any], bytes] = ({"t": "end"}, b"")
CUT = b""
SCRATCH = Scratch(tempfile.gettempdir())

# A frame as JSON and body, the bytes of the META of one, or CUT.
Piece = tuple[dict[str, Any], bytes] | bytes


class Lying(Channel, Link):
    """One connection whose host answers with these pieces."""

    def __init__(self, pieces: Iterable[Piece]) -> None:
        self._pieces = iter(pieces)
        self._nonce = ""
        self.user = "ada"

    def exec(self, line: str, *, pty: bool = False, once: bool = False) -> Channel:
        words = [word.strip("'") for word in line.split()]
        self._nonce = next(word for word in words if len(word) == 16 and set(word) <= set("0123456789abcdef"))
        return self

    def recv(self, timeout: float) -> tuple[int, bytes]:
        piece = next(self._pieces, CUT)
        if piece == CUT:
            return 0, b""
        # json writes Infinity and NaN, too: so may a host.
        head, body = (piece, b"") if isinstance(piece, bytes) else (json.dumps(piece[0]).encode(), piece[1])
        return 1, b"\x1e%s %d %d\n%s%s" % (self._nonce.encode(), len(head), len(body), head, body)

    def send(self, data: bytes, timeout: float) -> None: ...

    def exit_status(self) -> int | None:
        return 0

    def close(self) -> None: ...

    def __enter__(self) -> Lying:
        return self

    def __exit__(self, *exception: object) -> None: ...


class LyingHosts(Connector):
    """Connections by host, one after the other: pieces, or why there is none; the last one for ever.

    Attributes:
        calls: how many were made, by host.
    """

    def __init__(self, **hosts: Sequence[Iterable[Piece] | HostError]) -> None:
        self._hosts = {host: list(calls) for host, calls in hosts.items()}
        self._lock = threading.Lock()
        self.calls = dict.fromkeys(hosts, 0)

    def connect(self, endpoint: Endpoint) -> Link:
        with self._lock:
            self.calls[endpoint.name] += 1
            calls = self._hosts[endpoint.name]
            answer = calls.pop(0) if len(calls) > 1 else calls[0]
        if isinstance(answer, HostError):
            raise answer
        return Lying(answer)

    def close(self) -> None: ...


def told(jid: str, *frames: dict[str, Any]) -> list[Piece]:
    """Frames about one job."""
    return [({"jid": jid, **meta}, b"") for meta in frames]
