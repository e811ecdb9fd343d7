"""What a host says becomes values, or breaks that host's answer; nothing else."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentless.errors import HostError, Refused, Unreachable
from agentless.model import jid as jids
from agentless.model.answers import Accepted, FoundJob, Output, Returned, RunningJobs, SignalDone, Stated
from agentless.runner.frames import Frame
from agentless.runner.reading import Reading
from tests.runner.lying import SCRATCH

# ruff: noqa: SIM905 - one word a line would make a page of them
JID = jids.JID("20261122095039579207")
KINDS = (
    "accepted out gap rec return state job running found signalled pong pushed entry event schedule seen refused error"
).split()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(JID),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KEYS = (
    "jid s at n state kind message hint warning pid started retcode signal ended_by jobs proc delivered "
    "survivors id arg metadata stdout_truncated duration known running"
).split()


def read(t: str, body: bytes = b"", **meta: Any) -> object:
    return Reading("web1", SCRATCH).read(Frame({"t": t, "jid": JID, **meta}, body))


@given(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(KEYS), JSON), st.binary(max_size=9))
def test_whatever_a_host_says_is_an_answer_or_that_host_s_error(t: str, meta: dict[str, Any], body: bytes) -> None:
    with contextlib.suppress(HostError):
        Reading("web1", SCRATCH).read(Frame({"t": t, **meta}, body))


def test_a_refusal_is_raised_with_what_the_host_says() -> None:
    with pytest.raises(Refused) as caught:
        read("refused", kind="cwd", message="no such directory", hint="make it")
    assert (caught.value.kind, caught.value.message, caught.value.hint) == ("cwd", "no such directory", "make it")


@pytest.mark.parametrize("jid", ["", "../../etc", "20261322095039579207", 7, None, JID + "0"])
def test_a_jid_that_is_none_ends_the_reply(jid: object) -> None:
    with pytest.raises(Unreachable) as caught:
        read("return", jid=jid)
    assert caught.value.kind == "protocol"


def test_a_state_that_is_none_ends_the_reply() -> None:
    with pytest.raises(Unreachable):
        read("state", state="asleep")


def test_output_of_a_record_comes_before_its_return() -> None:
    reading = Reading("web1", SCRATCH)
    for stream, data in ((1, b"o"), (2, b"e"), (1, b"ut")):
        assert reading.read(Frame({"t": "rec", "jid": JID, "s": stream}, data)) is None
    answer = reading.read(Frame({"t": "return", "jid": JID, "retcode": 3, "ended_by": "exit", "pid": 7}))
    assert isinstance(answer, Returned)
    assert (answer.ret.stdout, answer.ret.stderr, answer.ret.retcode, answer.ret.pid) == (b"out", b"e", 3, 7)


def test_live_output_says_where_it_stands_and_what_is_missing() -> None:
    assert read("out", b"x", s=2, at=5) == Output(JID, "web1", 2, 5, b"x")
    assert read("gap", s=1, at=5, n=7) == Output(JID, "web1", 1, 5, b"", dropped=7)


def test_values_of_the_wrong_type_are_unknown_ones() -> None:
    answer = read("accepted", pid="7", started=1e300, warning=[])
    assert isinstance(answer, Accepted)
    assert (answer.pid, answer.started, answer.warning) == (None, None, None)


def test_a_newer_helper_may_say_more() -> None:
    assert read("a-new-kind") is None
    assert isinstance(read("state", state="unknown", news=1), Stated)


def test_lists_of_processes_leave_out_what_is_none() -> None:
    answer = read("running", jobs=[{"jid": JID, "pid": 7}, {"jid": "x"}, None, 3])
    assert isinstance(answer, RunningJobs)
    assert [process.pid for process in answer.processes] == [7]
    assert read("found", proc={}) == FoundJob(None)
    done = read(
        "signalled", delivered=[7, "x"], survivors=[{"pid": 8, "user": "root"}, {}], message="sent", known=False
    )
    assert isinstance(done, SignalDone)
    assert (done.signal.delivered, [one.pid for one in done.signal.survivors], done.signal.known) == ((7,), [8], False)
