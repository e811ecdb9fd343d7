"""What leaves the cache, and what must not."""

from __future__ import annotations

from pathlib import Path

from agentless.model.jid import JID
from agentless.model.job import Job
from agentless.model.states import Dispatched, HostResult, State
from tests.cache.conftest import Bench
from tests.cache.results import returned, running

HOUR = 3600.0


def test_keep_jobs_counts_from_the_last_event_and_not_from_the_start(bench: Bench) -> None:
    early, late = bench.job(), bench.job()
    bench.cache.record(early.jid, "web1", returned())
    bench.now += 20 * HOUR
    bench.cache.record(late.jid, "web1", returned())
    bench.now += 5 * HOUR
    assert bench.cache.prune(force=True).jobs == (early.jid,)
    assert [row.job.jid for row in bench.cache.rows()] == [late.jid]
    bench.now += 20 * HOUR
    assert bench.cache.prune(force=True).jobs == (late.jid,)
    assert list(bench.cache.rows()) == []


def test_a_job_with_hosts_that_have_not_ended_is_kept_for_keep_returns(bench: Bench) -> None:
    job = bench.job("web1", "web2", keep_returns=100.0)
    bench.cache.record_many(job.jid, {"web1": returned(), "web2": running()})
    bench.now += 99 * HOUR
    assert bench.cache.prune(force=True).jobs == ()
    bench.now += 2 * HOUR
    assert bench.cache.prune(force=True).jobs == (job.jid,)


def test_a_job_of_a_run_that_lives_is_never_pruned(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "jobs", max_bytes=1)
    job = bench.job(release=False, keep_returns=1.0)
    bench.now += 10_000 * HOUR
    other = bench.another()
    assert other.prune(force=True).jobs == ()
    bench.cache.record(job.jid, "web1", returned())
    assert other.prune(force=True).jobs == ()
    bench.cache.release(job.jid)
    assert other.prune(force=True).jobs == (job.jid,)


def test_an_adopted_job_with_an_old_jid_is_kept_from_when_it_came_home(bench: Bench) -> None:
    job = Job(JID("20010101000000000000"), "cmd.run", ("id",), "all", ("web1",), "ada", 978307200.0, schedule="nightly")
    bench.cache.adopt(job, {})
    bench.cache.record(job.jid, "web1", returned())
    bench.now += 23 * HOUR
    assert bench.cache.prune(force=True).jobs == ()
    bench.now += 2 * HOUR
    assert bench.cache.prune(force=True).jobs == (job.jid,)


def test_a_job_of_a_clock_that_ran_ahead_is_pruned_by_when_it_came_home(bench: Bench) -> None:
    job = Job(JID("29990101000000000000"), "cmd.run", ("id",), "all", ("web1",), "ada", 1.0, schedule="nightly")
    bench.cache.adopt(job, {})
    bench.cache.record(job.jid, "web1", returned())
    bench.now += 25 * HOUR
    assert bench.cache.prune(force=True).jobs == (job.jid,)


def test_above_max_bytes_the_oldest_finished_jobs_go_first(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "jobs", max_bytes=200_000)
    waiting = bench.job()
    bench.cache.record(waiting.jid, "web1", running())
    jobs = []
    for _ in range(5):
        bench.now += 1
        jobs.append(bench.job())
        bench.cache.record(jobs[-1].jid, "web1", returned(b"x" * 60_000))
    pruned = bench.cache.prune(force=True)
    assert pruned.jobs == tuple(job.jid for job in jobs[:3])
    assert pruned.freed >= 3 * 60_000
    assert [row.job.jid for row in bench.cache.rows()] == [jobs[4].jid, jobs[3].jid, waiting.jid]


def test_what_one_process_wrote_much_of_is_pruned_before_the_time(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "jobs", max_bytes=100_000)
    bench.cache.prune()
    first = bench.job()
    bench.cache.record(first.jid, "web1", returned(b"x" * 90_000))
    bench.now += 1
    second = bench.job()
    bench.cache.record(second.jid, "web1", returned(b"x" * 90_000))
    assert bench.cache.prune().jobs == (first.jid,)


def test_pruning_right_after_pruning_does_nothing_until_minutes_later(bench: Bench) -> None:
    job = bench.job()
    bench.cache.record(job.jid, "web1", returned())
    bench.cache.prune()
    bench.keep_jobs = 0
    other = bench.another()
    bench.now += 60
    assert other.prune().jobs == ()
    bench.now += 600
    assert other.prune().jobs == (job.jid,)


def test_a_clock_that_jumped_back_does_not_stop_pruning(bench: Bench) -> None:
    bench.job()
    bench.now += 10_000 * HOUR
    bench.cache.prune()
    bench.now -= 10_000 * HOUR
    job = bench.job()
    bench.cache.record(job.jid, "web1", returned())
    bench.now += 25 * HOUR
    assert bench.cache.prune().jobs == (job.jid,)


def test_pruning_ends_what_a_killed_process_left(bench: Bench) -> None:
    job = bench.job("web1", "web2")
    bench.cache.record_many(job.jid, {"web1": returned(), "web2": HostResult(State.UNREACHABLE, Dispatched.NO)})
    for name in (f"{job.jid}.tmp", "heads.tmp", f"{job.jid}.live", "20200101000000000000.output.jsonl"):
        (bench.root / name).write_bytes(b"x")
    pruned = bench.cache.prune(force=True)
    assert pruned.jobs == pruned.set_aside == ()
    assert bench.files() == [f"{job.jid}.jsonl", "lock", "pruned"]
