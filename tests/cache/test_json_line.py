"""A line of JSON."""

from __future__ import annotations

import pytest

from agentless.cache.json_line import DamagedRecord, parse


@pytest.mark.parametrize("data", [b"", b"x", b"[]", b"1", b"{} {}", b'{"a":', b"\xff", b"[" * 100_000, b'{"a":1}x'])
def test_what_is_no_object_of_json_is_damaged(data: bytes) -> None:
    with pytest.raises(DamagedRecord):
        parse(data)
