from __future__ import annotations

import copy
import gc
import os
import pickle
import resource
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentless.cache.scratch import HELD, Scratch, Spool
from agentless.model.jid import JID
from agentless.model.job import Job, JobError, Report
from agentless.model.output import PIECE
from agentless.model.returns import Return
from agentless.model.states import HostResult, State
from tests.hosts.needs import examples, need


def in_file(scratch: Scratch) -> int:
    """Bytes that the file takes, by its descriptor; 0 where there is none."""
    descriptor = scratch._descriptor  # it has no name by which it could be looked at
    return 0 if descriptor < 0 else os.fstat(descriptor).st_size


@settings(deadline=None, max_examples=examples(30))
@given(sizes=st.lists(st.integers(0, 3 * PIECE), max_size=5), at_once=st.integers(1, 3))
def test_what_was_written_is_read(tmp_path_factory: pytest.TempPathFactory, sizes: list[int], at_once: int) -> None:
    scratch = Scratch(tmp_path_factory.mktemp("scratch"))
    spools = [Spool(scratch) for _ in range(at_once)]
    wanted = [b""] * at_once
    for number, size in enumerate(sizes):
        for index, spool in enumerate(spools):
            data = bytes([number + 10 * index]) * size
            spool.write(data)
            wanted[index] += data
    assert [spool.read() for spool in spools] == wanted
    assert [len(spool) for spool in spools] == list(map(len, wanted))


@pytest.mark.parametrize("size", [0, 7, HELD + PIECE])
def test_a_report_goes_to_another_process_with_its_output(tmp_path: Path, size: int) -> None:
    spool = Spool(Scratch(tmp_path))
    spool.write(b"x" * size)
    job = Job(JID("20261122095039579207"), "cmd.run", ("false",), "web1", ("web1",), "ada", 0.0)
    report = Report(job, {"web1": HostResult(State.RETURNED, ret=Return(1, None, "exit", out=spool))})
    for there in (pickle.loads(pickle.dumps(report)), copy.deepcopy(report)):
        assert [result.ret and result.ret.stdout for result in there.results.values()] == [b"x" * size]
        assert there == report
    error = pickle.loads(pickle.dumps(JobError(report)))
    assert (error.jid, str(error)) == (job.jid, str(JobError(report)))


def test_what_is_short_costs_no_file_and_the_file_has_no_name(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path)
    short, long = Spool(scratch), Spool(scratch)
    short.write(b"x" * HELD)
    assert in_file(scratch) == 0
    long.write(b"y" * (HELD + 1))
    assert in_file(scratch) == HELD + 1
    assert list(tmp_path.iterdir()) == []


def test_the_file_grows_to_what_is_under_way_at_once(tmp_path: Path) -> None:
    need("many seconds")
    scratch = Scratch(tmp_path)
    for _ in range(20):
        spool = Spool(scratch)
        spool.write(b"x" * (2 * PIECE))
        assert spool.read() == b"x" * (2 * PIECE)
        del spool
        gc.collect()
    assert in_file(scratch) == 2 * PIECE


def test_many_threads_write_into_one_file(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path)
    right: list[bool] = []

    def fill(number: int) -> None:
        for _ in range(5):
            spool = Spool(scratch)
            for _ in range(9):
                spool.write(bytes([number]) * 100_000)
            right.append(spool.read() == bytes([number]) * 900_000)

    threads = [threading.Thread(target=fill, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert right == [True] * 40


@pytest.fixture
def small_files() -> Iterator[int]:
    """No file of this process may grow beyond this many bytes, as on a disk that is full by then."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield 100_000
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_where_the_disk_is_full_the_rest_stays_in_memory(tmp_path: Path, small_files: int) -> None:
    scratch = Scratch(tmp_path)
    spool = Spool(scratch)
    data = os.urandom(50_000)
    for _ in range(7):
        spool.write(data)
    assert in_file(scratch) == small_files
    assert spool.read() == data * 7


def test_where_no_file_can_be_had_all_stays_in_memory(tmp_path: Path) -> None:
    spool = Spool(Scratch(tmp_path / "missing"))
    spool.write(b"x" * (3 * PIECE))
    spool.write(b"y")
    assert spool.read() == b"x" * (3 * PIECE) + b"y"
