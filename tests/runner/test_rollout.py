"""How many hosts a job is sent to at once, and when no further one gets it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentless.errors import UsageError
from agentless.runner.rollout import Threshold, share, threshold


@pytest.mark.parametrize(("batch", "hosts", "expected"), [("3", 10, 3), (2, 10, 2), ("25%", 10, 2), ("1%", 10, 1)])
def test_a_batch_is_a_number_or_a_share_of_at_least_one(batch: str | int, hosts: int, expected: int) -> None:
    assert share(batch, hosts) == expected


@given(st.integers(0, 50), st.integers(0, 100), st.integers(1, 50))
def test_a_threshold_is_exceeded_by_more_and_not_by_as_many(failures: int, percent: int, total: int) -> None:
    assert Threshold(count=failures).exceeded(failures + 1, total)
    assert not Threshold(count=failures).exceeded(failures, total)
    assert Threshold(percent=percent).exceeded(failures, total) == (failures / total * 100 > percent + 1e-9)
    assert not Threshold().exceeded(failures, total)


NONSENSE: list[Any] = [
    *(
        "",
        "x",
        "-1",
        "101%",
        "9" * 5000,
        "9" * 5000 + "%",
        "nan",
        "nan%",
        "inf%",
        "1e3",
        "10 %",
        " 5",
        "5\n",
        "1_0",
        "١",
    ),
    *(-1, 10**5000, -(10**5000), True, False, 1.5, float("nan"), float("inf"), [], {}, b"1"),
]


@pytest.mark.parametrize("wrong", ["0", "0%", 0, *NONSENSE], ids=lambda value: f"{type(value).__name__}")
def test_a_batch_that_makes_no_sense_is_refused(wrong: str) -> None:
    with pytest.raises(UsageError):
        share(wrong, 4)


@pytest.mark.parametrize("wrong", NONSENSE, ids=lambda value: f"{type(value).__name__}")
def test_a_threshold_that_makes_no_sense_is_refused(wrong: str) -> None:
    with pytest.raises(UsageError):
        threshold(wrong)
