"""Frames come out of a stream whatever else is in it, however it is cut, and hostile ones end the call."""

from __future__ import annotations

import contextlib
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentless.errors import Unreachable
from agentless.remote import wire
from agentless.runner.frames import Decoder, Frame

NONCE = "0123456789abcdef"
MARK = b"\x1e" + NONCE.encode() + b" "

noise = st.binary(max_size=60).filter(lambda data: b"\x1e" not in data)
metas = st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=10) | st.none(), max_size=4)
frames = st.lists(st.tuples(noise, metas, st.binary(max_size=300)), max_size=6)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[begin:end] for begin, end in itertools.pairwise(places)]


@given(frames, noise, st.lists(st.integers(0, 10_000), max_size=12))
def test_frames_survive_noise_and_any_cutting(sent: list[Any], end: bytes, cuts: list[int]) -> None:
    stream = b"".join(before + wire.encode(NONCE, meta, body) for before, meta, body in sent) + end
    decoder = Decoder(NONCE)
    found = [frame for piece in pieces(stream, cuts) for frame in decoder.feed(piece)]
    assert found == [Frame(meta, body) for _, meta, body in sent]


@given(metas, st.binary(max_size=300))
def test_a_frame_of_another_call_is_noise(meta: dict[str, Any], body: bytes) -> None:
    assert Decoder("f" * 16).feed(wire.encode(NONCE, meta, body)) == []


@given(st.binary(max_size=400))
def test_any_bytes_behind_a_mark_are_a_frame_or_a_protocol_error(data: bytes) -> None:
    with contextlib.suppress(Unreachable):
        assert all(isinstance(frame.meta, dict) for frame in Decoder(NONCE).feed(MARK + data))


@pytest.mark.parametrize(
    "data", [b"99999999 0\n", b"2 99999999\n{}", b"4 0\nnull", b"3 0\n{]}", b"-1 0\n{}" + b" " * 30]
)
def test_frames_over_the_limits_or_damaged_end_the_call(data: bytes) -> None:
    with pytest.raises(Unreachable) as caught:
        Decoder(NONCE).feed(MARK + data)
    assert caught.value.kind == "protocol"


def test_the_end_of_the_noise_is_kept_for_messages() -> None:
    decoder = Decoder(NONCE)
    decoder.feed(b"x" * 10_000 + b"This account is currently not available.\n")
    assert decoder.noise.endswith(b"currently not available.\n")
    assert len(decoder.noise) <= 4096
