"""What is different between an entry as a host has it and as the file says it, in the file's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentless.hostlist import fold
from agentless.values import dataclass

__all__ = ["Change", "differences", "shown"]

# Of a job, what has a word in the file; `command` and `script_args` are `args` once more.
_WORDS = {"fun": "function", "arg": "args", "tgt": "target"}
_SAME_AGAIN = frozenset({"command", "script_args", "keep"})
# What has no value that could be shown: its hash says that it is another.
_HASHED = frozenset({"script", "stdin"})


@dataclass(frozen=True, slots=True)
class Change:
    """A key of an entry with its values; None where one has no such key."""

    key: str
    old: str | None
    new: str | None


def shown(entry: Mapping[str, Any]) -> dict[str, str]:
    """An entry as it travels, as text by the file's keys.

    Args:
        entry: of our own making, or from a host: whatever it holds.
    """
    typed = entry.get("said")
    texts = {str(key): str(value) for key, value in typed.items()} if isinstance(typed, Mapping) else {}
    if not entry.get("enabled", 1):
        texts["enabled"] = "false"
    job = entry.get("job")
    for key, value in job.items() if isinstance(job, Mapping) else ():
        if value in (None, [], {}, "") or key in _SAME_AGAIN or (key, value) in _DEFAULTS:
            continue
        texts[_WORDS.get(key, str(key))] = f"sha256 {str(value)[:12]}" if key in _HASHED else _text(key, value)
    return texts


_DEFAULTS = (("jid_include", True), ("return_job", True), ("shell", "/bin/sh"))


def _text(key: str, value: Any) -> str:
    if key == "hosts" and isinstance(value, list):
        return fold(map(str, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={each}" for name, each in value.items())
    if isinstance(value, list):
        return " ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def differences(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[Change, ...]:
    """The keys whose values differ, those of the new entry first; both as `shown` gives them."""
    keys = dict.fromkeys([*new, *old])
    return tuple(Change(key, old.get(key), new.get(key)) for key in keys if old.get(key) != new.get(key))
