"""A record as far as it was read."""

from __future__ import annotations

import pytest

from agentless.cache.head import Head, encode_head
from agentless.cache.json_line import DamagedRecord
from agentless.cache.record import NEWS, Record, encode_news, row_of
from agentless.cache.record_lines import HostLine
from agentless.model.jid import JID
from agentless.model.job import Job
from agentless.model.problem import Problem
from agentless.model.states import Dispatched, HostResult, State
from tests.cache.results import returned, running

THE_JID = JID("20261122095039579207")
JOB = Job(THE_JID, "cmd.run", ("id",), "all", ("a", "b"), "ada", 1.0)
HEAD = encode_head(Head(JOB, 100.0))
UNREACHABLE = HostResult(State.UNREACHABLE, Dispatched.YES, problem=Problem("k", "m"))


def record(*news: tuple[str, HostResult, float]) -> Record:
    lines = (encode_news(host, HostLine.of(result), at) for host, result, at in news)
    return Record.read(b"".join([HEAD, *lines]), THE_JID)


def results(of: Record) -> dict[str, HostResult]:
    return {host: line.full() for host, line in of.lines.items()}


def test_hosts_of_which_nothing_is_known_are_pending() -> None:
    assert results(record()) == dict.fromkeys(("a", "b"), HostResult(State.PENDING))
    assert (record().not_final, record().last, record().settled()) == (2, 100.0, False)
    assert record().unsent(["a", "b", "z"]) == ["a", "b"]


def test_the_first_end_counts_and_else_the_last_line() -> None:
    read = record(
        ("a", running(), 101.0), ("a", UNREACHABLE, 102.0), ("a", returned(), 103.0), ("a", running(), 104.0),
        ("b", running(1), 105.0), ("b", running(2), 106.0),
    )  # fmt: skip
    assert results(read) == {"a": returned(), "b": running(2)}
    assert (read.not_final, read.last, read.ended(["a", "b", "z"])) == (1, 106.0, ["a"])
    assert list(read.waited_for()) == [("b", running(2))]


def test_what_is_known_is_news_again_after_a_while() -> None:
    read = record(("a", running(), 101.0))
    line = HostLine.of(running())
    assert not read.take("a", line, 101.0 + NEWS - 1)
    assert read.take("a", line, 101.0 + NEWS)
    assert results(read)["a"].as_of == read.last == 101.0 + NEWS


def test_silence_is_known_since_the_host_last_spoke_also_in_a_record_that_was_written_anew() -> None:
    read = record(("a", running(), 101.0), ("a", UNREACHABLE, 150.0))
    assert (results(read)["a"].as_of, read.last) == (101.0, 150.0)
    again = Record.read(read.opened(JOB, 200.0), THE_JID)
    assert results(again) == results(read)
    assert (results(again)["a"].as_of, again.last) == (101.0, 200.0)
    assert results(Record.read(again.finished(), THE_JID))["a"].as_of == 101.0


def test_a_finished_record_has_its_row_in_its_first_line() -> None:
    read = record(("a", returned(), 101.0), ("b", returned(retcode=2), 102.0))
    data = read.finished()
    assert row_of(data[: data.index(b"\n")], THE_JID) == read.row() == Record.read(data, THE_JID).row()
    assert (read.row().summary["returned"], read.row().summary["failed"]) == (2, 1)
    with pytest.raises(DamagedRecord, match="no summary"):
        row_of(HEAD, THE_JID)
    with pytest.raises(DamagedRecord, match="ends before the last of its 2 hosts"):
        Record.read(data[: data.rindex(b"\n", 0, -1) + 1], THE_JID)


def test_a_host_that_is_none_of_the_jobs_is_damage() -> None:
    with pytest.raises(DamagedRecord, match="'z', which is no host of this job"):
        record(("z", running(), 101.0))


def test_what_a_run_that_is_gone_left_pending_was_not_started_or_has_to_be_asked() -> None:
    maybe = HostResult(State.PENDING, Dispatched.MAYBE, "n")
    left = record(("b", maybe, 101.0)).abandoned()
    assert {host: (one.state, one.problem and one.problem.kind) for host, one in left.items()} == {
        "a": (State.NOT_STARTED, "controller-gone"),
        "b": (State.UNREACHABLE, "controller-gone"),
    }
