"""What a job asks of its hosts is checked before anything is sent."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentless.errors import UsageError
from agentless.runner.order import Order, Threshold

CAP = 1 << 20
words = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


@given(st.lists(words, min_size=2).filter(any))
def test_several_words_reach_the_shell_as_they_were(command: list[str]) -> None:
    order = Order.of(command, cap=CAP, hosts=1)
    assert shlex.split(order.request["command"]) == command


def test_one_word_goes_to_the_shell_as_it_stands() -> None:
    assert Order.of(["echo $HOME; ls *"], cap=CAP, hosts=1).request["command"] == "echo $HOME; ls *"


@pytest.mark.parametrize(("batch", "hosts", "expected"), [("3", 10, 3), (2, 10, 2), ("25%", 10, 2), ("1%", 10, 1)])
def test_a_batch_is_a_number_or_a_share_of_at_least_one(batch: str | int, hosts: int, expected: int) -> None:
    assert Order.of("true", batch=batch, cap=CAP, hosts=hosts).batch == expected


@given(st.integers(0, 50), st.integers(0, 100), st.integers(1, 50))
def test_a_threshold_is_exceeded_by_more_and_not_by_as_many(failures: int, percent: int, total: int) -> None:
    assert Threshold(count=failures).exceeded(failures + 1, total)
    assert not Threshold(count=failures).exceeded(failures, total)
    assert Threshold(percent=percent).exceeded(failures, total) == (failures / total * 100 > percent + 1e-9)
    assert not Threshold().exceeded(failures, total)


@pytest.mark.parametrize(
    "wrong",
    [
        {"command": ""},
        {"command": []},
        {"command": "true", "batch": "0"},
        {"command": "true", "batch": "x"},
        {"command": "true", "batch": "-1"},
        {"command": "true", "max_fail": "101%"},
        {"command": "true", "timeout": 0},
        {"command": "true", "env": {"A=B": "x"}},
        {"command": "true", "env": {"A": "x\0y"}},
        {"command": "", "script": "/no/such/script"},
        {"command": "true", "stdin": Path("/no/such/input")},
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        Order.of(cap=CAP, hosts=4, **wrong)  # type: ignore[arg-type]
