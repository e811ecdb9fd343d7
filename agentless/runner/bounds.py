"""What one call may take of this machine: time, bytes and answers. The other side may be hostile, hung or just slow."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from agentless.errors import Unreachable
from agentless.remote import wire
from agentless.runner.frames import Frame

__all__ = ["Bounds", "records_max"]

# Between two frames; of a job that is followed, three beats.
SILENCE = 3 * wire.BEAT
# Who has not looked for a while finds what has come in the meantime.
LOOK = 5.0
# Of such an operation as a whole, where records are of the usual size at most. One of 20 MiB takes half of it over a
# line of 0.5 Mbit/s.
WHOLE = 600.0
# Of such an operation, noise and all.
BYTES_MAX = 1 << 30
# Other frames than output: a hundred fires of a schedule and the records of fifty jobs are some hundreds.
FRAMES_MAX = 50_000
META_MAX = 16 << 20
# Of files that are fetched: a million of them, with their names.
COPIED_FRAMES_MAX = 2_000_000
COPIED_META_MAX = 1 << 30
# Of a stream of a record, where this controller's own cap is lower: others may have sent the job, or had a larger one.
STREAM_MAX = 3 * wire.CAP
# They come once in a call: the helper asks to be sent, and then for what belongs to the request.
ONCE = ("need", "ready")


def records_max(jobs: int, cap: int) -> int:
    """Bytes of records that one reply may have.

    Args:
        jobs: how many jobs the request is about. Besides them comes a portion of what was waited for, of which the
            first may be of any size.
        cap: bytes of each stream that records keep.
    """
    return (jobs + 1) * 2 * max(cap, STREAM_MAX) + wire.WANT_BYTES


class Bounds:
    """The bounds of one call, which is told what comes and asked how long to wait.

    Args:
        follows: the call waits for a job: once that is there, nothing but the job ends it, as long as beats come.
        copies: the call copies files, which may be of any size: silence ends it, and time or bytes don't.
        cap: bytes of each output stream that records keep.
        seconds: how long the job is followed from its first word on; None is to its end.
        clock: seconds that only grow.

    Attributes:
        spoke: the helper has answered.
    """

    # Start-up files may be slow; a login shell that runs something else never answers.
    first_answer = 60.0

    def __init__(
        self,
        *,
        follows: bool,
        copies: bool = False,
        cap: int = wire.CAP,
        seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.spoke = False
        self._seconds = seconds
        self._leave_at: float | None = None
        self._whole = math.inf if copies else WHOLE * max(1.0, cap / wire.CAP)
        self._bytes_max = math.inf if follows or copies else BYTES_MAX
        self._frames_max = COPIED_FRAMES_MAX if copies else FRAMES_MAX
        self._meta_max = COPIED_META_MAX if copies else META_MAX
        self._follows = follows
        self._clock = clock
        self._began = self._heard = clock()
        self._waits = self._in_record = False
        self._bytes = 0
        self._frames = 0
        self._meta = 0
        self._seen: set[str] = set()

    def left(self) -> float:
        """Seconds that may pass before the next bound, or before looking again."""
        now = self._clock()
        if self._waits:
            left = max(LOOK, self._heard + SILENCE - now)
            return left if self._leave_at is None else max(0.0, min(left, self._leave_at - now))
        first = self._began + self.first_answer if not self.spoke else self._heard + SILENCE
        return max(0.0, min(first, self._began + self._whole) - now)

    @property
    def leaves(self) -> bool:
        """The job has been followed for long enough; a record that has begun comes to its end."""
        return self._waits and self._leave_at is not None and self._clock() >= self._leave_at

    @property
    def silent(self) -> bool:
        """Nothing has answered, and the time for that is over."""
        return not self.spoke and self.left() <= 0

    def nothing_came(self) -> None:
        """Nothing did for as long as `left` said: raises Unreachable where a job is followed, whose helper beats."""
        if self._waits and self._clock() >= self._heard + SILENCE:
            raise Unreachable("connection-lost", f"no sign of life of the helper for {SILENCE:.0f} s")

    def check(self) -> None:
        """Raises Unreachable where an answer that has begun takes too long."""
        if self.spoke and not self.leaves and self.left() <= 0:
            too_long = self._clock() >= self._began + self._whole
            seconds = self._whole if too_long else SILENCE
            what = "the reply did not end" if too_long else "no answer in the middle of the reply"
            raise Unreachable("connection-lost", f"{what} within {seconds:.0f} s")

    def sent(self, seconds: float) -> None:
        """So much of the time went into sending, which is bounded by itself."""
        self._began += seconds
        self._heard += seconds

    def received(self, count: int) -> None:
        """Bytes have come in."""
        self._bytes += count
        if self._bytes > self._bytes_max:
            raise Unreachable("protocol", f"the host sent more than {BYTES_MAX >> 20} MiB in one reply")

    def frame(self, frame: Frame) -> None:
        """A frame has come in."""
        self.spoke = True
        self._heard = self._clock()
        kind = frame.kind
        if kind in ONCE:
            if kind in self._seen:
                raise Unreachable("protocol", f"the host asks twice for what it has got ({kind})")
            self._seen.add(kind)
            return
        if self._waits and kind == "rec":
            # A record that has begun comes to its end, also behind a job that took days: it takes room.
            self._began = self._heard
        self._in_record = kind == "rec" or (self._in_record and kind not in ("return", "state"))
        self._waits = self._follows and not self._in_record
        if self._waits and self._leave_at is None and self._seconds is not None:
            self._leave_at = self._heard + self._seconds
        if kind in ("out", "gap", "rec", "beat", "data"):
            return
        self._frames += 1
        self._meta += frame.size
        if self._frames > self._frames_max or self._meta > self._meta_max:
            raise Unreachable("protocol", f"the reply has no end: {self._frames} answers, {self._meta >> 20} MiB")
