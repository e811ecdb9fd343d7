"""The first line of a record: the job, and of a finished record the summary of its hosts."""

from __future__ import annotations

from collections.abc import Mapping

from agentless.cache.json_line import (
    DamagedRecord,
    Later,
    Raw,
    brief,
    dump,
    field_of,
    is_text,
    is_whole,
    list_of,
    parse,
    time_of,
)
from agentless.model.jid import JID
from agentless.model.job import Job, Origin
from agentless.model.states import STATE_WORDS
from agentless.values import dataclass

__all__ = ["SAYS_LEARNED", "SAYS_ORIGIN", "Head", "decode_head", "encode_head", "line_jid"]

FORMAT = 1
# The keys of the first line. Those of `Job` that have no key here are kept under their own names.
VERSION = "v"
THE_JID = "jid"
START = "start"  # Job.start_time
LAST = "last"  # when this controller last learned something about the job
SUMMARY = "summary"  # hosts by state; a state without hosts is left out

_JID_AT = len(f'{{"{VERSION}":{FORMAT},"{THE_JID}":"')
_STATES = frozenset(STATE_WORDS)
_KEEP_RETURNS = 168.0


def line_jid(data: bytes) -> str:
    """The JID of a first line, without parsing it: where another one stands there, `decode_head` says so later."""
    return data[_JID_AT : _JID_AT + 20].decode("ascii", "replace")


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
    if job.returners:
        raw["returners"] = list(job.returners)
    for key in ("retry_of", "batch"):
        if (value := getattr(job, key)) is not None:
            raw[key] = value
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
    if not is_whole(raw.get(VERSION)) or raw[VERSION] != FORMAT:
        if is_whole(raw.get(VERSION)):
            raise Later(f"its format {raw[VERSION]} is not known to this version of agentless")
        raise DamagedRecord(f"its first line is no job: {VERSION!r} is {brief(raw.get(VERSION))}")
    if raw.get(THE_JID) != jid:
        raise DamagedRecord(f"it holds job {brief(raw.get(THE_JID))}")
    try:
        metadata = field_of(raw, "metadata", lambda value: isinstance(value, dict), {})
        if not all(map(is_text, metadata.values())):
            raise DamagedRecord(f"'metadata' is {brief(metadata)}")
        job = Job(
            jid,
            field_of(raw, "function", is_text),
            tuple(list_of(raw, "arguments", is_text)),
            field_of(raw, "target", is_text),
            tuple(list_of(raw, "hosts", is_text)),
            field_of(raw, "user", is_text),
            time_of(raw, START),
            metadata,
            field_of(raw, "login", is_text, None),
            field_of(raw, "become", is_text, None),
            field_of(raw, "schedule", is_text, None),
            time_of(raw, "keep_returns", _KEEP_RETURNS),
            Origin(raw["origin"]) if "origin" in raw else _origin_of(raw),
            tuple(list_of(raw, "returners", is_text)) if "returners" in raw else (),
            JID(field_of(raw, "retry_of", is_text)) if "retry_of" in raw else None,
            field_of(raw, "batch", _is_batch, None),
        )
        summary = field_of(raw, SUMMARY, lambda value: isinstance(value, dict), None)
        if summary is not None and not (_STATES.issuperset(summary) and all(map(is_whole, summary.values()))):
            raise DamagedRecord(f"{SUMMARY!r} is {brief(summary)}")
        return Head(job, time_of(raw, LAST), summary)
    except (DamagedRecord, ValueError, TypeError) as error:
        raise DamagedRecord(f"its first line is no job: {error}") from error


def _is_batch(value: object) -> bool:
    return value is None or (is_whole(value) and isinstance(value, int) and value > 0)


def _origin_of(raw: Raw) -> Origin:
    """The origin of a job whose record does not say it, as none did at first.

    What was sent from here says what it became, if only nobody; what a host told of does not.
    """
    if raw.get("become") is None:
        return Origin.LEARNED
    return Origin.RUN if raw.get("schedule") is None else Origin.SCHEDULE
