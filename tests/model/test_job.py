"""States, summaries and exit codes are functions of the results alone."""

from __future__ import annotations

import pickle
from dataclasses import replace
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentless.model.jid import JID, jid_time, new_jid
from agentless.model.job import Job, JobError, Report
from agentless.model.output import InMemory
from agentless.model.problem import Problem
from agentless.model.returns import Return
from agentless.model.states import Dispatched, HostResult, State
from agentless.model.times import iso

returns = st.one_of(
    st.builds(Return, st.integers(0, 255), st.none(), st.just("exit"), out=st.binary(max_size=20).map(InMemory)),
    st.builds(Return, st.none(), st.integers(1, 64), st.sampled_from(["signal", "timeout", "signal-job:a@b"])),
    # A handler of TERM that leaves with a code of its own.
    st.builds(Return, st.integers(0, 255), st.none(), st.sampled_from(["timeout", "signal-job:a@b"])),
)
results = st.one_of(
    st.builds(HostResult, st.just(State.RETURNED), st.just(Dispatched.YES), ret=returns),
    st.builds(
        HostResult,
        st.sampled_from([state for state in State if state is not State.RETURNED]),
        st.sampled_from(Dispatched),
        problem=st.just(Problem("kind", "message")),
    ),
)


def report(hosts: list[HostResult], *, interrupted: bool = False, detached: bool = False) -> Report:
    named = {f"h{number}": result for number, result in enumerate(hosts)}
    return Report(
        Job(JID("20261122095039579207"), "cmd.run", ("true",), "all", tuple(named), "ada", 0.0),
        named,
        interrupted=interrupted,
        detached=detached,
    )


@given(st.lists(results, max_size=8))
def test_every_host_is_in_exactly_one_state(hosts: list[HostResult]) -> None:
    summary = report(hosts).summary
    assert sum(summary[state.value] for state in State) == len(hosts)
    assert summary["failed"] <= summary["returned"]


@given(st.lists(results, max_size=8))
def test_the_exit_code_is_the_first_that_holds(hosts: list[HostResult]) -> None:
    states = {result.state for result in hosts}
    if states & {State.RUNNING, State.PENDING}:
        expected = 4
    elif states & {State.UNREACHABLE, State.LOST, State.NOT_STARTED}:
        expected = 3
    elif any(result.ret is not None and (result.ret.retcode, result.ret.ended_by) != (0, "exit") for result in hosts):
        expected = 1
    else:
        expected = 0
    assert report(hosts).exit_code == expected
    assert report(hosts, interrupted=True).exit_code == 130


@given(st.lists(results, max_size=8))
def test_detached_is_a_success_when_every_host_accepted(hosts: list[HostResult]) -> None:
    bad = {State.UNREACHABLE, State.LOST, State.NOT_STARTED}
    assert report(hosts, detached=True).exit_code == (3 if any(result.state in bad for result in hosts) else 0)


@given(results)
def test_a_host_object_has_all_keys(result: HostResult) -> None:
    keys = {"state", "retcode", "signal", "ended_by", "stdout", "stderr", "stdout_truncated", "stderr_truncated"}
    keys |= {"pid", "started", "finished", "duration", "error"}
    assert keys <= result.to_json().keys()


def test_output_that_is_not_utf8_comes_as_base64() -> None:
    ret = Return(0, None, "exit", out=InMemory(b"\xff\x00"), err=InMemory("é".encode()))
    document = HostResult(State.RETURNED, Dispatched.YES, ret=ret).to_json()
    assert (document["stdout"], document["stdout_base64"]) == (None, "/wA=")
    assert document["stderr"] == "é"
    assert "stderr_base64" not in document


@given(st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31)).map(lambda at: at.replace(tzinfo=timezone.utc)))
def test_a_jid_is_the_utc_instant_to_the_microsecond(moment: datetime) -> None:
    jid = new_jid(moment)
    assert JID(jid) == jid
    assert abs(jid_time(jid) - moment.timestamp()) < 1e-4


