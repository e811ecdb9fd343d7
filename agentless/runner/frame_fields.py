"""Reads one field of a frame: a value of the type that is asked for, or what stands for none; never an error."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, TypeVar

from agentless.model.problem import Problem

__all__ = ["Meta", "build", "count", "flag", "items", "mapping", "matched", "number", "pairs", "stamp", "text", "texts"]

Meta = Mapping[str, Any]
T = TypeVar("T")
# SQLite, file offsets and C have no larger ones, and neither does anything that a host counts.
INT_MAX = 2**63


def text(meta: Meta, key: str) -> str:
    value = meta.get(key)
    return value if isinstance(value, str) else ""


def number(meta: Meta, key: str) -> int | None:
    value = meta.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < INT_MAX else None


def count(meta: Meta, key: str) -> int:
    return max(0, number(meta, key) or 0)


def flag(meta: Meta, key: str) -> bool:
    return bool(meta.get(key))


def stamp(meta: Meta, key: str) -> float | None:
    value = meta.get(key)
    # A float outside of the calendar would crash the rendering.
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 2**33:
        return float(value)
    return None


def items(meta: Meta, key: str) -> list[Any]:
    value = meta.get(key)
    return value if isinstance(value, list) else []


def texts(meta: Meta, key: str) -> tuple[str, ...]:
    return tuple(value for value in items(meta, key) if isinstance(value, str))


def pairs(meta: Meta, key: str) -> dict[str, str]:
    value = meta.get(key)
    return {name: str(one) for name, one in value.items()} if isinstance(value, dict) else {}


def matched(pattern: re.Pattern[str], meta: Meta, key: str) -> str | None:
    value = meta.get(key)
    return value if isinstance(value, str) and pattern.fullmatch(value) else None


def mapping(meta: Meta, key: str) -> Meta:
    value = meta.get(key)
    return value if isinstance(value, dict) else {}


def problem_in(meta: Meta, key: str) -> Problem | None:
    """A problem as it travels in a schedule's answers: kind, message and hint as a list."""
    words = items(meta, key)
    return Problem(*(word if isinstance(word, str) else "" for word in words)) if len(words) == 3 else None


_READERS: Mapping[str, Callable[[Meta, str], object]] = {
    "str": text,
    "int": count,
    "int | None": number,
    "float | None": stamp,
    "bool": flag,
    "bool | None": lambda meta, key: value if isinstance(value := meta.get(key), bool) else None,
    "str | None": lambda meta, key: text(meta, key) or None,
    "Problem | None": problem_in,
    "tuple[str, ...]": texts,
}


def build(kind: type[T], meta: Meta, **known: Any) -> T:
    """A dataclass whose fields are named as those of the frame: each is read as its type says."""
    read = {
        each.name: _READERS[str(each.type)](meta, each.name)
        for each in fields(kind)  # type: ignore[arg-type]
        if each.name not in known
    }
    return kind(**read, **known)
