"""Torn and foreign files, directories that must not be used, and disks that are full."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agentless.errors import CacheError
from agentless.model.jid import JID
from agentless.model.states import HostResult, State
from tests.cache.conftest import Bench
from tests.cache.results import returned, running
from tests.hosts.needs import every, need


def test_a_torn_last_line_is_dropped_and_written_over(bench: Bench) -> None:
    need("many seconds")
    job = bench.job("web1", "web2")
    bench.cache.record(job.jid, "web1", running())
    path = bench.root / f"{job.jid}.open.jsonl"
    whole = path.read_bytes()
    bench.cache.record(job.jid, "web2", running())
    full = path.read_bytes()
    for cut in range(len(whole), len(full)):
        path.write_bytes(full[:cut])
        report = bench.another().load(job.jid)
        assert report is not None
        assert report.results == {"web1": running(), "web2": HostResult(State.PENDING)}
        other = bench.another()
        other.record(job.jid, "web2", running(8))
        after = bench.another().load(job.jid)
        assert after is not None
        assert after.results["web2"] == running(8)
    assert bench.warnings == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"v":1,"jid":"2026',
        b"\x00" * 4096,
        b"[]\n",
        b"null\n",
        b'{"v":1,"jid":"20261122095039579208"}\n',
        b'{"v":1}\n{"host":"web1"}\n',
        b"[" * 100_000 + b"\n",
        b"\xff\xfe\n",
    ],
)
@pytest.mark.parametrize("suffix", [".jsonl", ".open.jsonl"])
def test_a_torn_head_is_set_aside_and_named_by_every_reader(bench: Bench, content: bytes, suffix: str) -> None:
    good = bench.job()
    jid = JID("20261122095039579207")

    def record() -> None:
        with pytest.raises(CacheError, match="not in the job cache"):
            bench.cache.record(jid, "web1", running())

    readers: dict[str, Callable[[], object]] = {
        "rows": lambda: list(bench.cache.rows()),
        "load": lambda: bench.cache.load(jid),
        "wanted": lambda: bench.cache.wanted(["web1"]),
        "record": record,
        "prune": lambda: bench.cache.prune(force=True),
    }
    if suffix == ".jsonl":
        del readers["wanted"], readers["prune"]  # they look at no finished job that is young
    for n, read in enumerate(readers.values()):
        (bench.root / (jid + suffix)).write_bytes(content)
        (bench.root / f"{jid}.output.jsonl").write_bytes(b"{}\n")
        read()
        assert len(bench.warnings) == n + 1
        assert jid in bench.warnings[-1]
        assert [name for name in bench.files() if name.startswith(jid)] == []
    aside = list((bench.root / "set-aside").iterdir())
    assert len(aside) == 2 * len(readers)
    assert [row.job for row in bench.cache.rows()] == [good]


def test_a_finished_record_that_lost_its_end_is_set_aside(bench: Bench) -> None:
    job = bench.job("web1", "web2")
    bench.cache.record_many(job.jid, {"web1": returned(), "web2": returned()})
    path = bench.root / f"{job.jid}.jsonl"
    path.write_bytes(path.read_bytes()[:-3])
    assert bench.cache.load(job.jid) is None
    assert "ends before the last of its 2 hosts" in bench.warnings[0]


def test_a_job_whose_output_is_missing_is_set_aside(bench: Bench) -> None:
    job = bench.job()
    bench.cache.record(job.jid, "web1", returned(b"x" * 2000))
    (bench.root / f"{job.jid}.output.jsonl").unlink()
    assert bench.cache.load(job.jid, outputs=False) is not None
    assert bench.cache.load(job.jid) is None
    assert "the output of web1 is missing" in bench.warnings[0]


def test_a_record_of_a_later_version_is_left_where_it_is(bench: Bench) -> None:
    job = bench.job()
    bench.cache.record(job.jid, "web1", returned())
    path = bench.root / f"{job.jid}.jsonl"
    later = path.read_bytes().replace(b'{"v":1', b'{"v":2')
    path.write_bytes(later)
    assert bench.cache.load(job.jid) is None
    assert list(bench.cache.rows()) == []
    assert path.read_bytes() == later
    assert "left alone" in bench.warnings[0]


def test_foreign_files_are_set_aside_by_prune_and_foreign_directories_left(bench: Bench, tmp_path: Path) -> None:
    job = bench.job()
    (bench.root / "notes.txt").write_text("mine")
    (bench.root / "node").mkdir()
    target = tmp_path / "precious"
    target.write_text("{}")
    (bench.root / "20261122095039579207.jsonl").symlink_to(target)
    (bench.root / "20261122095039579208.jsonl").mkdir()
    os.mkfifo(bench.root / "20261122095039579209.open.jsonl")
    aside = bench.cache.prune(force=True).set_aside
    assert sorted(os.path.basename(path) for path in aside) == [
        "20261122095039579207.jsonl",
        "20261122095039579208.jsonl",
        "20261122095039579209.open.jsonl",
        "notes.txt",
    ]
    assert len(bench.warnings) == 4
    assert bench.files() == [f"{job.jid}.open.jsonl", "lock", "node", "pruned", "set-aside"]
    assert target.read_text() == "{}"


@pytest.mark.parametrize("kind", ["link", "directory", "fifo"])
def test_what_is_no_file_under_a_name_of_ours_never_crashes_a_reader(bench: Bench, tmp_path: Path, kind: str) -> None:
    job = bench.job()
    path = bench.root / "20261122095039579207.jsonl"
    if kind == "link":
        path.symlink_to(tmp_path / "elsewhere")
    elif kind == "directory":
        path.mkdir()
    else:
        os.mkfifo(path)
    assert [row.job for row in bench.cache.rows()] == [job]
    assert bench.cache.load(JID("20261122095039579207")) is None
    assert path.name in bench.warnings[0]


def test_a_gathered_head_that_was_torn_is_read_from_its_record(bench: Bench) -> None:
    need("many seconds")
    for _ in range(120):
        job = bench.job()
        bench.cache.record(job.jid, "web1", returned())
    bench.cache.prune(force=True)
    rows = list(bench.cache.rows())
    heads = bench.root / "heads"
    whole = heads.read_bytes()
    for torn in (whole[: len(whole) // 2], whole.replace(b"cmd.run", b"\x00\x00\x00"), b"\x00" * 500, b""):
        heads.write_bytes(torn)
        assert list(bench.cache.rows()) == rows
    assert bench.warnings == []


def test_a_cache_that_is_a_link_is_refused(bench: Bench, tmp_path: Path) -> None:
    bench.root.parent.mkdir()
    (tmp_path / "elsewhere").mkdir()
    bench.root.symlink_to(tmp_path / "elsewhere")
    for call in (bench.job, lambda: list(bench.cache.rows()), bench.cache.last, lambda: bench.cache.prune(force=True)):
        with pytest.raises(CacheError, match="is a link"):
            call()
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_cache_open_to_others_is_closed(bench: Bench) -> None:
    bench.root.mkdir(parents=True)
    bench.root.chmod(0o755)
    bench.job()
    assert bench.root.stat().st_mode & 0o077 == 0


def test_a_cache_that_cannot_be_made_says_what_to_do(bench: Bench) -> None:
    bench.root.parent.write_text("a file in the way")
    with pytest.raises(CacheError, match="cannot") as caught:
        bench.job()
    assert "XDG_CACHE_HOME" in caught.value.hint


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a directory to another user needs root")
def test_a_cache_of_another_user_is_refused(bench: Bench) -> None:
    bench.root.mkdir(parents=True)
    os.chown(bench.root, 12345, -1)
    with pytest.raises(CacheError, match="belongs to uid 12345"):
        bench.job()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"this machine mounts no tmpfs: {done.stderr.strip()}")
    yield disk
    ctypes.CDLL(None).umount2(os.fsencode(disk), 2)  # MNT_DETACH: lock files may still be open


def test_a_full_disk_is_told_and_loses_nothing_that_was_recorded(small_disk: Path) -> None:
    bench = Bench(small_disk / "jobs")
    job = bench.job("web1", "web2", "web3")
    bench.cache.record(job.jid, "web1", returned(b"x" * 50_000))
    with pytest.raises(CacheError, match="No space left") as caught:
        bench.cache.record(job.jid, "web2", returned(b"x" * 500_000))
    assert "make room" in caught.value.hint
    filler = small_disk / "filler"
    room = os.statvfs(small_disk)
    filler.write_bytes(b"x" * room.f_bavail * room.f_bsize)
    with pytest.raises(CacheError, match="No space left"):
        bench.job()
    expected = {"web1": returned(b"x" * 50_000), "web2": HostResult(State.PENDING), "web3": HostResult(State.PENDING)}
    report = bench.another().load(job.jid)
    assert report is not None
    assert report.results == expected
    filler.unlink()
    bench.cache.record_many(job.jid, {"web2": returned(b"y" * 2000), "web3": returned()})
    report = bench.another().load(job.jid)
    assert report is not None
    assert report.results == {**expected, "web2": returned(b"y" * 2000), "web3": returned()}
    assert [row.summary["returned"] for row in bench.cache.rows()] == [3]
    assert bench.warnings == []


def test_a_full_disk_is_pruned_also_where_a_record_has_ended_and_finds_no_room_to_be_written_anew(
    small_disk: Path,
) -> None:
    def fill() -> None:
        with (small_disk / "filler").open("ab") as file:
            room = os.statvfs(small_disk)
            file.write(b"x" * room.f_bavail * room.f_bsize)

    bench = Bench(small_disk / "jobs")
    old = bench.job()
    bench.cache.record(old.jid, "web1", returned(b"x" * 60_000))
    bench.now += 25 * 3600.0
    young = bench.job("web1", "web2", release=False)
    bench.cache.record(young.jid, "web1", returned())
    fill()
    bench.cache.record(young.jid, "web2", returned())
    bench.cache.release(young.jid)
    assert bench.another().prune(force=True).jobs == (old.jid,)
    fill()
    assert (bench.root / f"{young.jid}.open.jsonl").exists()
    bench.now += 25 * 3600.0
    assert bench.another().prune(force=True).jobs == (young.jid,)
    assert bench.files() == ["lock", "pruned"]


@pytest.mark.parametrize("name", ["last", "pruned", "heads"])
@pytest.mark.parametrize("odd", every(["a directory", "a pipe", "a link to a device"]))
def test_what_is_no_file_where_the_cache_writes_one_is_set_aside_and_named(bench: Bench, name: str, odd: str) -> None:
    bench.root.mkdir(parents=True, mode=0o700)
    path = bench.root / name
    if odd == "a directory":
        path.mkdir()
        (path / "somebody's").touch()
    elif odd == "a pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/null")
    for _ in range(101):
        job = bench.job()
        bench.cache.record(job.jid, "web1", returned())
    assert len(list(bench.cache.rows())) == 101
    bench.cache.prune(force=True)
    assert len(list(bench.cache.rows())) == 101
    assert bench.cache.last() == job.jid
    aside = bench.root / "set-aside" / name
    assert os.path.lexists(aside)
    assert path.is_file()
    assert not path.is_symlink()
    assert bench.warnings == [f"set aside {aside}, which is no file of the job cache"]
