"""A job cache in a directory of the test's own, with a clock that the test turns."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentless.cache import JobCache
from agentless.model.job import Job


class Bench:
    """A cache, the clock it reads, and what it warned of."""

    def __init__(self, root: Path, *, keep_jobs: float = 24, max_bytes: int = 10**9) -> None:
        self.root = root
        self.now = 1_800_000_000.25
        self.warnings: list[str] = []
        self.keep_jobs = keep_jobs
        self.max_bytes = max_bytes
        self.cache = self.another()

    def another(self) -> JobCache:
        """A second one on the same directory, as another process would have it."""
        return JobCache(
            self.root,
            keep_jobs=self.keep_jobs,
            max_bytes=self.max_bytes,
            clock=lambda: self.now,
            warn=self.warnings.append,
        )

    def job(self, *hosts: str, release: bool = True, **fields: object) -> Job:
        given = {"function": "cmd.run", "arguments": ["uptime"], "target": "web*", "user": "ada", **fields}
        job = self.cache.create(hosts=hosts or ("web1",), **given)  # type: ignore[arg-type]
        if release:
            self.cache.release(job.jid)
        return job

    def files(self) -> list[str]:
        """The names there, without that of the note which job is `last`."""
        return sorted(path.name for path in self.root.iterdir() if path.name != "last")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "cache" / "jobs")
