"""A job cache, and what contacts hosts of a test's making."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agentless.cache import JobCache
from agentless.inventory import Overrides
from agentless.inventory.search import Sources
from agentless.inventory.selection import Selection
from agentless.inventory.vault import Vault
from agentless.model.jid import JID
from agentless.model.job import Report
from agentless.model.requests import Caller
from agentless.model.states import HostResult, State
from agentless.runner.contact import Contact
from tests.runner.lying import LyingHosts

Made = Callable[..., Report]


@contextmanager
def unwatched() -> Iterator[None]:
    yield


class Bench:
    """A controller with its job cache, and hosts `web1` and `web2` in its inventory.

    Attributes:
        warnings: what the cache warned of.
    """

    def __init__(self, folder: Path) -> None:
        self.warnings: list[str] = []
        self.cache = JobCache(folder / "jobs", keep_jobs=24, max_bytes=1 << 30, warn=self.warnings.append)
        self.selection = self.select("web1,web2")

    def select(self, hosts: str, limit: str | None = None) -> Selection:
        vault = Vault([], lambda prompt: None)
        return Selection(
            lambda: Sources((hosts,), "`inventory`"), Overrides(), limit, self.report, self.warnings.append, vault
        )

    def contact(self, hosts: LyingHosts) -> Contact:
        caller = Caller("ada@laptop", 168.0, 1 << 30)
        return Contact(
            hosts,
            self.cache,
            10,
            caller,
            1 << 20,
            self.selection.learned,
            lambda job: True,
            lambda waiting, total: unwatched(),
        )

    def job(self, **results: HostResult) -> Report:
        """A job in the cache, with its hosts as they stand, whose run is gone unless one is pending."""
        made = self.cache.create(
            function="cmd.run", arguments=["true"], target="all", hosts=results, user="ada", become=""
        )
        known = {host: result for host, result in results.items() if result.state is not State.PENDING}
        self.cache.record_many(made.jid, known)
        if len(known) == len(results):
            self.cache.release(made.jid)
        return Report(made, results)

    def report(self, word: str) -> Report:
        report = self.cache.load(JID(word))
        assert report is not None
        return report


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with an inventory of web1, for all that a Fleet reads and writes."""
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    (tmp_path / "inventory.yaml").write_text("all: {hosts: {web1: {}}}\n")
    return tmp_path
