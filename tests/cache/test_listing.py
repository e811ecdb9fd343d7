"""The list of jobs, from the first lines of their records."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from agentless.cache import listing
from agentless.cache.folder import Folder
from agentless.cache.journal import Journal
from agentless.cache.listing import Listing
from tests.cache.conftest import Bench
from tests.cache.results import returned


def listing_of(bench: Bench) -> Listing:
    folder = Folder(bench.root, bench.warnings.append)
    return Listing(folder, Journal(folder, bench.warnings.append))


@pytest.fixture
def many(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Eight finished jobs and two open ones, in a cache that gathers from three on."""
    monkeypatch.setattr(listing, "SINGLE", 3)
    for n in range(10):
        job = bench.job()
        if n % 5 != 2:
            bench.cache.record(job.jid, "web1", returned())
    return bench


def test_jobs_are_the_newest_first_and_told_whether_they_are_open(many: Bench) -> None:
    jobs = list(listing_of(many).jobs())
    assert [jid for jid, _ in jobs] == sorted((jid for jid, _ in jobs), reverse=True)
    assert [is_open for _, is_open in jobs] == [n % 5 == 2 for n in reversed(range(10))]
    (many.root / "20261122.jsonl").touch()
    (many.root / "２０２６１１２２０９５０３９５７９２０７.jsonl").touch()
    assert list(listing_of(many).jobs()) == jobs


def test_rows_are_the_same_gathered_or_not(many: Bench) -> None:
    before = list(many.cache.rows())
    assert not (many.root / "heads").exists()
    many.cache.prune(force=True)
    assert len(listing_of(many).heads()) == 8
    assert list(many.cache.rows()) == before


def test_a_job_that_is_gone_is_not_listed_by_what_was_gathered_of_it(many: Bench) -> None:
    many.cache.prune(force=True)
    row = next(row for row in many.cache.rows() if row.summary["returned"])
    (many.root / f"{row.job.jid}.jsonl").unlink()
    assert row.job.jid not in [each.job.jid for each in many.another().rows()]


def test_reading_a_few_rows_reads_few_records(many: Bench) -> None:
    for path in sorted(many.root.glob("*.jsonl"))[:5]:
        path.write_bytes(b"damaged\n")
    assert len(list(islice(many.cache.rows(), 5))) == 5
    assert many.warnings == []
    assert len(list(many.cache.rows())) == 5
    assert len(many.warnings) == 5


def test_there_are_no_jobs_where_there_is_no_directory(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "none" / "jobs")
    assert (list(listing_of(bench).jobs()), listing_of(bench).heads(), list(listing_of(bench).rows())) == ([], {}, [])
