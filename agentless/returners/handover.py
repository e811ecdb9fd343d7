"""What a returner gets: the end of one job on one host; and the errors by which it says that it has not taken it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Protocol

from agentless.model.job import Job
from agentless.model.states import HostResult
from agentless.values import dataclass

__all__ = ["Handover", "HostEnd", "NotTaken", "Unavailable"]


@dataclass(frozen=True, slots=True)
class HostEnd:
    """The end of a job on a host: its return, or why there is none.

    Args:
        job: the job.
        host: the inventory name.
        result: where the host stands for good.
    """

    job: Job
    host: str
    result: HostResult

    @property
    def output_size(self) -> int:
        """How many bytes it printed, as far as they are kept; raises CacheError where they cannot be read."""
        output = self.result.output
        return sum(len(piece) for one in (output.out, output.err) for piece in one.pieces()) if output else 0

    def to_json(self) -> dict[str, Any]:
        """The host object of `jobs lookup --out json`, with the job's own fields and `host` ahead of it."""
        return {**self.job.to_json(), "host": self.host, **self.result.to_json()}

    def encode(self) -> bytes:
        """That as one line of JSON in ASCII."""
        return json.dumps(self.to_json()).encode("ascii") + b"\n"


class NotTaken(Exception):
    """The returner refuses this return; it may well take others. The text says why, and has no secret."""


class Unavailable(Exception):
    """The returner takes nothing now. The text says why, and has no secret."""


class Handover(Protocol):
    """One kind of returner.

    Attributes:
        batch: how many returns it takes at once.
    """

    @property
    def batch(self) -> int: ...

    def give(self, ends: Sequence[HostEnd], until: float) -> None:
        """Hand over some returns; it has all of them when this comes back.

        Args:
            ends: at most `batch`.
            until: when to give up, in seconds of `time.monotonic`.

        Raises:
            NotTaken, Unavailable: it has not, or perhaps not, all of them.
        """

    def cancel(self) -> None:
        """Let a `give` of another thread end soon."""

    def close(self) -> None:
        """Let go of connections."""
