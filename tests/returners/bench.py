"""A job cache, the returners of a configuration file, and what is told while they are handed what they have not had."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agentless.cache import JobCache
from agentless.config import Config, load
from agentless.model.job import Job
from agentless.model.states import HostResult
from agentless.returners.delivery import ReturnDelivery
from tests.cache.results import returned


class Bench:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.environ: dict[str, str] = {"HOME": str(root), "PATH": "/usr/bin:/bin"}
        self.warnings: list[str] = []
        self.notes: list[str] = []
        self.config = Config()
        self.now = 1_800_000_000.0

    def configure(self, text: str) -> Config:
        """Write a configuration file, and read it."""
        (self.root / "config.yaml").write_text(text)
        return self.configured()

    def configured(self) -> Config:
        """Read the configuration file that is there."""
        self.config = load(self.root / "config.yaml", self.environ)
        return self.config

    @property
    def cache(self) -> JobCache:
        """A new one each time, as another process would have it."""
        return JobCache(
            self.root / "cache" / "jobs",
            keep_jobs=24,
            max_bytes=10**9,
            returners=self.config.returner,
            clock=lambda: self.now,
            warn=self.warnings.append,
        )

    def job(self, results: Mapping[str, HostResult] | None = None, *, returners: tuple[str, ...] = ()) -> Job:
        """A job that was sent and whose run is over, with what its hosts returned."""
        results = {"web1": returned(), "web2": returned(b"two\n", 3)} if results is None else results
        cache = self.cache
        job = cache.create(
            function="cmd.run", arguments=["id"], target="all", hosts=results, user="ada", returners=returners
        )
        cache.record_many(job.jid, results)
        cache.release(job.jid)
        return job

    def deliver(self) -> list[str]:
        """Hand over, as the end of a command does; returns what was warned of."""
        del self.warnings[:]
        source = self.config.source or ""
        ReturnDelivery(
            self.cache, self.config.returners, source, self.environ, self.warnings.append, self.notes.append
        ).run()
        return self.warnings

    def owed(self) -> dict[str, int]:
        """By returner, how many returns it has not had."""
        counts: dict[str, int] = {}
        for debt in self.cache.debts():
            for name, count in debt.count().items():
                counts[name] = counts.get(name, 0) + count
        return counts

    def lines(self, name: str) -> list[dict[str, Any]]:
        """The lines of JSON in a file of the directory."""
        path = self.root / name
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
