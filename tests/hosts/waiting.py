"""Waiting for something to become true, with a deadline that names it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def until(look: Callable[[], Value], what: str, *, seconds: float = 20.0) -> Value:
    """Look again and again until something true comes back, and return it.

    Raises:
        TimeoutError: it did not come within `seconds`; the message says `what`.
    """
    deadline = time.monotonic() + seconds
    while True:
        value = look()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(0.01)
