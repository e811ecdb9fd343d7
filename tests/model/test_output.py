from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentless.model.output import EMPTY, PIECE, InMemory, StreamOutput


class InPieces(StreamOutput):
    def __init__(self, *pieces: bytes) -> None:
        self.given = 0
        self._pieces = pieces

    def pieces(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self.given += 1
            yield piece


@given(pieces=st.lists(st.binary(min_size=1, max_size=5)), limit=st.integers(0, 12))
def test_head_and_tail_are_the_ends_of_all(pieces: list[bytes], limit: int) -> None:
    whole = b"".join(pieces)
    assert InPieces(*pieces).read() == whole
    assert InPieces(*pieces).head(limit) == whole[:limit]
    assert InPieces(*pieces).tail(limit + 1) == whole[-limit - 1 :]
    assert InPieces(*pieces) == InMemory(whole)
    assert hash(InPieces(*pieces)) == hash(InMemory(whole))
    assert InPieces(*pieces, b"x") != InMemory(whole)


def test_a_head_reads_no_further_than_it_must() -> None:
    output = InPieces(b"abc", b"def", b"ghi")
    assert output.head(4) == b"abcd"
    assert output.given == 2


@pytest.mark.parametrize("size", [0, 1, PIECE, PIECE + 1])
def test_what_is_held_comes_in_pieces_that_are_not_empty(size: int) -> None:
    pieces = list(InMemory(b"x" * size).pieces())
    assert all(0 < len(piece) <= PIECE for piece in pieces)
    assert b"".join(pieces) == b"x" * size


def test_output_is_never_equal_to_bytes() -> None:
    assert EMPTY != b""
