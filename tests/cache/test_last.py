"""`last`: the newest job that a person or a script sent from here with `run`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agentless.model.job import Job, Origin
from tests.cache.conftest import Bench
from tests.cache.results import returned

FUTURE = "20990101000000000000"


def learned(jid: str, **fields: object) -> Job:
    told = {"function": "cmd.run", "arguments": ("id",), "target": "all", "hosts": ("web1",), "user": "eve", **fields}
    return Job(jid=jid, start_time=0.0, **told)  # type: ignore[arg-type]


def test_a_fire_of_a_schedule_is_not_last(bench: Bench) -> None:
    own = bench.job()
    fire = bench.job(schedule="nightly")
    assert (own.origin, fire.origin) == (Origin.RUN, Origin.SCHEDULE)
    assert bench.cache.last() == bench.another().last() == own.jid


@pytest.mark.parametrize("schedule", [None, "nightly"])
def test_a_job_that_was_only_learned_of_is_not_last_even_one_from_the_future(
    bench: Bench, schedule: str | None
) -> None:
    assert bench.cache.last() is None
    bench.cache.adopt(learned(FUTURE, schedule=schedule, origin=Origin.RUN), {"web1": returned()})
    assert bench.cache.last() is None
    own = bench.job()
    bench.cache.adopt(learned(FUTURE[:-1] + "1"), {"web1": returned()})
    assert [row.job.origin for row in bench.cache.rows()] == [Origin.LEARNED, Origin.LEARNED, Origin.RUN]
    assert bench.cache.last() == own.jid


def test_what_was_made_last_is_the_newest_also_after_the_clock_was_set_back(bench: Bench) -> None:
    ahead = bench.job()
    bench.now -= 86400
    own = bench.job()
    assert own.jid < ahead.jid
    assert bench.cache.last() == bench.another().last() == own.jid


def test_where_the_note_of_it_is_gone_or_torn_the_newest_jid_counts(bench: Bench) -> None:
    jobs = [bench.job() for _ in range(3)]
    note = bench.root / "last"
    for content in (b"", b"\x00" * 21, b"../../../etc/passwd\n", f"{FUTURE}\n".encode(), b"\xff" * 20 + b"\n"):
        note.write_bytes(content)
        assert bench.cache.last() == jobs[-1].jid
    note.unlink()
    assert bench.cache.last() == jobs[-1].jid
    note.mkdir()
    assert bench.cache.last() == jobs[-1].jid
    job = bench.job()
    assert note.read_text() == job.jid + "\n"
    assert bench.cache.last() == job.jid


@pytest.mark.parametrize("content", [b'{"v":1', b'{"v":99,"jid":"x"}\n', b""])
def test_a_job_whose_record_cannot_be_read_is_last_all_the_same(bench: Bench, content: bytes) -> None:
    """Who kills `last` means that job, and none before it."""
    bench.job()
    own = bench.job()
    path = bench.root / f"{own.jid}.open.jsonl"
    path.write_bytes(content)
    for _ in range(2):
        assert bench.another().last() == own.jid
        assert bench.another().load(own.jid) is None
    bench.cache.adopt(learned(own.jid), {"web1": returned()})
    assert bench.another().last() == own.jid


def test_a_job_that_was_pruned_is_last_no_more(bench: Bench) -> None:
    old = bench.job()
    bench.cache.record(old.jid, "web1", returned())
    bench.now += 86400 * 2
    (bench.root / f"{old.jid}.jsonl").unlink()
    assert bench.cache.last() is None


def test_the_origin_of_a_record_that_does_not_say_it_shows_in_what_it_says(bench: Bench) -> None:
    """Records of the first versions: what was sent from here says as whom, what was learned of cannot."""
    jobs = {
        Origin.RUN: bench.job(become=""),
        Origin.SCHEDULE: bench.job(become="sudo:root", schedule="nightly"),
        Origin.LEARNED: bench.job(schedule="nightly"),
    }
    for origin, job in jobs.items():
        path = bench.root / f"{job.jid}.open.jsonl"
        path.write_bytes(path.read_bytes().replace(f'"origin":"{job.origin.value}",'.encode(), b""))
        report = bench.another().load(job.jid)
        assert report is not None
        assert report.job == replace(job, origin=origin)
    (bench.root / "last").unlink()
    assert bench.another().last() == jobs[Origin.RUN].jid
