"""What a test needs of the machine: `pytest --quick` (`make quick`) passes over each test that asks for it here.

Nobody keeps a list of quick tests: whoever starts a real host, or takes many seconds, comes through this door.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import pytest

Value = TypeVar("Value")

PASSED_OVER = "not quick: needs "
# How many random examples a quick test draws at most.
EXAMPLES = 10

_quick = False


def be_quick(quick: bool) -> None:
    """Whether tests that need hosts are passed over from now on."""
    global _quick
    _quick = quick


def examples(number: int) -> int:
    """How many random examples a test is to draw that draws `number` in the whole suite."""
    return min(number, EXAMPLES) if _quick else number


def every(values: Sequence[Value]) -> Sequence[Value]:
    """What a test is parametrised with: all of them, and for quick tests the first."""
    return values[:1] if _quick else values


def need(what: str) -> None:
    """Pass over this test, or this module, if only quick ones are wanted; `what` it needs is told: "an sshd"."""
    if _quick:
        pytest.skip(PASSED_OVER + what, allow_module_level=True)
