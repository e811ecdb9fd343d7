"""Which jobs of the cache are looked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from agentless.cache.record import JobRow

__all__ = ["Search"]


@dataclass(frozen=True, slots=True)
class Search:
    """What a job must be like; None leaves it open.

    Args:
        function, target, schedule: shell patterns.
        by: who sent it.
        since, until: Unix seconds, of the start time.
        metadata: pairs that the job must carry.
        state: the job has a host in this state; `failed` is one too.
    """

    function: str | None = None
    target: str | None = None
    by: str | None = None
    since: float | None = None
    until: float | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    state: str | None = None
    schedule: str | None = None

    def finds(self, row: JobRow) -> bool:
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
