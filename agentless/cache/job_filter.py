"""Which jobs of the cache are looked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from fnmatch import fnmatchcase

from agentless.errors import UsageError
from agentless.model.job import JobRow
from agentless.model.states import State
from agentless.suggest import one_of
from agentless.values import dataclass

__all__ = ["JobFilter"]

_STATES = (*(state.value for state in State), "failed")


@dataclass(frozen=True, slots=True)
class JobFilter:
    """What a job must be like; None leaves it open.

    Args:
        function, target, schedule: shell patterns.
        by: who sent it.
        since, until: Unix seconds, of the start time.
        metadata: pairs that the job must carry.
        state: the job has a host in this state; `failed` is one too.

    Raises:
        UsageError: there is no such state.
    """

    function: str | None = None
    target: str | None = None
    by: str | None = None
    since: float | None = None
    until: float | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    state: str | None = None
    schedule: str | None = None

    def __post_init__(self) -> None:
        if self.state is not None and self.state not in _STATES:
            raise UsageError(f"{self.state!r} is no state of a job's host", one_of(self.state, _STATES))

    def matches(self, row: JobRow) -> bool:
        """Whether a job of the cache is like this."""
        job = row.job
        return (
            (self.function is None or fnmatchcase(job.function, self.function))
            and (self.target is None or fnmatchcase(job.target, self.target))
            and (self.by is None or job.user == self.by)
            and (self.since is None or job.start_time >= self.since)
            and (self.until is None or job.start_time <= self.until)
            and all(job.metadata.get(key) == value for key, value in self.metadata.items())
            and (self.state is None or row.summary[self.state] > 0)
            and (self.schedule is None or (job.schedule is not None and fnmatchcase(job.schedule, self.schedule)))
        )
