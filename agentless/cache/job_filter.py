"""Which jobs of the cache are looked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from fnmatch import fnmatchcase

from agentless.errors import UsageError
from agentless.model.job import JobRow, Report
from agentless.model.states import STATE_WORDS
from agentless.suggest import one_of
from agentless.values import dataclass

__all__ = ["NO_SCHEDULE", "JobFilter"]

# No entry has an empty name.
NO_SCHEDULE = ""


@dataclass(frozen=True, slots=True)
class JobFilter:
    """What a job must be like; None leaves it open.

    Args:
        function: shell patterns with commas between them.
        target: a shell pattern.
        host: a shell pattern; the job was sent to such a host, and with `state` it stands like that there.
        schedule: a shell pattern of the entry that fired it; `*` is any. `NO_SCHEDULE`: no entry did.
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
    host: str | None = None

    def __post_init__(self) -> None:
        if self.state is not None and self.state not in STATE_WORDS:
            raise UsageError(f"{self.state!r} is no state of a job's host", one_of(self.state, STATE_WORDS))

    def matches(self, row: JobRow) -> bool:
        """Whether a job of the cache is like this, as far as its row tells: how a host stands, its report does."""
        job = row.job
        return (
            (self.function is None or any(fnmatchcase(job.function, one.strip()) for one in self.function.split(",")))
            and (self.target is None or fnmatchcase(job.target, self.target))
            and (self.by is None or job.user == self.by)
            and (self.since is None or job.start_time >= self.since)
            and (self.until is None or job.start_time <= self.until)
            and all(job.metadata.get(key) == value for key, value in self.metadata.items())
            and (self.state is None or row.summary[self.state] > 0)
            and self._fired(job.schedule)
            and (self.host is None or any(map(self._names, job.hosts)))
        )

    @property
    def needs_report(self) -> bool:
        """Whether a row alone cannot tell: a state is asked of one host."""
        return self.host is not None and self.state is not None

    def matches_report(self, report: Report) -> bool:
        """Whether a host of this name is in that state."""
        return any(
            self._names(name) and (result.failed if self.state == "failed" else result.state.value == self.state)
            for name, result in report.results.items()
        )

    def _names(self, host: str) -> bool:
        return self.host is not None and fnmatchcase(host, self.host)

    def _fired(self, entry: str | None) -> bool:
        if self.schedule is None:
            return True
        if self.schedule == NO_SCHEDULE:
            return entry is None
        return entry is not None and fnmatchcase(entry, self.schedule)
