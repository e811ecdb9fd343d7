"""The lines of a job's record: JSON, the job first, then one line for each thing learned about a host.

A record that is open grows by lines; the first final state of a host counts, and else the last state. A finished
record is written anew: its first line also has the summary, and each host has one line. What is at its default is
left out, so that a small job fits a disk block of 4 KiB.

    {"v":1,"jid":"…","function":"cmd.run","arguments":["uptime"],"target":"web*","user":"ada","start":…,"hosts":["web1"],
     "origin":"run","last":…,"summary":{"returned":1}}
    {"host":"web1","nonce":"…","pid":4711,"started":…,"finished":…,"duration":0.012,"stdout":"…"}

Whatever is read is checked here, every field of it: beyond this module a line is a value with the types that it says.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any

from agentless.model.jid import JID
from agentless.model.job import Job, Origin
from agentless.model.output import EMPTY, Held, StreamOutput
from agentless.model.problem import Problem
from agentless.model.returns import Remains, Return
from agentless.model.states import Dispatched, HostResult, State

__all__ = [
    "SAYS_LEARNED",
    "SAYS_ORIGIN",
    "TOLD",
    "DamagedRecord",
    "Head",
    "HostLine",
    "Later",
    "Place",
    "Raw",
    "Streams",
    "decode_head",
    "decode_host",
    "decode_output",
    "dump",
    "encode_head",
    "encode_host",
    "encode_output",
    "is_long",
    "line_jid",
    "parse",
    "time_of",
    "with_output",
]

FORMAT = 1
Raw = dict[str, Any]
Streams = tuple[bytes, bytes]
"""stdout and stderr."""
Place = tuple[int, int]
"""Where lines lie in a file: their offset, and their length in bytes."""
STREAMS = ("stdout", "stderr")
# Bytes of output up to which a host's line has it.
INLINE = 1024
NO_OUTPUT: Streams = (b"", b"")

# The keys of the first line. Those of `Job` that have no key here are kept under their own names.
VERSION = "v"
THE_JID = "jid"
START = "start"  # Job.start_time
LAST = "last"  # when this controller last learned something about the job
SUMMARY = "summary"  # hosts by state; a state without hosts is left out
# The keys of a host's line. Those of `Return` are kept under their own names.
HOST = "host"
AT = "at"  # when this controller learned it; not in finished records
HEARD = "heard"  # when the host last said something, where the state is what this controller makes of its silence
STATE = "state"
DISPATCHED = "dispatched"
NONCE = "nonce"
PROBLEM = "problem"  # kind, message, hint
SEEN_PID = "seen_pid"  # HostResult.pid, and below HostResult.started: `pid` and `started` are those of the return
SEEN_STARTED = "seen_started"
REMAINS = "remains"  # the bytes of stdout and stderr that were dropped, of a job that is lost
OUTPUT_AT = "output"  # offset and length of the lines in the job's second file that has the output
BASE64 = "_base64"  # behind `stdout` or `stderr`: not UTF-8

_JID_AT = len(f'{{"{VERSION}":{FORMAT},"{THE_JID}":"')
TOLD = (State.RUNNING, State.RETURNED, State.LOST)
"""What a host itself has said; the other states are what this controller makes of its silence."""
_STATES = frozenset((*(state.value for state in State), "failed"))
_LATEST = 253_402_300_800.0  # the year 10000, in Unix seconds
_LARGEST = 2**63
_KEEP_RETURNS = 168.0
_decode = json.JSONDecoder().raw_decode


class DamagedRecord(Exception):
    """These bytes are no record, or no longer one; the text says why."""


class Later(DamagedRecord):
    """The record of a later version of agentless, which is to be left where it is."""


def dump(raw: Raw) -> bytes:
    """One line of JSON with its newline; text that has no UTF-8 form (lone surrogates of argv) is escaped."""
    try:
        return json.dumps(raw, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(raw, separators=(",", ":")).encode() + b"\n"


def parse(data: bytes) -> Raw:
    """The object of one line; raises DamagedRecord."""
    try:
        text = data.decode().rstrip("\n")
        raw, end = _decode(text)  # half of json.loads' time would go into guessing the encoding and skipping blanks
    except (ValueError, RecursionError) as error:
        raise DamagedRecord(f"not JSON: {error}") from error
    if not isinstance(raw, dict) or end != len(text):
        raise DamagedRecord("not a JSON object")
    return raw


def line_jid(data: bytes) -> str:
    """The JID of a first line, without parsing it: where another one stands there, `decode_head` says so later."""
    return data[_JID_AT : _JID_AT + 20].decode("ascii", "replace")


# --- checks of what is read ------------------------------------------------------------------------------------------
def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -_LARGEST <= value < _LARGEST


def _is_number(value: object) -> bool:
    """A time or a duration, in seconds."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -_LATEST < value < _LATEST


