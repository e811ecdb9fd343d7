"""What returners have not had is noted ahead of the job, survives everything, and is not pruned in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentless.cache.owed import Owed
from agentless.errors import CacheError
from agentless.model.jid import JID
from agentless.model.job import Job, Origin
from agentless.model.states import HostResult, State
from tests.cache.conftest import Bench
from tests.cache.results import returned, running

HOUR = 3600.0


def owed(bench: Bench) -> dict[str, dict[str, tuple[str, ...]]]:
    return {debt.job.jid: dict(debt.hosts) for debt in bench.cache.debts()}


def send(bench: Bench, *returners: str, hosts: tuple[str, ...] = ("web1", "web2")) -> Job:
    return bench.cache.create(
        function="cmd.run", arguments=["id"], target="all", hosts=hosts, user="ada", returners=returners
    )


def files(bench: Bench) -> list[str]:
    return sorted(path.name for path in (bench.root.parent / "returners").iterdir())


def test_an_end_is_owed_as_soon_as_it_is_recorded_and_until_somebody_has_had_it(bench: Bench) -> None:
    job = send(bench, "archive", "hook")
    assert owed(bench) == {}
    bench.cache.record(job.jid, "web1", returned())
    assert owed(bench.__class__(bench.root)) == {job.jid: {"archive": ("web1",), "hook": ("web1",)}}
    bench.cache.delivered(job.jid, [("archive", "web1")], [("hook", "web1")])
    assert owed(bench) == {job.jid: {"archive": (), "hook": ("web1",)}}
    (debt,) = bench.cache.debts()
    assert dict(debt.failures) == {("hook", "web1"): 1}
    bench.cache.delivered(job.jid, [("hook", "web1")])
    bench.cache.record(job.jid, "web2", returned())
    assert owed(bench) == {job.jid: {"archive": ("web2",), "hook": ("web2",)}}


def test_who_gets_a_job_is_part_of_its_record(bench: Bench) -> None:
    job = send(bench, "archive")
    bench.cache.record_many(job.jid, {"web1": returned(), "web2": returned()})
    report = bench.another().load(job.jid)
    assert report is not None
    assert report.job.returners == ("archive",)


def test_a_job_that_everybody_has_had_is_not_looked_at_again(bench: Bench) -> None:
    job = send(bench, "archive")
    bench.cache.record_many(job.jid, {"web1": returned(), "web2": returned()})
    bench.cache.delivered(job.jid, [("archive", "web1"), ("archive", "web2")])
    assert owed(bench) == {}
    assert files(bench) == [f"{job.jid}.owed"], "the run is alive"
    bench.cache.release(job.jid)
    assert owed(bench) == {}
    assert files(bench) == [f"{job.jid}.had"]


def test_a_host_that_a_learned_job_gains_is_owed_and_the_others_are_not_again(bench: Bench) -> None:
    jid = JID("20270115080000000000")
    first = Job(jid, "cmd.run", ("id",), "all", ("web1",), "ada", 1.0, origin=Origin.LEARNED, returners=("archive",))
    bench.cache.adopt(first, {"web1": returned()})
    bench.cache.delivered(jid, [("archive", "web1")])
    assert owed(bench) == {}
    assert files(bench) == [f"{jid}.had"]
    second = Job(jid, "cmd.run", ("id",), "all", ("web2",), "ada", 1.0, origin=Origin.LEARNED, returners=("archive",))
    bench.cache.adopt(second, {"web2": returned()})
    assert owed(bench) == {jid: {"archive": ("web2",)}}


def test_a_line_that_was_cut_off_counts_for_nothing_and_harms_no_other(bench: Bench) -> None:
    job = send(bench, "archive")
    bench.cache.record_many(job.jid, {"web1": returned(), "web2": returned()})
    path = bench.root.parent / "returners" / f"{job.jid}.owed"
    path.write_bytes(b'{"returner": "archive", "ho')
    bench.cache.delivered(job.jid, [("archive", "web2")])
    assert owed(bench) == {job.jid: {"archive": ("web1",)}}
    path.write_bytes(b"\xff\n[]\n7\nnull\n" + b"[" * 100_000)
    assert owed(bench) == {job.jid: {"archive": ("web1", "web2")}}


def test_what_is_owed_is_kept_as_long_as_hosts_keep_it_and_then_leaves_with_a_word(bench: Bench) -> None:
    job, other = send(bench, "archive", "hook"), send(bench, "archive")
    for jid in (job.jid, other.jid):
        bench.cache.record_many(jid, {"web1": returned(), "web2": returned()})
        bench.cache.release(jid)
    bench.cache.delivered(job.jid, [("archive", "web1")])
    bench.cache.delivered(other.jid, [("archive", "web1"), ("archive", "web2")])
    assert set(owed(bench)) == {job.jid}
    bench.now += 25 * HOUR
    assert bench.cache.prune(force=True).jobs == (other.jid,)
    assert bench.warnings == []
    assert files(bench) == [f"{job.jid}.owed"]
    bench.now += 168 * HOUR
    assert bench.cache.prune(force=True).jobs == (job.jid,)
    assert bench.warnings == [
        f"job {job.jid} left the job cache before returners had all of it: archive lacks 1 return, hook lacks 2 returns"
    ]
    assert files(bench) == []


def test_a_full_cache_keeps_what_is_owed_longest_and_says_what_it_drops(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "jobs", max_bytes=40_000)
    jobs = [send(bench, *names, hosts=("web1",)) for names in (("archive",), (), (), ())]
    for job in jobs:
        bench.now += 1
        bench.cache.record(job.jid, "web1", returned(b"x" * 9_000))
        bench.cache.release(job.jid)
    gone = bench.cache.prune(force=True).jobs
    assert gone
    assert jobs[0].jid not in gone
    assert bench.warnings == []
    bench.max_bytes = 4096
    assert jobs[0].jid in bench.another().prune(force=True).jobs
    assert bench.warnings == [
        f"job {jobs[0].jid} left the job cache before returners had all of it: archive lacks 1 return"
    ]


def test_a_record_that_is_gone_is_told(bench: Bench) -> None:
    job = send(bench, "archive")
    bench.cache.record_many(job.jid, {"web1": returned(), "web2": returned()})
    bench.cache.release(job.jid)
    (bench.root / f"{job.jid}.jsonl").unlink()
    assert owed(bench) == {}
    bench.cache.prune(force=True)
    assert bench.warnings == [f"job {job.jid} is gone from the job cache, and returners may not have had all of it"]
    assert files(bench) == []


def test_a_directory_of_somebody_else_is_refused(bench: Bench, tmp_path: Path) -> None:
    bench.root.parent.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (bench.root.parent / "returners").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CacheError, match="is a link"):
        send(bench, "archive")
    assert list(bench.cache.rows()) == []


def test_reading_where_nothing_is_costs_nothing(tmp_path: Path) -> None:
    assert Owed(tmp_path / "nothing").jids() == []
    assert not (tmp_path / "nothing").exists()


def test_what_is_not_final_is_not_owed(bench: Bench) -> None:
    job = send(bench, "archive")
    bench.cache.record(job.jid, "web1", running())
    bench.cache.record(job.jid, "web2", HostResult(State.UNREACHABLE))
    assert owed(bench) == {}
