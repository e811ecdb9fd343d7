"""A reply comes from a machine that may say anything: whatever it says becomes a value or one host's problem."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentless.errors import HostError, Unreachable
from agentless.model.answers import Answer, Returned
from agentless.model.endpoint import Endpoint
from agentless.model.requests import Caller, PingRequest
from agentless.runner.session import Session
from agentless.runner.writing import write
from agentless.transport.channel import Channel, Link

JID = "20261122095039579207"
PING = write(PingRequest(), Caller("ada@laptop", 168.0, 1 << 30))

values = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
)
KEYS = ["jid", "s", "at", "n", "pid", "started", "finished", "duration", "retcode", "signal", "ended_by", "state"]
KEYS += ["kind", "message", "hint", "warning", "streamed"]
KINDS = ["out", "gap", "rec", "return", "accepted", "state", "job", "refused", "error", "running", "pong", "odd"]


class Lying(Channel, Link):
    """A channel whose host answers with frames of a test's making."""

    def __init__(self, frames: list[tuple[dict[str, Any], bytes]]) -> None:
        self._frames = frames
        self._nonce = ""
        self.user = "ada"

    def exec(self, line: str, *, pty: bool = False) -> Channel:
        words = [word.strip("'") for word in line.split()]
        self._nonce = next(word for word in words if len(word) == 16 and set(word) <= set("0123456789abcdef"))
        return self

    def recv(self, timeout: float) -> tuple[int, bytes]:
        if not self._frames:
            return 0, b""
        meta, body = self._frames.pop(0)
        # json writes Infinity and NaN, too: so may a host.
        head = json.dumps(meta).encode()
        return 1, b"\x1e%s %d %d\n%s%s" % (self._nonce.encode(), len(head), len(body), head, body)

    def send(self, data: bytes, timeout: float) -> None: ...

    def close_stdin(self) -> None: ...

    def exit_status(self) -> int | None:
        return 0

    def close(self) -> None: ...

    def __enter__(self) -> Lying:
        return self

    def __exit__(self, *exception: object) -> None: ...


def answers(*frames: tuple[dict[str, Any], bytes]) -> list[Answer]:
    link = Lying([*frames, ({"t": "end"}, b"")])
    return list(Session(link, Endpoint("web1", "web1"), PING).answers())


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
    monkeypatch.setattr("agentless.runner.reading.RECORDS_MAX", 100)
    record = ({"t": "rec", "jid": JID, "s": 1}, b"x" * 60)
    assert answers(record, ({"t": "return", "jid": JID, "retcode": 0, "ended_by": "exit"}, b""))
    with pytest.raises(Unreachable) as caught:
        answers(record, record)
    assert caught.value.kind == "protocol"


def test_a_reply_without_its_end_is_a_lost_connection() -> None:
    link = Lying([({"t": "pong"}, b"")])
    with pytest.raises(Unreachable) as caught:
        list(Session(link, Endpoint("web1", "web1"), PING).answers())
    assert caught.value.kind == "connection-lost"
