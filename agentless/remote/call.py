"""One call of a controller: its request, what follows on stdin, and the frames of the answer on stdout."""

import os

from . import disk, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from . import records  # noqa: F401 (a comment names it)


class Gone(Exception):
    """Nobody reads the answers any more."""


def jid_of(request: "dict[str, Any]") -> str:
    """The JID in what is asked; ValueError where it is none."""
    jid = request.get("jid")
    if not wire.is_jid(jid):
        raise ValueError("not a JID: %r" % (jid,))
    return str(jid)


class Call:
    """One call: what it asks, and where the answers go. Its `request` and `book`, the records here, come with `main`.

    Args:
        nonce: marks the frames of the answer.
        sections: bytes that follow on stdin.
        bring: answers what the controller still waits for from earlier calls.
    """

    book = None  # type: records.Records  # type: ignore[assignment]

    def __init__(
        self,
        nonce: str,
        sections: int,
        bring: "Callable[[Call], None]",
    ) -> None:
        self.nonce = nonce
        self.request = {}  # type: dict[str, Any]
        self.sections = sections
        self._bring = bring

    def say(self, t: str, body: "Any" = b"", **meta: "Any") -> None:
        """Answer one frame, whose kind is `t`."""
        meta["t"] = t
        try:
            disk.write_all(1, wire.encode(self.nonce, meta, body))
        except BrokenPipeError as e:
            raise Gone from e

    def pour(self, t: str, data: bytes, at: "int | None" = None, **meta: "Any") -> None:
        """Answer `data`, which is at offset `at`, in frames that no other writer can tear.

        A process that a start-up file left behind may print into the same pipe; there, what is written at once stays
        whole up to PIPE_BUF (pipe(7)).
        """
        for start in range(0, len(data), wire.WHOLE):
            if at is not None:
                meta["at"] = at + start
            self.say(t, data[start : start + wire.WHOLE], **meta)

    def refuse(self, kind: str, message: str, hint: str = "") -> None:
        t = "refused" if self.request.get("op") == "run" else "error"
        self.say(t, jid=str(self.request.get("jid") or ""), kind=kind, message=message, hint=hint)

    def take(self, length: int) -> "Any":
        """The next `length` bytes of stdin, in chunks."""
        while length:
            data = os.read(0, min(length, wire.CHUNK))
            if not data:
                raise Gone
            length -= len(data)
            self.sections -= len(data)
            yield data

    def drain(self) -> None:
        """Read what nobody wants, so that the controller is not left waiting to send it."""
        for _ in self.take(self.sections):
            pass

    def bring(self) -> None:
        """Answer, beside what is asked, what the controller still waits for."""
        self._bring(self)
