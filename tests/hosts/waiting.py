"""Waiting for something to become true, with a deadline that names it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")

# A deadline ends a test that would hang; it measures nothing. So it may be long where others keep the machine busy.
SLACK = 3.0
# What waits for what never comes keeps a load average up: without an end to patience, a run hangs for hours.
LONGEST = 600.0
# With half as much time more at each, the last of them has 38 times what the first one had.
TRIES = 10


def patience(seconds: float) -> float:
    """A deadline for what takes less than `seconds` on a quiet machine: longer, the busier this one is now."""
    busy = seconds * 2 * os.getloadavg()[0] / (os.cpu_count() or 1)
    return max(seconds * SLACK, min(busy, LONGEST))


def soon() -> str:
    """`--connect-timeout` or `--wait` where some hosts answer and others never will: at most connecting's default."""
    return f"{min(patience(1), 10.0):.1f}"


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


def in_time(act: Callable[[float], Value], came: Callable[[Value], object], *, seconds: float) -> Value:
    """Act within `seconds`, and where a busy machine did not come that far, again with half as much more, some times.

    For what the product bounds by a time, and where the test cannot make the condition itself: the test fails when
    nothing came in any of the tries.

    Args:
        act: what is tried; it gets the seconds that it may take.
        came: of what `act` gave, whether the machine was quick enough for what is to be seen.

    Returns:
        What came in time; else what the last try gave, for the assertions to show.
    """
    for _ in range(TRIES - 1):
        value = act(seconds)
        if came(value):
            return value
        seconds *= 1.5
    return act(seconds)
