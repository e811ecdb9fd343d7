"""What the job cache promises, one fact a test."""

from __future__ import annotations

import json
import stat
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from agentless.errors import AnotherJob, CacheError, JobExists
from agentless.model.jid import JID
from agentless.model.job import Job, Origin, Report
from agentless.model.output import EMPTY
from agentless.model.problem import Problem
from agentless.model.requests import Wanted
from agentless.model.states import Dispatched, HostResult, State
from agentless.model.times import iso
from tests.cache.conftest import Bench
from tests.cache.results import any_result, returned, running
from tests.hosts.needs import examples, need


def test_a_new_job_has_all_its_hosts_pending(bench: Bench) -> None:
    job = bench.job("web1", "web2", metadata={"ticket": "7"}, login="ada", become="sudo:root", keep_returns=2.0)
    report = bench.another().load(job.jid)
    assert report == Report(job, dict.fromkeys(("web1", "web2"), HostResult(State.PENDING)))
    assert [row.job for row in bench.cache.rows()] == [job]
    assert bench.cache.last() == job.jid


def test_the_jid_and_the_start_time_are_the_same_instant(bench: Bench) -> None:
    job = bench.job()
    assert "".join(filter(str.isdigit, iso(job.start_time) or "")) == job.jid


def test_jobs_of_one_instant_get_jids_a_microsecond_apart(bench: Bench) -> None:
    jids = [bench.job().jid for _ in range(3)]
    assert [int(jid) - int(jids[0]) for jid in jids] == [0, 1, 2]


def test_a_given_jid_is_taken_once_whoever_wants_it(bench: Bench) -> None:
    """A fire of a schedule has the JID of its time: a second evaluator, or one that was restarted, makes none."""
    jid = JID("20261122100000123456")
    job = bench.job(jid=jid)
    assert (job.jid, job.start_time) == (jid, bench.now)
    bench.cache.record(jid, "web1", returned())
    for cache in (bench.cache, bench.another()):
        with pytest.raises(JobExists, match=jid):
            cache.create(function="cmd.run", arguments=["id"], target="web*", user="ada", hosts=["web1"], jid=jid)
    assert bench.cache.load(jid, outputs=False) is not None
    assert _results(bench, job) == {"web1": returned()}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=examples(60))
@given(result=any_result)
def test_a_result_comes_back_as_it_was_recorded(bench: Bench, result: HostResult) -> None:
    job = bench.job("web1", "web2")
    bench.cache.record(job.jid, "web1", result)
    assert _results(bench, job)["web1"] == result
    bench.cache.record(job.jid, "web2", returned())
    assert _results(bench, job) == {"web1": result, "web2": returned()}
    states = bench.cache.load(job.jid, outputs=False)
    assert states is not None
    ret = result.ret and replace(result.ret, out=EMPTY, err=EMPTY)
    remains = result.remains and replace(result.remains, out=EMPTY, err=EMPTY)
    assert states.results["web1"] == replace(result, ret=ret, remains=remains)


def test_arguments_that_are_not_utf8_come_back(bench: Bench) -> None:
    job = bench.job(arguments=["ls", b"\xff.txt".decode("utf-8", "surrogateescape"), "a\nb\u2028"])
    bench.cache.record(job.jid, "web1", returned())
    report = bench.cache.load(job.jid)
    assert report is not None
    assert report.job == job


def test_the_first_final_state_stays(bench: Bench) -> None:
    job = bench.job("web1", "web2")
    other = bench.another()
    lost = HostResult(State.LOST, Dispatched.YES, problem=Problem("reboot", "gone"))
    bench.cache.record(job.jid, "web1", returned(b"first"))
    other.record(job.jid, "web1", lost)
    bench.cache.record(job.jid, "web1", returned(b"second" * 1000))
    assert _results(bench, job)["web1"] == returned(b"first")
    bench.cache.record(job.jid, "web2", lost)
    other.record(job.jid, "web2", returned())
    assert _results(bench, job) == {"web1": returned(b"first"), "web2": lost}


def test_a_small_job_is_one_file_within_a_disk_block(bench: Bench) -> None:
    hosts = [f"web{n:02}.example.com" for n in range(10)]
    job = bench.job(*hosts)
    bench.cache.record_many(job.jid, {host: returned(b"x" * 150) for host in hosts})
    assert bench.files() == [f"{job.jid}.jsonl", "lock"]
    assert (bench.root / f"{job.jid}.jsonl").stat().st_size <= 4096


def test_large_output_goes_to_the_second_file_and_there_is_no_third(bench: Bench) -> None:
    job = bench.job("web1", "web2", "web3")
    results = {"web1": returned(b"\xff" * 5000), "web2": returned(b"e" * 5000), "web3": returned()}
    for host, result in results.items():
        bench.cache.record(job.jid, host, result)
    assert bench.files() == [f"{job.jid}.jsonl", f"{job.jid}.output.jsonl", "lock"]
    assert _results(bench, job) == results
    for name in bench.files()[:2]:
        for line in (bench.root / name).read_text("utf-8").splitlines():
            assert isinstance(json.loads(line), dict)


