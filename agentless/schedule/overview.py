"""What `schedule list` and `next` tell of entries, without asking anybody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from agentless.schedule.document import Entry

__all__ = ["Ahead", "Overview"]


def _iso(stamp: float | None) -> str | None:
    if stamp is None:
        return None
    return datetime.fromtimestamp(stamp, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(frozen=True, slots=True)
class Ahead:
    """A fire to come.

    Args:
        nominal, at: Unix seconds: the schedule's time, and with the splay of `host`.
        shift: seconds by which the zone is ahead of UTC then.
        zone: an IANA name, or None for the local one.
        splay: its bounds in seconds, or None.
        reason: why it will be skipped, or None.
        host: the one that the splay is drawn for.
        jid: of the fire.
    """

    nominal: int
    at: int
    shift: int
    zone: str | None
    splay: tuple[int, int] | None
    reason: str | None
    host: str
    jid: str

    def to_json(self) -> dict[str, Any]:
        return {
            "nominal": _iso(self.nominal),
            "time": _iso(self.at),
            "utc_offset": self.shift,
            "zone": self.zone,
            "splay": self.at - self.nominal,
            "host": self.host,
            "skipped": self.reason,
            "jid": self.jid,
        }


@dataclass(frozen=True, slots=True)
class Overview:
    """An entry with what is known of it here.

    Args:
        ahead: the next fire that is not skipped, as far as the next few are looked at; None where none comes.
        last_fire: Unix seconds.
        last_result: its hosts by state, as in `jobs list`.
        last_skip: the reason and when; of fires on hosts, they know.
    """

    entry: Entry
    ahead: Ahead | None
    last_fire: float | None
    last_result: Mapping[str, int] | None
    last_skip: tuple[str, float] | None

    @property
    def comes(self) -> bool:
        """It is switched on, and comes again."""
        return self.entry.enabled and self.ahead is not None

    def to_json(self) -> dict[str, Any]:
        entry = self.entry
        return {
            "enabled": entry.enabled,
            "function": entry.function,
            "arguments": list(entry.args),
            "target": entry.target,
            "runs_on": entry.runs_on,
            "metadata": dict(entry.metadata),
            "next": self.ahead.to_json() if self.ahead else None,
            "last_fire": _iso(self.last_fire),
            "last_result": dict(self.last_result) if self.last_result is not None else None,
            "last_skip": {"reason": self.last_skip[0], "time": _iso(self.last_skip[1])} if self.last_skip else None,
        }
