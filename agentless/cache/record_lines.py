"""The lines of a job's record: JSON, the job first, then one line for each thing learned about a host.

A record that is open grows by lines; the first final state of a host counts, and else the last state. A finished
record is written anew: its first line also has the summary, and each host has one line. What is at its default is
left out, so that a small job fits a disk block of 4 KiB.

    {"v":1,"jid":"…","function":"cmd.run","arguments":["uptime"],"target":"web*","user":"ada","start":…,"hosts":["web1"],
     "origin":"run","last":…,"summary":{"returned":1}}
    {"host":"web1","nonce":"…","pid":4711,"started":…,"finished":…,"duration":0.012,"stdout":"…"}

The first line is in head.py, those about hosts are here. Whatever is read is checked, every field of it: beyond these
modules a line is a value with the types that it says.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace

from agentless.cache.json_line import (
    CHECKS,
    DamagedRecord,
    Raw,
    dump,
    field_of,
    is_number,
    is_text,
    is_whole,
    list_of,
    parse,
)
from agentless.model.output import EMPTY, InMemory, StreamOutput
from agentless.model.problem import Problem
from agentless.model.returns import Remains, Return
from agentless.model.states import Dispatched, HostResult, State
from agentless.values import dataclass

__all__ = [
    "AT", "TOLD", "HostLine", "Place", "Streams",
    "decode_host", "decode_output", "encode_host", "encode_output", "is_long", "with_output",
]  # fmt: skip

Streams = tuple[bytes, bytes]
"""stdout and stderr."""
Place = tuple[int, int]
"""Where lines lie in a file: their offset, and their length in bytes."""
STREAMS = ("stdout", "stderr")
# Bytes of output up to which a host's line has it.
INLINE = 1024
NO_OUTPUT: Streams = (b"", b"")

# The keys of a host's line. Those of `Return` are kept under their own names.
HOST = "host"
AT = "at"  # when this controller learned it; not in finished records
HEARD = "heard"  # when the host last said something, where the state is what this controller makes of its silence
STATE = "state"
DISPATCHED = "dispatched"
NONCE = "nonce"
SENT_TO = "sent_to"  # where on the host its record lies
PROBLEM = "problem"  # kind, message, hint
SEEN_PID = "seen_pid"  # HostResult.pid, and below HostResult.started: `pid` and `started` are those of the return
SEEN_STARTED = "seen_started"
REMAINS = "remains"  # the bytes of stdout and stderr that were dropped, of a job that is lost
OUTPUT_AT = "output"  # offset and length of the lines in the job's second file that has the output
BASE64 = "_base64"  # behind `stdout` or `stderr`: not UTF-8

TOLD = (State.RUNNING, State.RETURNED, State.LOST)
"""What a host itself has said; the other states are what this controller makes of its silence."""


@dataclass(frozen=True, slots=True)
class HostLine:
    """A line about a host.

    Args:
        result: where it stands, without its output.
        output: what it gave back, where the line has that.
        output_at: where the output lies in the job's second file, if it does not stand in the line.
    """

    result: HostResult
    output: Streams = NO_OUTPUT
    output_at: Place | None = None

    @classmethod
    def of(cls, result: HostResult, output_at: Place | None = None) -> HostLine:
        """The line that says all of a result, with its output, or with where that lies."""
        left = result.output
        if left is None:
            return cls(result)
        return cls(with_output(result, EMPTY, EMPTY), NO_OUTPUT if output_at else (left.stdout, left.stderr), output_at)

    def full(self) -> HostResult:
        """The result with the output that stands in the line."""
        return with_output(self.result, *map(InMemory, self.output)) if any(self.output) else self.result


def is_long(result: HostResult) -> bool:
    """Whether its output is too long for a host's line, and goes to the job's second file."""
    left = result.output
    return left is not None and len(left.out.head(INLINE + 1)) + len(left.err.head(INLINE + 1)) > INLINE


def with_output(result: HostResult, out: StreamOutput, err: StreamOutput) -> HostResult:
    """The result with these as the output of its return, or of what a lost job left; as it is where it has neither."""
    if result.ret is not None:
        return replace(result, ret=replace(result.ret, out=out, err=err))
    if result.remains is not None:
        return replace(result, remains=replace(result.remains, out=out, err=err))
    return result


# What a return mostly is, and what a line therefore leaves out.
_USUAL: Raw = {"retcode": 0, "signal": None, "ended_by": "exit"}
_RETURN = {
    field.name: (CHECKS[str(field.type)], _USUAL.get(field.name, field.default))
    for field in fields(Return)
    if field.name not in ("out", "err")
}


def encode_host(host: str, line: HostLine) -> Raw:
    """A host's line. A number that no reader would take came from a host, and means nothing: it is unknown."""
    result = line.result
    raw: Raw = {HOST: host}
    if result.state is not State.RETURNED:
        raw[STATE] = result.state.value
    if result.state not in TOLD and result.as_of is not None:
        raw[HEARD] = result.as_of
    if result.dispatched is not Dispatched.YES:
        raw[DISPATCHED] = result.dispatched.value
    if result.nonce:
        raw[NONCE] = result.nonce
    if result.place and not result.state.final:
        raw[SENT_TO] = result.place
    if result.problem is not None:
        raw[PROBLEM] = [result.problem.kind, result.problem.message, result.problem.hint]
    if result.pid is not None and is_whole(result.pid):
        raw[SEEN_PID] = result.pid
    if result.started is not None and is_number(result.started):
        raw[SEEN_STARTED] = result.started
    if result.ret is not None:
        for key, (check, usual) in _RETURN.items():
            value = getattr(result.ret, key)
            if not check(value):
                value = None if check(None) else usual
            if value != usual:
                raw[key] = value
    elif result.remains is not None:
        dropped = (result.remains.stdout_truncated, result.remains.stderr_truncated)
        raw[REMAINS] = [count if is_whole(count) else 0 for count in dropped]
    if line.output_at is not None:
        raw[OUTPUT_AT] = list(line.output_at)
    return raw | _encode_streams(dict(zip(STREAMS, line.output, strict=True)))


