"""One line of JSON, written and read; whatever is read of it is checked, field by field."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING
from typing import Any

__all__ = [
    "CHECKS", "DamagedRecord", "Later", "Raw",
    "brief", "dump", "field_of", "is_number", "is_text", "is_whole", "list_of", "parse", "time_of",
]  # fmt: skip

Raw = dict[str, object]
_LATEST = 253_402_300_800.0  # the year 10000, in Unix seconds
_LARGEST = 2**63
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


def is_text(value: object) -> bool:
    return isinstance(value, str)


def is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -_LARGEST <= value < _LARGEST


def is_number(value: object) -> bool:
    """A time or a duration, in seconds."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -_LATEST < value < _LATEST


def _is_switch(value: object) -> bool:
    return isinstance(value, bool)


def _or_none(check: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: value is None or check(value)


CHECKS: Mapping[str, Callable[[object], bool]] = {
    "str": is_text,
    "int": is_whole,
    "float": is_number,
    "bool": _is_switch,
    **{
        f"{name} | None": _or_none(check) for name, check in (("str", is_text), ("int", is_whole), ("float", is_number))
    },
}


def field_of(raw: Raw, key: str, check: Callable[[object], bool], default: object = MISSING) -> Any:
    value = raw.get(key, default)
    if value is MISSING or not (value is default or check(value)):
        what = "is missing" if value is MISSING else f"is {brief(value)}"
        raise DamagedRecord(f"{key!r} {what}")
    return value


def list_of(raw: Raw, key: str, check: Callable[[object], bool], count: int | None = None) -> list[Any]:
    value = field_of(raw, key, lambda value: isinstance(value, list) and all(map(check, value)))
    if count is not None and len(value) != count:
        raise DamagedRecord(f"{key!r} is {brief(value)}")
    return list(value)


def brief(value: object) -> str:
    return json.dumps(value)[:60]


def time_of(raw: Raw, key: str, default: float | None = None) -> float:
    """A time of a line, in Unix seconds; raises DamagedRecord where it is none."""
    return float(field_of(raw, key, is_number, MISSING if default is None else default))
