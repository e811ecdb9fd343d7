"""What a host gave back for a job: its return, or what a lost one left."""

from __future__ import annotations

from agentless.model.output import EMPTY, StreamOutput
from agentless.model.times import Moment
from agentless.values import dataclass

__all__ = ["Remains", "Return"]


class Streams:
    """Both streams as bytes, of what has them as outputs."""

    __slots__ = ()
    out: StreamOutput
    err: StreamOutput

    @property
    def stdout(self) -> bytes:
        """The bytes kept of stdout, read now; raises CacheError where they can be read no more."""
        return self.out.read()

    @property
    def stderr(self) -> bytes:
        """As `stdout`, of stderr."""
        return self.err.read()

    @property
    def text(self) -> str:
        r"""`stdout` as text; a byte that is not UTF-8 stands as `\xNN`. Raises as `stdout`."""
        return self.stdout.decode("utf-8", "backslashreplace")

    @property
    def stderr_text(self) -> str:
        """As `text`, of stderr."""
        return self.stderr.decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class Return(Streams):
    """What one host gave back for one job.

    Args:
        retcode: 0..255, or None when a signal ended the job.
        signal: the number of the signal that ended it, or None.
        ended_by: `exit`, `timeout`, `signal`, or `signal-job:USER@CONTROLLER`.
        out, err: the bytes kept of stdout and stderr, wherever they lie.
        stdout_truncated, stderr_truncated: the bytes dropped from the middle.
        pid: the job's first process.
        started, finished: Unix seconds, the host's clock.
        duration: seconds, from the host's monotonic clock.
        left_running: descendants that were alive when the first process was reaped.
        uncapped: the file system cannot punch holes, so the output was not bounded while it grew.
    """

    retcode: int | None
    signal: int | None
    ended_by: str
    out: StreamOutput = EMPTY
    err: StreamOutput = EMPTY
    stdout_truncated: int = 0
    stderr_truncated: int = 0
    pid: int | None = None
    started: float | None = None
    finished: float | None = None
    duration: float | None = None
    left_running: int = 0
    uncapped: bool = False

    started_at = Moment("started")
    finished_at = Moment("finished")

    @property
    def ok(self) -> bool:
        """Whether it did what it was to do: it left by itself, with 0. The opposite of `failed`.

        What was cut off, at its deadline or by a signal, has failed, also where its handler left with 0.
        """
        return self.retcode == 0 and self.ended_by == "exit"


@dataclass(frozen=True, slots=True)
class Remains(Streams):
    """The output of a job that is lost, as far as it lay on the host: the bytes kept, and how many were dropped."""

    out: StreamOutput = EMPTY
    err: StreamOutput = EMPTY
    stdout_truncated: int = 0
    stderr_truncated: int = 0