@pytest.mark.parametrize(
    "text",
    ["", "1" * 19, "1" * 21, "1" * 19 + "x", "../" + "1" * 17, "1" * 20 + "\n", "١" * 20, "99991231235999000000"],
)
def test_what_is_no_jid_never_touches_a_path(text: str) -> None:
    with pytest.raises(ValueError, match="JID"):
        JID(text)


def test_times_are_iso_8601_in_utc() -> None:
    assert iso(0.5) == "1970-01-01T00:00:00.500000Z"
    assert iso(None) is None


OK = HostResult(State.RETURNED, ret=Return(0, None, "exit", started=0.5, finished=1.5))
BROKEN = HostResult(State.RETURNED, ret=Return(3, None, "exit"))
GONE = HostResult(State.UNREACHABLE, problem=Problem("connect-timeout", "no answer", "Is it up?"))


@given(st.lists(results, max_size=8), st.booleans(), st.booleans())
def test_a_report_is_ok_where_its_exit_code_is_0(hosts: list[HostResult], interrupted: bool, detached: bool) -> None:
    made = report(hosts, interrupted=interrupted, detached=detached)
    assert made.ok is (made.exit_code == 0)
    assert len(made.failed) == made.summary["failed"]
    if made.ok:
        assert made.check() is made
        assert not made.problems
        assert detached or (not made.failed and all(result.ok for result in made.results.values()))
    else:
        with pytest.raises(JobError) as caught:
            made.check()
        assert caught.value.report is made
        assert made.job.jid in str(caught.value)


def test_what_check_raises_tells_hosts_how_each_ended_and_the_jid() -> None:
    made = report([OK, BROKEN, BROKEN, GONE])
    made = replace(made, unknown_hosts={"db": Problem("auth", "permission denied")})
    with pytest.raises(JobError) as caught:
        made.check()
    error = caught.value
    assert str(error) == (
        "job 20261122095039579207: not ok on 4 of 5 hosts: h1, h2 (retcode 3), h3 (unreachable: connect-timeout), "
        "db (not asked: auth)"
    )
    assert error.jid == made.job.jid
    assert (list(made.failed), list(made.problems)) == (["h1", "h2"], ["h3", "db"])
    assert pickle.loads(pickle.dumps(error)).report == made


@pytest.mark.parametrize(
    ("hosts", "told"),
    [
        ([BROKEN] * 12, "not ok on 12 of 12 hosts: h0, h1, h2, h3, h4, h5, h6, h7, h8, h9 and 2 more (retcode 3)"),
        ([HostResult(State.RUNNING)], "h0 (running)"),
        ([HostResult(State.RETURNED, ret=Return(None, 9, "signal"))], "h0 (signal 9)"),
        ([HostResult(State.RETURNED, ret=Return(None, 15, "timeout"))], "h0 (signal 15, timeout)"),
        ([HostResult(State.RETURNED, ret=Return(0, None, "timeout"))], "h0 (retcode 0, timeout)"),
        ([HostResult(State.LOST)], "h0 (lost)"),
    ],
)
def test_a_host_is_told_by_how_it_ended(hosts: list[HostResult], told: str) -> None:
    with pytest.raises(JobError) as caught:
        report(hosts).check()
    assert str(caught.value).endswith(told)


def test_times_of_a_job_are_datetimes_too() -> None:
    job = Job(JID("20261122095039579207"), "cmd.run", ("true",), "all", ("h0",), "ada", 1.5)
    assert job.started_at == datetime(1970, 1, 1, 0, 0, 1, 500_000, timezone.utc)
    assert replace(job, start_time=0.0).started_at is None
    assert (OK.started_at, OK.finished_at) == (
        datetime(1970, 1, 1, 0, 0, 0, 500_000, timezone.utc),
        datetime(1970, 1, 1, 0, 0, 1, 500_000, timezone.utc),
    )
    assert HostResult(State.RUNNING, started=1.5).started_at == job.started_at
    assert HostResult(State.RUNNING, started=1.5).finished_at is None
