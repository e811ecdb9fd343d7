"""Which jobs a list is about."""

from __future__ import annotations

from typing import Any

import pytest

from agentless.cache import JobFilter
from agentless.errors import UsageError
from agentless.runner.recorded import listed
from tests.cache.conftest import Bench
from tests.cache.results import returned

HERE = 1_800_000_000.0


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, "abc"),
        ({"function": "cmd.*"}, "abc"),
        ({"function": "CMD.*"}, ""),
        ({"target": "db*"}, "b"),
        ({"target": "web[12]"}, "a"),
        ({"by": "ada"}, "ac"),
        ({"by": "a*"}, ""),
        ({"since": HERE + 10}, "bc"),
        ({"until": HERE + 10}, "a"),
        ({"since": HERE + 10, "until": HERE + 99}, "b"),
        ({"metadata": {"ticket": "7"}}, "b"),
        ({"metadata": {"ticket": "7", "by": "x"}}, ""),
        ({"schedule": "night*"}, "c"),
        ({"schedule": "*"}, "c"),
        ({"schedule": ""}, "ab"),
        ({"function": "cmd.script,cmd.run"}, "abc"),
        ({"function": "cmd.script, jobs.*"}, ""),
        ({"host": "web1"}, "abc"),
        ({"host": "web2"}, "c"),
        ({"host": "web?"}, "abc"),
        ({"host": "db1"}, ""),
        ({"state": "pending"}, "c"),
        ({"state": "returned"}, "ab"),
        ({"state": "failed"}, "b"),
        ({"state": "lost"}, ""),
        ({"by": "ada", "state": "failed"}, ""),
    ],
)
def test_a_job_must_be_all_that_is_asked(bench: Bench, wanted: dict[str, Any], found: str) -> None:
    jobs = {"a": bench.job("web1", target="web1", user="ada")}
    bench.cache.record(jobs["a"].jid, "web1", returned())
    bench.now += 50
    jobs["b"] = bench.job("web1", target="db1", user="bob", metadata={"ticket": "7"})
    bench.cache.record(jobs["b"].jid, "web1", returned(retcode=3))
    bench.now += 50
    jobs["c"] = bench.job("web1", "web2", target="all", user="ada", schedule="nightly")
    names = {job.jid: name for name, job in jobs.items()}
    rows = filter(JobFilter(**wanted).matches, bench.cache.rows())
    assert sorted(names[row.job.jid] for row in rows) == sorted(found)


def test_a_state_that_is_none_is_refused_with_the_one_that_was_meant() -> None:
    with pytest.raises(UsageError, match="'retruned' is no state of a job's host") as caught:
        JobFilter(state="retruned")
    assert caught.value.hint == "Did you mean returned?"


def test_a_state_is_that_of_the_host_where_one_is_named(bench: Bench) -> None:
    """A job that failed elsewhere has not failed on this host."""
    job = bench.job("web1", "web2")
    bench.cache.record(job.jid, "web1", returned())
    bench.cache.record(job.jid, "web2", returned(retcode=3))
    for host, state, found in [
        ("web1", "failed", 0),
        ("web2", "failed", 1),
        ("web*", "failed", 1),
        ("web1", "lost", 0),
    ]:
        wanted = JobFilter(host=host, state=state)
        assert len(listed(bench.cache.rows(), wanted, None, bench.cache.load).rows) == found
