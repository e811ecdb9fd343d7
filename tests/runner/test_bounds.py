"""A call takes so much time, and no more of this machine than its answer needs."""

from __future__ import annotations

import pytest

from agentless.errors import Unreachable
from agentless.remote import wire
from agentless.runner import bounds
from agentless.runner.bounds import SILENCE, WHOLE, Bounds, records_max
from agentless.runner.frames import Frame


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def frame(kind: str) -> Frame:
    return Frame({"t": kind})


def test_noise_is_no_answer() -> None:
    clock = Clock()
    one = Bounds(follows=True, clock=clock)
    clock.now = one.first_answer - 1
    one.received(100)
    assert not one.silent
    clock.now = one.first_answer
    assert one.silent


def test_what_comes_between_frames_does_not_prolong_a_call() -> None:
    clock = Clock()
    one = Bounds(follows=False, clock=clock)
    one.frame(frame("pong"))
    for _ in range(4):
        clock.now += SILENCE / 4
        one.received(1)
    with pytest.raises(Unreachable, match="in the middle"):
        one.check()


def test_frame_after_frame_does_not_prolong_it_beyond_the_whole() -> None:
    clock = Clock()
    one = Bounds(follows=False, clock=clock)
    while clock.now < WHOLE:
        one.check()
        one.frame(frame("pong"))
        clock.now += SILENCE / 2
    with pytest.raises(Unreachable, match="did not end"):
        one.check()


def test_a_job_that_is_followed_may_be_silent_but_not_a_helper_that_has_not_started_it() -> None:
    clock = Clock()
    one = Bounds(follows=True, clock=clock)
    one.frame(frame("ready"))
    clock.now = SILENCE
    with pytest.raises(Unreachable):
        one.check()
    one.frame(frame("accepted"))
    clock.now = 10 * WHOLE
    one.check()


def test_a_job_that_is_followed_beats_and_what_does_not_is_lost() -> None:
    clock = Clock()
    one = Bounds(follows=True, clock=clock)
    one.frame(frame("accepted"))
    for _ in range(100_000):
        clock.now += one.left() - 0.1
        one.nothing_came()
        one.frame(frame("beat"))
    # Who did not look for a while looks once more before that is a fault.
    clock.now += 10 * SILENCE
    assert one.left() > 0
    with pytest.raises(Unreachable, match="no sign of life") as caught:
        one.nothing_came()
    assert caught.value.kind == "connection-lost"


def test_sending_is_bounded_by_itself() -> None:
    clock = Clock()
    one = Bounds(follows=False, clock=clock)
    one.frame(frame("need"))
    clock.now = 2 * WHOLE
    one.sent(2 * WHOLE)
    one.check()


def test_bytes_are_bounded_where_no_job_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "BYTES_MAX", 100)
    Bounds(follows=True).received(101)
    with pytest.raises(Unreachable):
        Bounds(follows=False).received(101)


def test_output_of_a_job_has_no_bound_but_answers_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "FRAMES_MAX", 3)
    one = Bounds(follows=True)
    for kind in ("accepted", *["out"] * 10, "state", "return"):
        one.frame(frame(kind))
    with pytest.raises(Unreachable, match="no end"):
        one.frame(frame("state"))


def test_a_record_that_has_begun_comes_to_its_end_also_where_a_job_is_followed() -> None:
    clock = Clock()
    one = Bounds(follows=True, clock=clock)
    one.frame(frame("accepted"))
    clock.now = 10 * WHOLE
    for kind in ("rec", "out"):
        one.frame(frame(kind))
    clock.now += SILENCE
    with pytest.raises(Unreachable, match="in the middle"):
        one.check()
    one.frame(frame("return"))
    clock.now += 10 * WHOLE
    one.check()


def test_larger_records_have_more_time() -> None:
    clock = Clock()
    one = Bounds(follows=False, cap=10 * wire.CAP, clock=clock)
    while clock.now < 10 * WHOLE:
        one.check()
        one.frame(frame("rec"))
        clock.now += SILENCE / 2
    with pytest.raises(Unreachable, match="within 6000 s"):
        one.check()


def test_a_reply_may_have_as_much_output_as_was_asked_for() -> None:
    mib = 1 << 20
    assert records_max(1, 100 * mib) == 404 * mib
    assert records_max(3, 0) < 256 * mib
