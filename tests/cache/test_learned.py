"""Jobs that were only learned of: what is known of them, and that they never drive out the jobs sent from here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from agentless.cache import pruning
from agentless.errors import AnotherJob
from agentless.model.jid import JID
from agentless.model.job import Job, Origin
from agentless.model.problem import Problem
from agentless.model.states import Dispatched, HostResult, State
from tests.cache.conftest import Bench
from tests.cache.results import returned, running
from tests.hosts.needs import need

HOUR = 3600.0
THEIRS = JID("20261122095039579207")


def learned(jid: str = THEIRS, **fields: object) -> Job:
    told = {"function": "cmd.run", "arguments": ("id",), "target": "all", "hosts": ("web1",), "user": "eve", **fields}
    return Job(jid=jid, start_time=1.0, **told)  # type: ignore[arg-type]


def listed(bench: Bench) -> list[str]:
    return [row.job.jid for row in bench.cache.rows()]


def test_one_that_runs_has_each_host_in_its_state_and_whom_it_runs_as(bench: Bench) -> None:
    problem = Problem("connect-timeout", "no answer")
    results = {
        "web1": returned(b"x" * 3000),
        "web2": running(),
        "web3": HostResult(State.UNREACHABLE, Dispatched.YES, problem=problem),
    }
    job = learned(hosts=("web1", "web2", "web3", "web4"), login="deploy", become="sudo:root")
    bench.cache.adopt(job, results)
    report = bench.another().load(THEIRS)
    assert report is not None
    assert report.job == replace(job, origin=Origin.LEARNED)
    others = dict(report.results)
    assert others.pop("web4").state is State.UNREACHABLE
    assert others == results
    assert set(bench.cache.wanted(["web1", "web2", "web3", "web4"])) == {"web2", "web3", "web4"}
    bench.cache.record_many(THEIRS, {"web2": returned(), "web3": returned(), "web4": returned()})
    assert list(bench.cache.open_jobs()) == []
    assert [row.summary["returned"] for row in bench.cache.rows()] == [4]


def test_what_a_later_host_knows_of_it_is_added(bench: Bench) -> None:
    nothing_known = learned(function="", arguments=(), target="", user="")
    bench.cache.adopt(nothing_known, {"web1": returned()})
    bench.cache.adopt(learned(hosts=("web2",), become="sudo:root", login="deploy"), {"web2": running()})
    bench.cache.adopt(nothing_known, {"web1": returned(b"another")})
    report = bench.cache.load(THEIRS)
    assert report is not None
    assert (report.job.arguments, report.job.login, report.job.become) == (("id",), "deploy", "sudo:root")
    assert report.results == {"web1": returned(), "web2": running()}
    with pytest.raises(AnotherJob):
        bench.cache.adopt(learned(arguments=("rm",)), {})


def test_a_job_sent_from_here_gets_no_hosts_that_others_name(bench: Bench) -> None:
    own = bench.job("web1", arguments=["id"], become="")
    bench.cache.record(own.jid, "web1", running())
    told = learned(own.jid, hosts=("web1", "eve"), login="eve", become="sudo:eve")
    bench.cache.adopt(told, {"web1": returned(), "eve": returned(b"x" * 5000)})
    report = bench.cache.load(own.jid)
    assert report is not None
    assert (report.job, report.results) == (own, {"web1": returned()})


def test_what_is_remembered_says_when_the_host_last_said_it(bench: Bench) -> None:
    job = bench.job()

    def as_of() -> float | None:
        report = bench.another().load(job.jid)
        assert report is not None
        return report.results["web1"].as_of

    assert as_of() is None
    bench.cache.record(job.jid, "web1", running())
    assert as_of() == (first := bench.now)
    bench.now += 5
    bench.cache.record(job.jid, "web1", running())
    assert as_of() == first
    bench.now += 3 * HOUR
    bench.cache.record(job.jid, "web1", running())
    assert as_of() == (heard := bench.now)
    bench.now += HOUR
    bench.cache.record(job.jid, "web1", HostResult(State.UNREACHABLE, Dispatched.YES, problem=Problem("k", "m")))
    assert as_of() == heard


def theirs(bench: Bench, names: Iterable[int], host: str, size: int = 10) -> list[JID]:
    jids = [JID(f"20990101000000{n:06}") for n in names]
    for jid in jids:
        bench.now += 1
        bench.cache.adopt(learned(jid, hosts=(host,)), {host: returned(b"x" * size)})
    return jids


def test_learned_jobs_have_a_number_of_their_own_and_the_host_that_told_of_most_loses_its_oldest(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    need("many seconds")
    monkeypatch.setattr(pruning, "LEARNED_JOBS", 10)
    own = [bench.job().jid for _ in range(15)]
    bench.cache.record_many(own[0], {"web1": returned()})
    honest = theirs(bench, [1, 2, 3], "honest")
    # its newest JIDs come first: by those it would outlive everybody
    flood = theirs(bench, range(100, 60, -1), "eve")
    bench.cache.prune(force=True)
    assert set(own) | set(honest) <= set(listed(bench))
    assert sorted(set(listed(bench)) - set(own) - set(honest)) == sorted(flood[-7:])


def test_learned_jobs_have_half_of_the_disk_and_go_before_those_sent_from_here(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "jobs", max_bytes=400_000)
    flood = theirs(bench, range(10), "eve", 50_000)
    bench.cache.prune(force=True)
    left = set(flood) & set(listed(bench))
    assert left == set(flood[-len(left) :])
    assert 1 <= len(left) <= 3
    own = []
    for _ in range(6):
        own.append(bench.job().jid)
        bench.cache.record(own[-1], "web1", returned(b"x" * 50_000))
    bench.now += 1
    bench.cache.prune(force=True)
    assert set(own) <= set(listed(bench))
    for _ in range(6):
        bench.now += 1
        own.append(bench.job().jid)
        bench.cache.record(own[-1], "web1", returned(b"x" * 50_000))
    bench.cache.prune(force=True)
    assert sorted(listed(bench)) == own[-len(listed(bench)) :]


def test_a_flood_is_pruned_while_it_comes(tmp_path: Path) -> None:
    need("many seconds")
    bench = Bench(tmp_path / "jobs", max_bytes=400_000)
    theirs(bench, range(60), "eve", 20_000)
    assert sum(path.stat().st_size for path in bench.root.iterdir()) < 400_000


def test_one_from_the_future_is_pruned_by_when_it_was_heard_of(bench: Bench) -> None:
    (jid,) = theirs(bench, [1], "eve")
    bench.now += 23 * HOUR
    assert bench.cache.prune(force=True).jobs == ()
    bench.now += 2 * HOUR
    assert bench.cache.prune(force=True).jobs == (jid,)
