"""The state machine: what an answer of a host makes of what was known."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from agentless.model.answers import Returned, Stated
from agentless.model.jid import JID, jid_time
from agentless.model.output import InMemory
from agentless.model.problem import Problem
from agentless.model.returns import Remains, Return
from agentless.model.states import NO_RECORD, Dispatched, HostResult, State, settle

HERE = JID("20261122095039579207")
PENDING = HostResult(State.PENDING)
MAYBE = HostResult(State.UNREACHABLE, Dispatched.MAYBE, nonce="n", problem=Problem("connection-lost", "cut"))
NOW = jid_time("20261122095039579207") + 60
RUNNING = HostResult(State.RUNNING, Dispatched.YES, nonce="n", pid=7, started=1.0)
BEFORE = st.sampled_from([PENDING, MAYBE, RUNNING])


def stated(state: str, problem: Problem | None = None, remains: Remains | None = None) -> Stated:
    return Stated(HERE, state, 7, 1.0, problem, remains)


@given(BEFORE)
def test_a_return_is_a_return_whatever_was_known(before: HostResult) -> None:
    ret = Return(3, None, "exit", InMemory(b"out"), pid=7)
    after = settle(before, Returned(HERE, ret, streamed=False), NOW)
    assert (after.state, after.ret, after.pid, after.problem) == (State.RETURNED, ret, 7, None)
    assert after.dispatched is Dispatched.YES
    assert after.nonce == before.nonce
    assert after.failed


@given(BEFORE)
def test_what_runs_was_dispatched_and_a_warning_stays_with_it(before: HostResult) -> None:
    warning = Problem("unsupervised", "its supervisor was killed")
    after = settle(before, stated("running", warning), NOW)
    assert (after.state, after.dispatched, after.pid, after.problem) == (State.RUNNING, Dispatched.YES, 7, warning)


@given(BEFORE)
def test_what_is_lost_keeps_the_reason_and_what_it_left(before: HostResult) -> None:
    why, left = Problem("reboot", "the host was rebooted"), Remains(InMemory(b"so far"))
    after = settle(before, stated("lost", why, left), NOW)
    assert (after.state, after.problem, after.output) == (State.LOST, why, left)
    assert not after.failed


@given(BEFORE)
def test_what_was_refused_never_ran(before: HostResult) -> None:
    why = Problem("disk-full", "no room")
    after = settle(before, stated("not-started", why), NOW)
    assert (after.state, after.problem, after.ret) == (State.NOT_STARTED, why, None)


def test_a_host_that_lost_the_record_of_what_it_had_accepted_has_lost_the_job() -> None:
    after = settle(RUNNING, stated("unknown"), NOW)
    assert (after.state, after.problem) == (State.LOST, NO_RECORD)


def test_who_denies_a_job_that_was_sent_to_another_user_there_has_not_lost_it() -> None:
    sent = replace(RUNNING, place="ada")
    for asked in (None, ["ada"], ["bob", "ada"]):
        assert settle(sent, stated("unknown"), NOW, asked).state is State.LOST
    elsewhere = settle(sent, stated("unknown"), NOW, ["bob", "bob root"])
    assert (elsewhere.state, elsewhere.dispatched) == (State.UNREACHABLE, Dispatched.YES)


def test_where_the_request_may_never_have_arrived_knowing_nothing_changes_nothing() -> None:
    assert settle(MAYBE, stated("unknown"), NOW) == MAYBE
    assert settle(PENDING, stated("unknown"), NOW) == PENDING


def test_three_states_are_final_and_a_host_that_nothing_reached_is_settled() -> None:
    assert {state.value for state in State if state.final} == {"returned", "lost", "not-started"}
    assert HostResult(State.UNREACHABLE).settled
    assert not MAYBE.settled
    assert not RUNNING.settled


def test_every_key_of_the_contract_is_there_in_every_state() -> None:
    keys = {frozenset(HostResult(state).to_json()) for state in State}
    assert len(keys) == 1


def test_output_that_is_no_text_comes_in_base64_and_nothing_is_replaced() -> None:
    document = HostResult(
        State.RETURNED, ret=Return(0, None, "exit", InMemory(b"\xff\x00"), InMemory(b"text"))
    ).to_json()
    assert (document["stdout"], document["stdout_base64"], document["stderr"]) == (None, "/wA=", "text")