def _is_switch(value: object) -> bool:
    return isinstance(value, bool)


def _or_none(check: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: value is None or check(value)


_CHECKS: Mapping[str, Callable[[object], bool]] = {
    "str": _is_text,
    "int": _is_whole,
    "float": _is_number,
    "bool": _is_switch,
    **{
        f"{name} | None": _or_none(check)
        for name, check in (("str", _is_text), ("int", _is_whole), ("float", _is_number))
    },
}


def _field(raw: Raw, key: str, check: Callable[[object], bool], default: object = MISSING) -> Any:
    value = raw.get(key, default)
    if value is MISSING or not (value is default or check(value)):
        what = "is missing" if value is MISSING else f"is {_brief(value)}"
        raise DamagedRecord(f"{key!r} {what}")
    return value


def _list(raw: Raw, key: str, check: Callable[[object], bool], count: int | None = None) -> list[Any]:
    value = _field(raw, key, lambda value: isinstance(value, list) and all(map(check, value)))
    if count is not None and len(value) != count:
        raise DamagedRecord(f"{key!r} is {_brief(value)}")
    return list(value)


def _brief(value: object) -> str:
    return json.dumps(value)[:60]


def time_of(raw: Raw, key: str, default: float | None = None) -> float:
    """A time of a line, in Unix seconds; raises DamagedRecord where it is none."""
    return float(_field(raw, key, _is_number, MISSING if default is None else default))


# --- the job ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Head:
    """The first line of a record.

    Args:
        job: the job.
        last: Unix seconds, this controller's clock, when it last learned something about the job.
        summary: hosts by state and `failed`, those that are 0 left out; None in a record that is open.
    """

    job: Job
    last: float
    summary: Mapping[str, int] | None = None


def encode_head(head: Head) -> bytes:
    """The first line of a record."""
    job = head.job
    raw: Raw = {
        VERSION: FORMAT,
        THE_JID: job.jid,
        "function": job.function,
        "arguments": list(job.arguments),
        "target": job.target,
        "user": job.user,
        START: job.start_time,
        "hosts": list(job.hosts),
    }
    if job.metadata:
        raw["metadata"] = dict(job.metadata)
    for key in ("login", "become", "schedule"):
        if (value := getattr(job, key)) is not None:
            raw[key] = value
    if job.keep_returns != _KEEP_RETURNS:
        raw["keep_returns"] = job.keep_returns
    raw["origin"] = job.origin.value
    raw[LAST] = head.last
    if head.summary is not None:
        raw[SUMMARY] = {state: count for state, count in head.summary.items() if count}
    return dump(raw)


# How a first line says where the job came from, for those who look for it in many lines. Within a text of JSON the
# quotes would have backslashes.
SAYS_ORIGIN = b'"origin":'
SAYS_LEARNED = SAYS_ORIGIN + f'"{Origin.LEARNED.value}"'.encode()


def decode_head(data: bytes, jid: JID) -> Head:
    """The first line of the record of this job.

    Raises:
        DamagedRecord: it is no such line, that of another job, or of a later format.
    """
    raw = parse(data)
    if not _is_whole(raw.get(VERSION)) or raw[VERSION] != FORMAT:
        if _is_whole(raw.get(VERSION)):
            raise Later(f"its format {raw[VERSION]} is not known to this version of agentless")
        raise DamagedRecord(f"its first line is no job: {VERSION!r} is {_brief(raw.get(VERSION))}")
    if raw.get(THE_JID) != jid:
        raise DamagedRecord(f"it holds job {_brief(raw.get(THE_JID))}")
    try:
        metadata = _field(raw, "metadata", lambda value: isinstance(value, dict), {})
        if not all(map(_is_text, metadata.values())):
            raise DamagedRecord(f"'metadata' is {_brief(metadata)}")
        job = Job(
            jid,
            _field(raw, "function", _is_text),
            tuple(_list(raw, "arguments", _is_text)),
            _field(raw, "target", _is_text),
            tuple(_list(raw, "hosts", _is_text)),
            _field(raw, "user", _is_text),
            time_of(raw, START),
            metadata,
            _field(raw, "login", _is_text, None),
            _field(raw, "become", _is_text, None),
            _field(raw, "schedule", _is_text, None),
            time_of(raw, "keep_returns", _KEEP_RETURNS),
            Origin(raw["origin"]) if "origin" in raw else _origin_of(raw),
        )
        summary = _field(raw, SUMMARY, lambda value: isinstance(value, dict), None)
        if summary is not None and not (_STATES.issuperset(summary) and all(map(_is_whole, summary.values()))):
            raise DamagedRecord(f"{SUMMARY!r} is {_brief(summary)}")
        return Head(job, time_of(raw, LAST), summary)
    except (DamagedRecord, ValueError, TypeError) as error:
        raise DamagedRecord(f"its first line is no job: {error}") from error


def _origin_of(raw: Raw) -> Origin:
    """The origin of a job whose record does not say it, as none did at first.

    What was sent from here says what it became, if only nobody; what a host told of does not.
    """
    if raw.get("become") is None:
        return Origin.LEARNED
    return Origin.RUN if raw.get("schedule") is None else Origin.SCHEDULE


# --- one host --------------------------------------------------------------------------------------------------------
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
        return with_output(self.result, *map(Held, self.output)) if any(self.output) else self.result


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
    field.name: (_CHECKS[str(field.type)], _USUAL.get(field.name, field.default))
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
    if result.problem is not None:
        raw[PROBLEM] = [result.problem.kind, result.problem.message, result.problem.hint]
    if result.pid is not None and _is_whole(result.pid):
        raw[SEEN_PID] = result.pid
    if result.started is not None and _is_number(result.started):
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
        raw[REMAINS] = [count if _is_whole(count) else 0 for count in dropped]
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
        host = _field(raw, HOST, _is_text)
        state = State(raw.get(STATE, "returned"))
        ret = remains = None
        if state is State.RETURNED:
            ret = Return(**{key: _field(raw, key, check, usual) for key, (check, usual) in _RETURN.items()})
        elif REMAINS in raw:
            remains = Remains(EMPTY, EMPTY, *_list(raw, REMAINS, _is_whole, 2))
        result = HostResult(
            state=state,
            dispatched=Dispatched(raw.get(DISPATCHED, "yes")),
            nonce=_field(raw, NONCE, _is_text, ""),
            ret=ret,
            pid=_field(raw, SEEN_PID, _is_whole, None),
            started=_field(raw, SEEN_STARTED, _is_number, None),
            problem=Problem(*_list(raw, PROBLEM, _is_text, 3)) if PROBLEM in raw else None,
            remains=remains,
            as_of=at if state in TOLD else _field(raw, HEARD, _is_number, None),
        )
        place: Place | None = None
        if OUTPUT_AT in raw:
            offset, length = _list(raw, OUTPUT_AT, lambda value: _is_whole(value) and value >= 0, 2)  # type: ignore[operator]
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
    encoded = _field(raw, name + BASE64, _is_text, None)
    try:
        if encoded is not None:
            return base64.b64decode(encoded, validate=True)
        return str(_field(raw, name, _is_text, "")).encode("utf-8")
    except ValueError as error:
        raise DamagedRecord(f"{name!r} is no output: {error}") from error
