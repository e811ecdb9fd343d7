"""What a host answers, as values: read from the frames of a reply that may say anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentless.errors import Refused, Unreachable
from agentless.model.answers import Accepted, Answer, Chunk, Described, Reply, Returned, Stated
from agentless.model.jid import JID
from agentless.model.problem import Problem
from agentless.model.returns import Remains, Return
from agentless.runner.frames import Frame

__all__ = ["Reading"]

REPLIES = ("running", "found", "signalled", "pong", "pushed", "entry", "event", "schedule", "seen")
# Of records in one reply: far above what a host keeps of a job, and what it brings home of others.
RECORDS_MAX = 512 << 20


class Reading:
    """The answers of one reply; a record's output comes in pieces before the return that it belongs to."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, int], bytearray] = {}
        self._received = 0

    def read(self, frame: Frame) -> Answer | None:
        """What the frame says; None where more has to come, or where a newer helper says what we don't know.

        Raises:
            Refused: the host answered and will not do it.
            Unreachable: `protocol`, for what no helper says.
        """
        meta = frame.meta
        kind = frame.kind
        if kind in ("refused", "error"):
            raise Refused(_text(meta, "kind"), _text(meta, "message"), _text(meta, "hint"))
        if kind in REPLIES:
            return Reply(kind, meta)
        jid = _text(meta, "jid")
        if not JID.fullmatch(jid):
            raise Unreachable("protocol", f"the reply names {jid!r}, which is not a JID")
        if kind == "out":
            return Chunk(_stream(meta), _count(meta, "at"), frame.body)
        if kind == "gap":
            return Chunk(_stream(meta), _count(meta, "at"), b"", dropped=_count(meta, "n"))
        if kind == "rec":
            self._received += len(frame.body)
            if self._received > RECORDS_MAX:
                raise Unreachable("protocol", f"the host sent more than {RECORDS_MAX >> 20} MiB of output in one reply")
            self._records.setdefault((jid, _stream(meta)), bytearray()).extend(frame.body)
            return None
        if kind == "return":
            return self._returned(jid, meta)
        if kind == "accepted":
            return Accepted(jid, _number(meta, "pid"), _stamp(meta, "started"), _problem(meta.get("warning")))
        if kind == "state":
            problem = _problem(meta) if meta.get("kind") else _problem(meta.get("warning"))
            pid, started, streamed = _number(meta, "pid"), _stamp(meta, "started"), bool(meta.get("streamed"))
            return Stated(jid, _text(meta, "state"), pid, started, problem, self._remains(jid, meta), streamed)
        if kind == "job":
            return Described(jid, meta)
        return None

    def _remains(self, jid: str, meta: Mapping[str, Any]) -> Remains | None:
        if meta.get("state") != "lost" or _number(meta, "stdout_truncated") is None:
            return None
        return Remains(
            bytes(self._records.pop((jid, 1), b"")),
            bytes(self._records.pop((jid, 2), b"")),
            _count(meta, "stdout_truncated"),
            _count(meta, "stderr_truncated"),
        )

    def _returned(self, jid: str, meta: Mapping[str, Any]) -> Returned:
        return Returned(
            jid,
            Return(
                retcode=_number(meta, "retcode"),
                signal=_number(meta, "signal"),
                ended_by=_text(meta, "ended_by"),
                stdout=bytes(self._records.pop((jid, 1), b"")),
                stderr=bytes(self._records.pop((jid, 2), b"")),
                stdout_truncated=_count(meta, "stdout_truncated"),
                stderr_truncated=_count(meta, "stderr_truncated"),
                pid=_number(meta, "pid"),
                started=_stamp(meta, "started"),
                finished=_stamp(meta, "finished"),
                duration=_stamp(meta, "duration"),
                left_running=_count(meta, "left_running"),
                uncapped=bool(meta.get("uncapped")),
            ),
            streamed=bool(meta.get("streamed")),
        )


def _text(meta: Mapping[str, Any], key: str) -> str:
    value = meta.get(key)
    return value if isinstance(value, str) else ""


def _number(meta: Mapping[str, Any], key: str) -> int | None:
    value = meta.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _count(meta: Mapping[str, Any], key: str) -> int:
    return max(0, _number(meta, key) or 0)


def _stream(meta: Mapping[str, Any]) -> int:
    return 2 if meta.get("s") == 2 else 1


def _stamp(meta: Mapping[str, Any], key: str) -> float | None:
    value = meta.get(key)
    # A float outside of the calendar would crash the rendering.
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 2**33:
        return float(value)
    return None


def _problem(value: object) -> Problem | None:
    if not isinstance(value, Mapping):
        return None
    return Problem(_text(value, "kind"), _text(value, "message"), _text(value, "hint"))