def test_what_changes_nothing_is_not_written_again(bench: Bench) -> None:
    job = bench.job()
    bench.cache.record(job.jid, "web1", running())
    size = (bench.root / f"{job.jid}.open.jsonl").stat().st_size
    bench.cache.record(job.jid, "web1", running())
    assert (bench.root / f"{job.jid}.open.jsonl").stat().st_size == size


def test_rows_come_newest_first_with_the_summary_of_the_report(bench: Bench) -> None:
    need("many seconds")
    jobs = []
    for n in range(150):
        bench.now += 1
        jobs.append(bench.job("web1", "web2"))
        if n % 3:
            bench.cache.record(jobs[-1].jid, "web1", returned(retcode=n % 2))
            bench.cache.record(jobs[-1].jid, "web2", returned() if n % 3 == 1 else running())
    bench.cache.prune(force=True)  # gathers the heads
    assert (bench.root / "heads").exists() is False  # 50 finished ones are not worth it
    for job in jobs[:120:3]:
        bench.cache.record_many(job.jid, {"web1": returned(), "web2": returned(retcode=3)})
    for _ in range(60):
        bench.now += 1
        jobs.append(bench.job())
        bench.cache.record(jobs[-1].jid, "web1", returned())
    bench.cache.prune(force=True)
    assert (bench.root / "heads").exists()
    rows = list(bench.another().rows())
    assert [row.job for row in rows] == jobs[::-1]
    for row in rows:
        report = bench.cache.load(row.job.jid)
        assert report is not None
        assert row.summary == report.summary


def test_rows_do_not_read_what_finished_jobs_returned(bench: Bench) -> None:
    job = bench.job()
    bench.cache.record(job.jid, "web1", returned(b"x" * 3000))
    path = bench.root / f"{job.jid}.jsonl"
    first, _, _ = path.read_bytes().partition(b"\n")
    path.write_bytes(first + b"\n" + b"\x00" * 1000)
    (bench.root / f"{job.jid}.output.jsonl").unlink()
    assert [row.summary["returned"] for row in bench.cache.rows()] == [1]
    assert bench.warnings == []


def test_wanted_names_what_was_sent_and_has_not_ended(bench: Bench) -> None:
    one = bench.job("web1", "web2", "web3", "web4")
    unreached = HostResult(State.UNREACHABLE, Dispatched.NO, problem=Problem("connect", "no"))
    maybe = HostResult(State.UNREACHABLE, Dispatched.MAYBE, "feedfeedfeedfeed")
    bench.cache.record_many(one.jid, {"web1": running(), "web2": returned(), "web3": unreached, "web4": maybe})
    bench.now += 1
    two = bench.job("web1", login="bob")
    bench.cache.record(two.jid, "web1", running())
    nonce = "0123456789abcdef"
    assert bench.cache.wanted(["web1", "web2", "web3", "web4", "web5"]) == {
        "web1": (Wanted(two.jid, nonce), Wanted(one.jid, nonce)),
        "web4": (Wanted(one.jid, "feedfeedfeedfeed", maybe=True),),
    }
    assert bench.cache.wanted(["web1"], lambda job: job.login is None) == {"web1": (Wanted(one.jid, nonce),)}
    assert list(bench.cache.open_jobs()) == [two.jid, one.jid]
    bench.cache.record(two.jid, "web1", returned())
    assert list(bench.cache.open_jobs()) == [one.jid]


def test_what_may_never_have_arrived_is_made_sure_of_once_its_run_is_gone(bench: Bench) -> None:
    """While that lives, its request may just be on the way, and any other contact would keep the job from the host."""
    job = bench.job("web1", release=False)
    bench.cache.record(job.jid, "web1", HostResult(State.PENDING, Dispatched.MAYBE, "feedfeedfeedfeed"))
    assert bench.cache.wanted(["web1"]) == {"web1": (Wanted(job.jid, "feedfeedfeedfeed", maybe=False),)}
    bench.cache.release(job.jid)
    assert bench.cache.wanted(["web1"]) == {"web1": (Wanted(job.jid, "feedfeedfeedfeed", maybe=True),)}


def test_a_job_whose_rest_was_never_reached_is_finished_when_its_run_leaves(bench: Bench) -> None:
    job = bench.job("web1", "web2", release=False)
    unreached = HostResult(State.UNREACHABLE, Dispatched.NO, problem=Problem("connect", "no"))
    bench.cache.record_many(job.jid, {"web1": returned(), "web2": unreached})
    assert list(bench.cache.open_jobs()) == [job.jid]
    bench.cache.release(job.jid)
    assert list(bench.cache.open_jobs()) == []
    assert _results(bench, job) == {"web1": returned(), "web2": unreached}


