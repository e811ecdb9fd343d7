"""Tables on a terminal: within its width, whole where nothing may be cut, and free of what hosts would have it obey."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from agentless.report.drawing import drawn
from agentless.report.tables import Reason
from tests.report.harmless import harmless
from tests.report.values import quick, texts

JOBS = ("JID", "STARTED", "AGE", "TARGET", "USER", "STATE", "COMMAND")
JOB = (
    "20261122095039579207",
    "2026-11-22 10:50:39+01:00",
    "3m",
    "web*:&prod:!web3",
    "ada",
    "8 returned, 2 failed",
    "sleep 10 && echo " + "hello " * 10,
)
SGR = re.compile(r"\x1b\[[0-9;]*m")


def screen(*rows: tuple[str, ...], headers: tuple[str, ...] = JOBS, width: int | None = 80) -> list[str]:
    return "".join(drawn(headers, rows, width, colour=False)).splitlines()


@pytest.mark.parametrize("width", [40, 60, 80, 100, 140])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    lines = screen(JOB, ("web1", *[""] * 5, Reason("unreachable: " + "no answer " * 30)), width=width)
    assert max(map(cell_len, lines)) <= width


def test_what_others_say_too_is_left_out_where_there_is_no_room() -> None:
    assert screen(JOB)[0].split() == ["JID", "AGE", "TARGET", "STATE", "COMMAND"]
    assert screen(JOB, width=140)[0].split() == list(JOBS)


def test_on_a_narrow_terminal_what_identifies_and_how_it_ended_are_left() -> None:
    lines = screen(JOB, width=40)
    assert lines[0].split() == ["JID", "STATE", "COMMAND"]
    assert lines[1].startswith("20261122095039579207  8 ")
    ping = ("web1", "root", "3.11.2", "/usr/bin/python3", "node1", "/var/lib/agentless", "0.100 s")
    headers = ("HOST", "USER", "PYTHON", "EXECUTABLE", "NODE", "STATE DIRECTORY", "TIME")
    assert screen(ping, headers=headers, width=40)[0].split() == ["HOST", "PYTHON", "EXECUTABLE", "TIME"]


def test_a_command_is_cut_and_a_state_goes_on() -> None:
    _, first, second = screen(JOB)
    assert first.endswith("…")
    assert second.strip() == "failed"
    assert " ".join(line[44:62].strip() for line in (first, second)).strip() == "8 returned, 2 failed"


def test_a_reason_is_whole_in_the_room_of_the_empty_cells() -> None:
    why = "connect: " + " ".join(f"word{number}" for number in range(40))
    lines = screen(JOB, ("web1", *[""] * 5, Reason(why)))
    reason = [line[22:] for line in lines if "word" in line]
    assert " ".join(reason) == why
    assert lines[3].startswith("web1")


def test_without_a_width_a_row_is_a_line() -> None:
    assert len(screen(JOB, ("web1", *[""] * 5, Reason("no " * 500)), width=None)) == 3


def test_states_are_painted_and_only_they() -> None:
    [_, line] = "".join(drawn(("STATE", "COMMAND"), [("8 returned, 2 failed", "failed")], 80, colour=True)).splitlines()
    assert line == "8 \x1b[32mreturned\x1b[0m, 2 \x1b[31mfailed\x1b[0m  failed"


def test_who_does_not_run_it_is_not_painted_as_running() -> None:
    assert "\x1b[33m" not in "".join(drawn(("STATE",), [("not running",)], 80, colour=True))


def test_where_there_is_nothing_but_reasons_there_are_no_headings() -> None:
    assert screen(("", "", "", "", "", "", Reason("web1: no answer"))) == ["web1: no answer"]


def test_nothing_in_a_cell_is_markup() -> None:
    assert screen(("[red]web1[/red]", ":smile:"), headers=("HOST", "COMMAND"))[1] == "[red]web1[/red]  :smile:"


def test_wide_characters_count_twice() -> None:
    _, first, second = screen(("日本", "a"), ("web1", "b"), headers=("HOST", "USER"))
    assert (first, second) == ("日本  a", "web1  b")


@quick
@given(st.lists(st.tuples(texts, texts | texts.map(Reason)), min_size=1, max_size=5), st.sampled_from([20, 80, None]))
def test_whatever_cells_hold_is_harmless(rows: list[tuple[str, str]], width: int | None) -> None:
    for colour in (False, True):
        text = "".join(drawn(("STATE", "COMMAND"), rows, width, colour=colour))
        assert harmless(SGR.sub("", text))
        text.encode("utf-8")
