"""Records in their files: an open one grows by lines, a finished one has another name, and a reopened one the old."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from agentless.cache import file_names
from agentless.cache.folder import Folder
from agentless.cache.journal import Journal
from agentless.cache.record_lines import INLINE
from agentless.model.jid import JID
from agentless.model.job import Job
from agentless.model.states import HostResult, State
from tests.cache.conftest import Bench
from tests.cache.results import returned

THE_JID = JID("20261122095039579207")
JOB = Job(THE_JID, "cmd.run", ("id",), "all", ("a", "b"), "ada", 1.0)


class Two:
    """Two journals on one folder, as two processes have it."""

    def __init__(self, root: Path) -> None:
        self.warnings: list[str] = []
        self.root = root
        self.one, self.other = self.journal(), self.journal()

    def journal(self) -> Journal:
        return Journal(Folder(self.root, self.warnings.append), self.warnings.append)

    def append(self, journal: Journal, host: str, result: HostResult) -> None:
        record = journal.opened(THE_JID)
        assert record is not None
        with contextlib.ExitStack() as unsynced:
            journal.append(THE_JID, {host: result}, 100.0, unsynced)

    def states(self, journal: Journal) -> dict[str, State]:
        report = journal.report(THE_JID, outputs=False)
        assert report is not None
        return {host: result.state for host, result in report.results.items()}


@pytest.fixture
def two(bench: Bench) -> Two:
    bench.job()  # makes the directory
    two = Two(bench.root)
    two.one.write(JOB, 1.0)
    return two


def test_what_another_process_appended_is_read_before_the_next_line_is_written(two: Two) -> None:
    two.append(two.one, "a", returned())
    two.append(two.other, "b", returned())
    two.append(two.one, "a", HostResult(State.RUNNING))
    assert two.states(two.journal()) == dict.fromkeys("ab", State.RETURNED)
    assert (two.root / f"{THE_JID}{file_names.OPEN}").read_bytes().count(b"\n") == 3


def test_output_beyond_a_line_goes_to_the_second_file_and_comes_back(two: Two) -> None:
    two.append(two.one, "a", returned(stdout=b"x" * (INLINE + 1)))
    two.append(two.one, "b", returned(stdout=b"short"))
    report = two.other.report(THE_JID, outputs=True)
    assert report is not None
    outputs = {host: result.output.stdout for host, result in report.results.items() if result.output}
    assert outputs == {"a": b"x" * (INLINE + 1), "b": b"short"}
    assert (two.root / f"{THE_JID}{file_names.OUTPUT}").stat().st_size > INLINE


def test_a_finished_record_is_no_open_one_and_a_reopened_one_is(two: Two) -> None:
    for host in JOB.hosts:
        two.append(two.one, host, returned())
    record = two.one.opened(THE_JID)
    assert record is not None
    two.one.finish(record)
    assert two.other.is_finished(THE_JID)
    assert two.other.opened(THE_JID) is None
    assert two.states(two.other) == dict.fromkeys("ab", State.RETURNED)
    two.one.reopen(THE_JID)
    assert not two.other.is_finished(THE_JID)
    assert two.other.opened(THE_JID) is not None


def test_a_job_without_a_record_is_none_and_no_warning(two: Two) -> None:
    unknown = JID("20200101000000000000")
    assert (two.one.read(unknown), two.one.opened(unknown), two.one.row(unknown)) == (None, None, None)
    assert two.warnings == []


def test_what_is_no_record_is_set_aside_and_told_once(two: Two) -> None:
    (two.root / f"{THE_JID}{file_names.OPEN}").write_bytes(b"no record\n")
    assert two.one.read(THE_JID) is None
    assert two.other.readable(THE_JID) is None
    (warning,) = two.warnings
    assert warning.startswith("set aside ")
    assert str(THE_JID) in warning