def test_a_finished_job_takes_what_is_learned_about_a_host_that_had_not_ended(bench: Bench) -> None:
    job = bench.job("web1", "web2")
    bench.cache.record_many(job.jid, {"web1": returned(), "web2": HostResult(State.UNREACHABLE, Dispatched.NO)})
    bench.cache.prune(force=True)
    assert list(bench.cache.open_jobs()) == []
    bench.cache.record(job.jid, "web2", running())
    assert list(bench.cache.open_jobs()) == [job.jid]
    assert _results(bench, job) == {"web1": returned(), "web2": running()}
    assert [row.summary["running"] for row in bench.cache.rows()] == [1]


def test_abandon_ends_only_what_was_never_sent_by_a_run_that_is_gone(bench: Bench) -> None:
    job = bench.job("web1", "web2", "web3", release=False)
    maybe = HostResult(State.PENDING, Dispatched.MAYBE, "0123456789abcdef")
    bench.cache.record_many(job.jid, {"web1": running(), "web2": maybe})
    other = bench.another()
    assert other.is_held(job.jid)
    assert not other.abandon(job.jid)
    assert _results(bench, job)["web3"].state is State.PENDING
    bench.cache.release(job.jid)
    assert other.abandon(job.jid)
    results = _results(bench, job)
    assert results["web1"] == running()
    doubtful = results["web2"]
    assert (doubtful.state, doubtful.dispatched, doubtful.nonce) == (State.UNREACHABLE, Dispatched.MAYBE, maybe.nonce)
    gone = results["web3"]
    assert gone.state is State.NOT_STARTED
    assert gone.problem is not None
    assert gone.problem.kind == "controller-gone"


def test_a_job_is_held_by_the_cache_that_made_it_until_it_lets_go(bench: Bench) -> None:
    job = bench.job(release=False)
    other = bench.another()
    for cache in (bench.cache, other):
        assert cache.is_held(job.jid)
    other.release(job.jid)
    assert bench.cache.is_held(job.jid)
    bench.cache.release(job.jid)
    for cache in (bench.cache, other):
        assert not cache.is_held(job.jid)
    assert f"{job.jid}.live" not in bench.files()


def test_adopted_jobs_keep_their_jid_and_gain_hosts(bench: Bench) -> None:
    job = Job(JID("20261122095039579207"), "cmd.run", ("id",), "web*", ("web1",), "bob", 1.0, schedule="nightly")
    bench.cache.adopt(job, {})
    bench.cache.record(job.jid, "web1", returned(b"one" * 900))
    assert list(bench.cache.open_jobs()) == []
    bench.cache.adopt(replace(job, hosts=("web2", "web1")), {})
    report = bench.cache.load(job.jid)
    assert report is not None
    assert report.job == replace(job, hosts=("web1", "web2"), origin=Origin.LEARNED)
    assert report.results["web1"] == returned(b"one" * 900)
    other = report.results["web2"]
    assert (other.state, other.problem and other.problem.kind) == (State.UNREACHABLE, "not-asked")
    assert list(bench.cache.open_jobs()) == [job.jid]
    with pytest.raises(AnotherJob, match="another job"):
        bench.cache.adopt(replace(job, arguments=("rm",)), {})


def test_unknown_jobs_and_hosts_are_told_apart(bench: Bench) -> None:
    assert bench.cache.load(JID("20261122095039579207")) is None
    assert bench.cache.last() is None
    assert list(bench.cache.rows()) == []
    with pytest.raises(CacheError, match="not in the job cache"):
        bench.cache.record(JID("20261122095039579207"), "web1", running())
    job = bench.job()
    with pytest.raises(ValueError, match="no host of job"):
        bench.cache.record(job.jid, "web9", running())
    with pytest.raises(ValueError, match="exactly when it is returned"):
        bench.cache.record(job.jid, "web1", HostResult(State.RETURNED))


def test_reading_makes_no_directory_and_writing_makes_one_for_the_user_alone(bench: Bench) -> None:
    assert list(bench.cache.rows()) == []
    assert list(bench.cache.open_jobs()) == []
    assert not bench.cache.prune(force=True).jobs
    assert not bench.root.exists()
    job = bench.job(release=False)
    bench.cache.record(job.jid, "web1", returned(b"x" * 2000))
    assert stat.S_IMODE(bench.root.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in bench.root.iterdir()} == {0o600}


def _results(bench: Bench, job: Job) -> dict[str, HostResult]:
    report = bench.another().load(job.jid)
    assert report is not None
    assert list(report.results) == list(job.hosts)
    return dict(report.results)
