"""The lines of a job's record: JSON, the job first, then one line for each thing learned about a host.

A record that is open grows by lines; the first final state of a host counts, and else the last state. A finished
record is written anew: its first line also has the summary, and each host has one line. What is at its default is
left out, so that a small job fits a disk block of 4 KiB.

    {"v":1,"jid":"…","function":"cmd.run","arguments":["uptime"],"target":"web*","user":"ada","start":…,"hosts":["web1"],
     "last":…,"summary":{"returned":1}}
    {"host":"web1","nonce":"…","pid":4711,"started":…,"finished":…,"duration":0.012,"stdout":"…"}
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from agentless.model.job import Job, Origin
from agentless.model.problem import Problem
from agentless.model.returns import Remains, Return
from agentless.model.states import Dispatched, HostResult, State

__all__ = [
    "Damaged",
    "Later",
    "Raw",
    "decode_result",
    "encode_result",
    "head_of",
    "is_final",
    "job_of",
    "line",
    "line_jid",
    "parse",
]

FORMAT = 1
_JID_AT = len(f'{{"v":{FORMAT},"jid":"')
Raw = dict[str, Any]

_RETURN_DEFAULTS: Raw = {
    "retcode": 0,
    "signal": None,
    "ended_by": "exit",
    "stdout_truncated": 0,
    "stderr_truncated": 0,
    "pid": None,
    "started": None,
    "finished": None,
    "duration": None,
    "left_running": 0,
    "uncapped": False,
}
_decode = json.JSONDecoder().raw_decode
_FINAL = frozenset(state.value for state in State if state.final)


class Damaged(Exception):
    """These bytes are no record, or no longer one; the text says why."""


class Later(Damaged):
    """The record of a later version of agentless, which is to be left where it is."""


def line(raw: Raw) -> bytes:
    """One line of JSON with its newline; text that has no UTF-8 form (lone surrogates of argv) is escaped."""
    try:
        return json.dumps(raw, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(raw, separators=(",", ":")).encode() + b"\n"


def parse(data: bytes) -> Raw:
    """The object of one line; raises Damaged."""
    try:
        text = data.decode().rstrip("\n")
        raw, end = _decode(text)  # half of json.loads' time would go into guessing the encoding and skipping blanks
    except (ValueError, RecursionError) as error:
        raise Damaged(f"not JSON: {error}") from error
    if not isinstance(raw, dict) or end != len(text):
        raise Damaged("not a JSON object")
    return raw


def line_jid(data: bytes) -> str:
    """The JID of a head line, without parsing it: where another one stands there, `row_of` says so later."""
    return data[_JID_AT : _JID_AT + 20].decode("ascii", "replace")


# --- the job ---------------------------------------------------------------------------------------------------------
def head_of(job: Job, last: float, summary: Mapping[str, int] | None = None) -> Raw:
    """The first line of a record."""
    raw: Raw = {
        "v": FORMAT,
        "jid": job.jid,
        "function": job.function,
        "arguments": list(job.arguments),
        "target": job.target,
        "user": job.user,
        "start": job.start_time,
        "hosts": list(job.hosts),
    }
    if job.metadata:
        raw["metadata"] = dict(job.metadata)
    for key in ("login", "become", "schedule"):
        if (value := getattr(job, key)) is not None:
            raw[key] = value
    if job.keep_returns != 168.0:
        raw["keep_returns"] = job.keep_returns
    raw["origin"] = job.origin.value
    raw["last"] = last
    if summary is not None:
        raw["summary"] = {key: count for key, count in summary.items() if count}
    return raw


def job_of(raw: Raw, jid: str) -> Job:
    """The job of a head line.

    Raises:
        Damaged: it is no head line, that of another job, or of a later format.
    """
    try:
        if raw["v"] != FORMAT:
            raise Later(f"its format {raw['v']!r} is not known to this version of agentless")
        if raw["jid"] != jid:
            raise Damaged(f"it holds job {raw['jid']!r}")
        return Job(
            jid,
            raw["function"],
            tuple(raw["arguments"]),
            raw["target"],
            tuple(raw["hosts"]),
            raw["user"],
            float(raw["start"]),
            raw.get("metadata") or {},
            raw.get("login"),
            raw.get("become"),
            raw.get("schedule"),
            float(raw.get("keep_returns", 168.0)),
            Origin(raw["origin"]) if "origin" in raw else _origin_of(raw),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Damaged(f"its first line is no job ({error!r})") from error


def _origin_of(raw: Raw) -> Origin:
    """The origin of a job whose record does not say it, as none did at first.

    What was sent from here says what it became, if only nobody; what a host told of does not.
    """
    if raw.get("become") is None:
        return Origin.LEARNED
    return Origin.RUN if raw.get("schedule") is None else Origin.SCHEDULE


# --- one host --------------------------------------------------------------------------------------------------------
def encode_result(host: str, result: HostResult) -> tuple[Raw, Raw]:
    """A host's line, and its output apart: the caller joins the two, or puts the output elsewhere."""
    ret = result.ret
    raw: Raw = {"host": host}
    if result.state is not State.RETURNED:
        raw["state"] = result.state.value
    if result.dispatched is not Dispatched.YES:
        raw["dispatched"] = result.dispatched.value
    if result.nonce:
        raw["nonce"] = result.nonce
    if result.problem is not None:
        raw["problem"] = [result.problem.kind, result.problem.message, result.problem.hint]
    if result.pid is not None:
        raw["seen_pid"] = result.pid
    if result.started is not None:
        raw["seen_started"] = result.started
    if (left := result.output) is None:
        return raw, {}
    if ret is None:
        raw["remains"] = [left.stdout_truncated, left.stderr_truncated]
    else:
        for key, default in _RETURN_DEFAULTS.items():
            if (value := getattr(ret, key)) != default:
                raw[key] = value
    return raw, {**_encode_stream("stdout", left.stdout), **_encode_stream("stderr", left.stderr)}


def decode_result(raw: Raw, output: Raw) -> HostResult:
    """The result of a host's line and its output.

    Raises:
        Damaged: the line is no result.
    """
    try:
        state = State(raw.get("state", "returned"))
        ret = remains = None
        streams = _decode_stream("stdout", output), _decode_stream("stderr", output)
        if state is State.RETURNED:
            fields: Raw = {key: raw.get(key, default) for key, default in _RETURN_DEFAULTS.items()}
            ret = Return(**fields, stdout=streams[0], stderr=streams[1])
        elif "remains" in raw:
            remains = Remains(*streams, *raw["remains"])
        problem = raw.get("problem")
        return HostResult(
            state=state,
            dispatched=Dispatched(raw.get("dispatched", "yes")),
            nonce=raw.get("nonce", ""),
            ret=ret,
            pid=raw.get("seen_pid"),
            started=raw.get("seen_started"),
            problem=Problem(*problem) if problem is not None else None,
            remains=remains,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Damaged(f"a line is no result of a host ({error!r})") from error


def _encode_stream(name: str, data: bytes) -> Raw:
    if not data:
        return {}
    try:
        return {name: data.decode("utf-8")}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(data).decode("ascii")}


def _decode_stream(name: str, raw: Raw) -> bytes:
    encoded = raw.get(f"{name}_base64")
    if encoded is not None:
        return base64.b64decode(encoded, validate=True)
    text: str = raw.get(name, "")
    return text.encode("utf-8")


def is_final(raw: Raw) -> bool:
    """Whether the line's state is one that nothing changes any more."""
    return raw.get("state", "returned") in _FINAL
