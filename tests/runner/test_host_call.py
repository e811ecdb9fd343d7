"""One operation on one host: as whom it is asked, and what leaving it means."""

from __future__ import annotations

import pytest

from agentless.errors import Unreachable
from agentless.model.answers import Helper
from agentless.model.endpoint import Become, Endpoint
from agentless.model.requests import Caller, PingRequest
from agentless.runner.host_call import HostCall, Talk
from agentless.runner.writing import write
from tests.runner.lying import END, SCRATCH, LyingHosts, Piece

PING = write(PingRequest(), Caller("ada@laptop", 168.0, 1 << 30))


def pong(user: str) -> list[Piece]:
    return [({"t": "pong", "user": user}, b""), END]


def talk(hosts: LyingHosts, *, endpoint: Endpoint | None = None, times: int = 1) -> Talk:
    return Talk(HostCall(endpoint or Endpoint("web1", "web1"), (PING,) * times, 1 << 20), hosts, SCRATCH)


def test_what_a_host_answers_is_yielded_and_it_was_reached() -> None:
    asked = talk(LyingHosts(web1=[pong("ada")]))
    assert not asked.reached
    (answer,) = asked.answers()
    assert isinstance(answer, Helper)
    assert (answer.user, asked.reached) == ("ada", True)


def test_a_second_message_is_asked_over_the_same_connection() -> None:
    hosts = LyingHosts(web1=[[*pong("ada"), *pong("bob")]])
    answers = list(talk(hosts, times=2).answers())
    assert [answer.user for answer in answers if isinstance(answer, Helper)] == ["ada", "bob"]
    assert hosts.calls == {"web1": 1}


def test_the_second_message_is_asked_as_who_logs_in(monkeypatch: pytest.MonkeyPatch) -> None:
    acting: list[Become | None] = []

    class Session:
        def __init__(self, link: object, endpoint: Endpoint, *rest: object, **options: object) -> None:
            acting.append(endpoint.become)

        def answers(self) -> tuple[object, ...]:
            return ()

        def close(self) -> None: ...

    monkeypatch.setattr("agentless.runner.host_call.Session", Session)
    root = Become()
    assert list(talk(LyingHosts(web1=[[]]), endpoint=Endpoint("web1", "web1", become=root), times=2).answers()) == []
    assert acting == [root, None]


def test_who_is_not_ready_sends_nothing() -> None:
    asked = talk(LyingHosts(web1=[pong("ada")]))
    assert list(asked.answers(lambda: False)) == []
    assert not asked.reached


def test_a_call_that_was_left_before_it_began_asks_nothing() -> None:
    asked = talk(LyingHosts(web1=[pong("ada")]))
    asked.leave()
    assert list(asked.answers()) == []
    assert not asked.reached


def test_a_connection_that_breaks_is_an_error_but_for_who_has_left() -> None:
    broken: list[Piece] = [({"t": "pong", "user": "ada"}, b"")]
    with pytest.raises(Unreachable):
        list(talk(LyingHosts(web1=[broken])).answers())
    asked = talk(LyingHosts(web1=[broken]))
    answers = asked.answers()
    next(answers)
    asked.leave()
    assert list(answers) == []