def decode_host(raw: Raw, at: float) -> tuple[str, HostLine]:
    """The host and what a line says of it.

    Args:
        at: Unix seconds: when this controller learned it.

    Raises:
        DamagedRecord: it is no line of a host.
    """
    try:
        host = field_of(raw, HOST, is_text)
        state = State(raw.get(STATE, "returned"))
        ret = remains = None
        if state is State.RETURNED:
            ret = Return(**{key: field_of(raw, key, check, usual) for key, (check, usual) in _RETURN.items()})
        elif REMAINS in raw:
            remains = Remains(EMPTY, EMPTY, *list_of(raw, REMAINS, is_whole, 2))
        result = HostResult(
            state=state,
            dispatched=Dispatched(raw.get(DISPATCHED, "yes")),
            nonce=field_of(raw, NONCE, is_text, ""),
            place=field_of(raw, SENT_TO, is_text, ""),
            ret=ret,
            pid=field_of(raw, SEEN_PID, is_whole, None),
            started=field_of(raw, SEEN_STARTED, is_number, None),
            problem=Problem(*list_of(raw, PROBLEM, is_text, 3)) if PROBLEM in raw else None,
            remains=remains,
            as_of=at if state in TOLD else field_of(raw, HEARD, is_number, None),
        )
        place: Place | None = None
        if OUTPUT_AT in raw:
            offset, length = list_of(raw, OUTPUT_AT, lambda value: is_whole(value) and value >= 0, 2)  # type: ignore[operator]
            place = offset, length
        return host, HostLine(result, _decode_streams(raw), place)
    except (ValueError, TypeError) as error:
        raise DamagedRecord(f"a line is no result of a host: {error}") from error


def encode_output(host: str, out: StreamOutput, err: StreamOutput) -> Iterator[bytes]:
    """The lines of a job's second file that have the output of a host: a line for each piece of a stream."""
    for name, output in zip(STREAMS, (out, err), strict=True):
        for piece in _whole_characters(output.pieces()):
            yield dump({HOST: host, **_encode_streams({name: piece})})


def decode_output(line: bytes, host: str) -> Streams:
    """The piece of this host's output that a line has; raises DamagedRecord where it is not that."""
    raw = parse(line)
    if raw.get(HOST) != host:
        raise DamagedRecord("it is that of another host")
    return _decode_streams(raw)


def _whole_characters(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes, cut where no character of UTF-8 is cut, so that text is text in each piece."""
    cut = b""
    for piece in pieces:
        data = cut + piece
        try:
            data.decode("utf-8")
            end = len(data)
        except UnicodeDecodeError as error:
            end = error.start if error.end == len(data) and error.start >= len(data) - 3 else len(data)
        cut = data[end:]
        if data[:end]:
            yield data[:end]
    if cut:
        yield cut


def _encode_streams(streams: Mapping[str, bytes]) -> Raw:
    raw: Raw = {}
    for name, data in streams.items():
        if data:
            try:
                raw[name] = data.decode("utf-8")
            except UnicodeDecodeError:
                raw[name + BASE64] = base64.b64encode(data).decode("ascii")
    return raw


def _decode_streams(raw: Raw) -> Streams:
    return _decode_stream(raw, "stdout"), _decode_stream(raw, "stderr")


def _decode_stream(raw: Raw, name: str) -> bytes:
    encoded = field_of(raw, name + BASE64, is_text, None)
    try:
        if encoded is not None:
            return base64.b64decode(encoded, validate=True)
        return str(field_of(raw, name, is_text, "")).encode("utf-8")
    except ValueError as error:
        raise DamagedRecord(f"{name!r} is no output: {error}") from error
