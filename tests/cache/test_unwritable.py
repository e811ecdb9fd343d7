"""A cache that cannot be written is told, and never turns into a wrong state; nothing secret is in it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from agentless.errors import CacheError
from agentless.model.job import Job
from agentless.model.problem import Problem
from agentless.model.states import Dispatched, HostResult, State
from tests.cache.conftest import Bench
from tests.cache.results import returned, running


class Blocked(Bench):
    """A cache in which nothing can be written once it is `blocked`: its lock is a directory, for root too."""

    def block(self) -> None:
        lock = self.root / "lock"
        lock.unlink(missing_ok=True)
        lock.mkdir()


@pytest.fixture
def bench(tmp_path: Path) -> Blocked:
    return Blocked(tmp_path / "cache" / "jobs")


def test_what_is_known_is_still_told_as_it_is(bench: Blocked) -> None:
    job = bench.job("web1", "web2", "web3", "web4")
    maybe = HostResult(State.PENDING, Dispatched.MAYBE, "n")
    bench.cache.record_many(job.jid, {"web1": returned(), "web2": running(), "web3": maybe})
    bench.block()
    cache = bench.another()
    assert [row.job for row in cache.rows()] == [job]
    assert cache.last() == job.jid
    assert list(cache.open_jobs()) == [job.jid]
    report = cache.current(job.jid)
    assert report is not None
    states = {host: (result.state, result.problem and result.problem.kind) for host, result in report.results.items()}
    assert states == {
        "web1": (State.RETURNED, None),
        "web2": (State.RUNNING, None),
        "web3": (State.UNREACHABLE, "controller-gone"),
        "web4": (State.NOT_STARTED, "controller-gone"),
    }
    assert report.results["web2"].as_of == bench.now


def test_whatever_writes_says_that_it_did_not(bench: Blocked) -> None:
    job = bench.job("web1", "web2")
    bench.cache.record(job.jid, "web1", running())
    bench.block()
    cache = bench.another()
    before = {path.name: path.read_bytes() for path in bench.root.iterdir() if path.is_file()}
    for write in (
        lambda: bench.another().create(function="f", arguments=(), target="t", hosts=["a"], user="u"),
        lambda: cache.record(job.jid, "web1", returned(b"x" * 5000)),
        lambda: cache.adopt(Job(job.jid, "cmd.run", ("uptime",), "web*", ("web9",), "eve", 1.0), {}),
        lambda: cache.call_off(job.jid, ["web2"], Problem("k", "m")),
        lambda: cache.abandon(job.jid),
        lambda: cache.prune(force=True),
    ):
        with pytest.raises(CacheError, match="cannot lock the job cache") as caught:
            write()
        assert caught.value.hint
    assert {path.name: path.read_bytes() for path in bench.root.iterdir() if path.is_file()} == before


def test_every_file_is_its_owners_alone_whatever_the_umask_and_the_directory_were(tmp_path: Path) -> None:
    root = tmp_path / "cache" / "jobs"
    root.mkdir(parents=True, mode=0o777)
    root.chmod(0o777)
    before = os.umask(0)
    try:
        bench = Bench(root)
        for n in range(3):
            job = bench.job("web1", "web2", release=n > 0)
            bench.cache.record(job.jid, "web1", returned(b"x" * 5000))
        bench.cache.record(job.jid, "web2", returned())
        bench.cache.cursors.advance("web1", "a", 1)
        (root / "foreign").write_text("x")
        (root / "foreign").chmod(0o600)
        bench.cache.prune(force=True)
    finally:
        os.umask(before)
    for path in (tmp_path / "cache").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
