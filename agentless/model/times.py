"""Instants as the JSON contract writes them."""

from __future__ import annotations

from datetime import datetime, timezone

__all__ = ["iso"]


def iso(stamp: float | None) -> str | None:
    """Unix seconds as ISO 8601 in UTC with microseconds and `Z`; None stays None."""
    if stamp is None:
        return None
    return datetime.fromtimestamp(stamp, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
