"""Instants as the JSON contract writes them."""

from __future__ import annotations

from datetime import datetime, timezone

__all__ = ["iso", "stamp"]


def iso(stamp: float | None) -> str | None:
    """Unix seconds as ISO 8601 in UTC with microseconds and `Z`; None stays None."""
    if stamp is None:
        return None
    return datetime.fromtimestamp(stamp, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def stamp(text: str) -> float:
    """What `iso` made, in Unix seconds again; raises ValueError where it is no such text."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc).timestamp()
