"""Our lines on a narrow terminal."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentless.report.cells import cells
from agentless.report.text import Look, paint
from agentless.report.wrapping import wrapped

LOOK = "Look it up: agentless jobs lookup 20261122095039579207 --failed, or leave it"


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("a short one", 40, ["a short one"]),
        ("  there is no such host in the inventory", 30, ["  there is no such host in the", "    inventory"]),
        (
            LOOK,
            40,
            ["Look it up:", "  agentless jobs lookup 20261122095039579207 --failed,", "  or leave it"],
        ),
        ("  agentless jobs wait 1  waits for it", 26, ["  agentless jobs wait 1", "    waits for it"]),
        ("then `rm -r a b c d e f g h i j` ends it", 30, ["then", "  `rm -r a b c d e f g h i j`", "  ends it"]),
        (
            "or: echo '[127.0.0.1]:22 ssh-ed25519 AAAA' >> /home/ada/.ssh/known_hosts",
            40,
            ["or:", "  echo '[127.0.0.1]:22 ssh-ed25519 AAAA' >> /home/ada/.ssh/known_hosts"],
        ),
        ("机器机器机器 机器机器", 20, ["机器机器机器", "  机器机器"]),
    ],
)
def test_words_and_commands_stay_whole(text: str, width: int, lines: list[str]) -> None:
    assert wrapped(text, width) == lines


def test_colours_take_no_room() -> None:
    text = f"job 1: {paint('40 failed', 'red', Look(terminal=True, colour=True))}, 2 ok"
    assert wrapped(text, 25) == [text]
    assert len(wrapped(text, 21)) == 2


@pytest.mark.parametrize("width", [None, 0, 5])
def test_without_a_width_nothing_is_wrapped(width: int | None) -> None:
    assert wrapped(LOOK, width) == [LOOK]


@given(st.text(st.sampled_from("ab `.,;機")), st.integers(20, 60))
def test_nothing_is_lost_and_a_line_is_too_long_only_for_what_stays_whole(text: str, width: int) -> None:
    lines = wrapped(text, width)
    assert re.sub(" ", "", "".join(lines)) == text.replace(" ", "")
    for line in lines:
        assert cells(line) <= width or " " not in line.strip() or "`" in line or not text.strip()
