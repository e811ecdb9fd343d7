"""What a host answers, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agentless.model.problem import Problem
from agentless.model.returns import Remains, Return

__all__ = ["Accepted", "Answer", "Chunk", "Described", "Reply", "Returned", "Stated"]


@dataclass(frozen=True, slots=True)
class Accepted:
    """The host took the job, or knew it already from an earlier try of the same dispatch."""

    jid: str
    pid: int | None
    started: float | None
    warning: Problem | None


@dataclass(frozen=True, slots=True)
class Chunk:
    """Live output: `data` of stream 1 or 2, from byte `at` on; `dropped` bytes before it are gone (the cap)."""

    stream: int
    at: int
    data: bytes
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Returned:
    """The return of a job; outputs are those of the record, capped, or empty where `streamed` says they were live."""

    jid: str
    ret: Return
    streamed: bool


@dataclass(frozen=True, slots=True)
class Stated:
    """A job without a return: `state` is running, lost, unknown or not-started.

    What `remains` is the output of a lost one, empty where `streamed` says that it was live.
    """

    jid: str
    state: str
    pid: int | None
    started: float | None
    problem: Problem | None
    remains: Remains | None = None
    streamed: bool = False


@dataclass(frozen=True, slots=True)
class Described:
    """What the host's record says the job is: the `job` frame of remote/wire.py."""

    jid: str
    record: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer of an operation that is not about returns: `kind` is one of REPLIES."""

    kind: str
    meta: Mapping[str, Any]


Answer = Accepted | Chunk | Returned | Stated | Described | Reply
