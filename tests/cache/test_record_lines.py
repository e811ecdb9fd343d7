"""The lines of records: what is written is read again, and what is read has the types that it says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentless.cache import record_lines
from agentless.cache.json_line import DamagedRecord, dump, parse
from agentless.cache.record_lines import HostLine, decode_host, decode_output, encode_host, encode_output
from agentless.model.output import EMPTY, InMemory
from agentless.model.returns import Return
from agentless.model.states import HostResult, State
from tests.cache.results import any_result, returned


@given(result=any_result)
def test_a_hosts_line_is_read_as_it_was_written(result: HostResult) -> None:
    line = HostLine.of(result)
    assert line.full() == result
    host, again = decode_host(parse(dump(encode_host("web é\udcff", line))), 7.0)
    assert (host, again.full()) == ("web é\udcff", result)
    apart = HostLine.of(result, (3, 4))
    _, again = decode_host(parse(dump(encode_host("a", apart))), 7.0)
    assert (again.output, again.output_at) == ((b"", b""), (3, 4) if result.output else None)


@given(stdout=st.binary(max_size=40) | st.text(max_size=20).map(str.encode), stderr=st.binary(max_size=9))
def test_output_in_pieces_is_read_as_it_was_written(stdout: bytes, stderr: bytes) -> None:
    class Cut(InMemory):
        """In pieces of three bytes."""

        def pieces(self) -> Iterator[bytes]:
            return (self.data[at : at + 3] for at in range(0, len(self.data), 3))

    lines = list(encode_output("a", Cut(stdout), Cut(stderr)))
    assert [b"".join(stream) for stream in zip(*(decode_output(line, "a") for line in lines), strict=True)] == (
        [stdout, stderr] if lines else []
    )


@given(text=st.text())
def test_text_is_text_in_every_piece_of_it(text: str) -> None:
    class Bytewise(InMemory):
        def pieces(self) -> Iterator[bytes]:
            return (self.data[at : at + 1] for at in range(len(self.data)))

    lines = [json.loads(line) for line in encode_output("a", Bytewise(text.encode()), EMPTY)]
    assert "".join(line["stdout"] for line in lines) == text


def test_every_field_of_a_return_is_kept() -> None:
    """Also one that is new: the fields are read off the dataclass."""
    other = {"str": "x", "int": 7, "float": 7.0, "bool": True, "StreamOutput": InMemory(b"x")}
    for field in fields(Return):
        kind = str(field.type).removesuffix(" | None")
        changed: dict[str, Any] = {field.name: other[kind]}
        ret = replace(Return(0, None, "exit"), **changed)
        result = HostResult(State.RETURNED, ret=ret)
        assert decode_host(parse(dump(encode_host("a", HostLine.of(result)))), 1.0)[1].full() == result


@pytest.mark.parametrize("value", [10**30, -(10**30), float("nan"), float("inf"), 1e300])
def test_a_number_that_means_nothing_is_written_as_one_that_is_not_known(value: Any) -> None:
    ret = replace(Return(0, None, "exit"), retcode=value, started=value, duration=value, left_running=value)
    line = HostLine.of(HostResult(State.RETURNED, ret=ret, started=value))
    again = decode_host(parse(dump(encode_host("a", line))), 1.0)[1].result
    assert again.ret == replace(Return(None, None, "exit"), left_running=0)
    assert not again.ret.ok
    assert again.started is None


def test_a_small_result_is_a_short_line() -> None:
    assert dump(encode_host("a", HostLine.of(returned(b"")))) == b'{"host":"a","nonce":"0123456789abcdef","pid":7}\n'


def test_the_output_of_another_host_is_not_taken() -> None:
    with pytest.raises(DamagedRecord, match="another host"):
        decode_output(next(encode_output("a", InMemory(b"x"), EMPTY)), "b")
    with pytest.raises(DamagedRecord, match="'stdout' is no output"):
        decode_output(json.dumps({"host": "a", "stdout_base64": "%"}).encode(), "a")


def test_no_key_of_a_host_line_stands_for_two_things() -> None:
    keys = [
        record_lines.HOST,
        record_lines.AT,
        record_lines.STATE,
        record_lines.DISPATCHED,
        record_lines.NONCE,
        record_lines.PROBLEM,
        record_lines.SEEN_PID,
    ]
    keys += [
        record_lines.SEEN_STARTED,
        record_lines.REMAINS,
        record_lines.OUTPUT_AT,
        record_lines.HEARD,
        *(field.name for field in fields(Return)),
    ]
    assert len(set(keys)) == len(keys)
