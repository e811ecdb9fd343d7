"""Waiting for something to become true, with a deadline that names it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")

# A deadline ends a test that would hang; it measures nothing. So it may be long where others keep the machine busy.
SLACK = 3.0


def patience(seconds: float) -> float:
    """A deadline for what takes less than `seconds` on a quiet machine: longer, the busier this one is now."""
    return seconds * max(SLACK, 2 * os.getloadavg()[0] / (os.cpu_count() or 1))


def until(look: Callable[[], Value], what: str, *, seconds: float = 20.0) -> Value:
    """Look again and again until something true comes back, and return it.

    Args:
        seconds: enough on a quiet machine; see `patience`.

    Raises:
        TimeoutError: it did not come in time; the message says `what`.
    """
    limit = patience(seconds)
    deadline = time.monotonic() + limit
    while True:
        value = look()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {limit:.0f} s: {what}")
        time.sleep(0.01)
