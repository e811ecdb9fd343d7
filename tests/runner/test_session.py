"""A reply comes from a machine that may say anything: whatever it says becomes a value or one host's problem."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentless.errors import HostError, Unreachable
from agentless.model.answers import Returned, RunningJobs
from agentless.model.endpoint import Endpoint
from agentless.model.requests import Caller, PingRequest
from agentless.runner.reading import Answer
from agentless.runner.session import Session
from agentless.runner.writing import write
from agentless.schedule.host_schedule import OnHost, ScheduleEvent
from tests.runner.lying import CUT, END, JID, SCRATCH, Lying, Piece

PING = write(PingRequest(), Caller("ada@laptop", 168.0, 1 << 30))

values = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
)
KEYS = ["jid", "s", "at", "n", "pid", "started", "finished", "duration", "retcode", "signal", "ended_by", "state"]
KEYS += ["kind", "message", "hint", "warning", "streamed"]
KINDS = ["out", "gap", "rec", "return", "accepted", "state", "job", "refused", "error", "running", "pong", "odd"]


def answers(*pieces: Piece) -> list[Answer]:
    return list(Session(Lying([*pieces, END]), Endpoint("web1", "web1"), PING, SCRATCH).answers())


@settings(deadline=None)
@given(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(KEYS), values | st.just(JID)), st.binary(max_size=20))
def test_no_frame_crashes_the_controller(kind: str, meta: dict[str, Any], body: bytes) -> None:
    with contextlib.suppress(HostError):
        for answer in answers(({**meta, "t": kind}, body)):
            if isinstance(answer, Returned):
                assert answer.ret.stdout_truncated >= 0


@pytest.mark.parametrize("jid", ["../../etc/passwd", "", "1" * 19, None, 5, JID + "\n"])
def test_a_jid_that_is_none_ends_the_call(jid: object) -> None:
    with pytest.raises(Unreachable) as caught:
        answers(({"t": "return", "jid": jid}, b""))
    assert caught.value.kind == "protocol"


def test_more_output_than_any_record_holds_ends_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentless.runner.session.records_max", lambda jobs, cap: 100)
    record = ({"t": "rec", "jid": JID, "s": 1}, b"x" * 60)
    assert answers(record, ({"t": "return", "jid": JID, "retcode": 0, "ended_by": "exit"}, b""))
    with pytest.raises(Unreachable) as caught:
        answers(record, record)
    assert caught.value.kind == "protocol"


def test_a_reply_without_its_end_is_a_lost_connection() -> None:
    with pytest.raises(Unreachable) as caught:
        answers(({"t": "pong"}, b""), CUT)
    assert caught.value.kind == "connection-lost"


@pytest.mark.parametrize(
    "meta",
    [
        b"[" * 200_000,
        b'{"t": "running", "jobs": [{"jid": "%s", "pid": %s}]}' % (JID.encode(), b"9" * 4000),
        b'{"t": "running", "jobs": [{"jid": "%s", "pid": %s}]}' % (JID.encode(), b"9" * 5000),
        b'{"t": "state", "jid": "%s", "state": "flying"}' % JID.encode(),
        b'{"t": ["end"]}',
    ],
)
def test_what_cannot_be_read_breaks_this_reply_and_nothing_else(meta: bytes) -> None:
    with contextlib.suppress(HostError):
        for answer in answers(meta):
            assert isinstance(answer, RunningJobs)
            assert [process.pid for process in answer.processes] == [None]


@pytest.mark.parametrize("kind", ["need", "ready"])
def test_what_is_asked_for_twice_is_refused(kind: str) -> None:
    with pytest.raises(Unreachable, match="asks twice"):
        answers(*[({"t": kind}, b"")] * 2)


@pytest.mark.parametrize("kind", ["pong", "odd", "accepted"])
def test_a_reply_without_end_is_ended(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentless.runner.bounds.FRAMES_MAX", 100)
    with pytest.raises(Unreachable, match="has no end"):
        answers(*[({"t": kind, "jid": JID}, b"")] * 101)


HUGE = b"9" * 4000
ENTRY = b'{"t": "entry", "entry": {"id": "x", "job": {"fun": "f", "arg": 5}}, "history": {"f": [1], "s": 3}, %s}'


@pytest.mark.parametrize(
    "meta",
    [
        ENTRY % b'"plan": [[%s, %s, null, %s]]' % (HUGE, HUGE, HUGE),
        ENTRY % b'"plan": [[1, 1, null, 1e300], [1, 1], 7]',
        ENTRY % b'"running": %s' % HUGE,
        b'{"t": "event", "at": %s, "count": -%s, "jid": []}' % (HUGE, HUGE),
        b'{"t": "pushed", "time": %s, "added": {}, "renamed": 5}' % HUGE,
        b'{"t": "schedule", "ticked": %s, "problem": [1, 2, 3], "line": 7}' % HUGE,
    ],
)
def test_what_a_schedule_says_becomes_values_that_can_be_shown(meta: bytes) -> None:
    for answer in answers(meta):
        if isinstance(answer, (OnHost, ScheduleEvent)):
            assert json.dumps(answer.to_json())
