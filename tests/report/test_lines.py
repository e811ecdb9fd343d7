"""Lines of many hosts side by side: whole, each behind its host, and no byte lost."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from agentless.report.lines import HostPrefixes, Lines
from agentless.report.text import PLAIN, Look
from tests.report.values import quick

TERMINAL = Look(terminal=True, colour=False)
MARKS = HostPrefixes(["host1", "host10"])


def lines(*pieces: bytes, stream: int = 1, look: Look = PLAIN) -> bytes:
    made = Lines(MARKS, "host1", stream, look)
    return b"".join(map(made.feed, pieces)) + made.finish()


def test_names_are_aligned_and_stderr_is_marked() -> None:
    assert lines(b"a\nb\n") == b"host1  | a\nhost1  | b\n"
    assert lines(b"a\n", stream=2) == b"host1  | stderr: a\n"
    assert Lines(MARKS, "host10", 1, PLAIN).feed(b"a\n") == b"host10 | a\n"


def test_marks_are_aligned_by_what_a_terminal_takes_for_a_name() -> None:
    marks = HostPrefixes(["web10", "机器1", "ünï"])
    assert [marks.mark(host, PLAIN) for host in ("web10", "机器1", "ünï")] == ["web10 | ", "机器1 | ", "ünï   | "]


def test_a_line_is_given_when_it_has_ended_and_the_last_one_gets_its_end() -> None:
    made = Lines(MARKS, "host1", 1, PLAIN)
    assert made.feed(b"be") == b""
    assert made.feed(b"gun\nnext") == b"host1  | begun\n"
    assert made.finish() == b"host1  | next\n"
    assert made.finish() == b""


@quick
@given(st.lists(st.binary(max_size=30)))
def test_elsewhere_than_on_a_terminal_no_byte_is_lost_or_changed(pieces: list[bytes]) -> None:
    text = lines(*pieces)
    whole = b"".join(pieces)
    if whole and not whole.endswith(b"\n"):
        whole += b"\n"
    assert text.replace(b"host1  | ", b"") == whole.replace(b"host1  | ", b"")
    assert all(line.startswith(b"host1  | ") for line in re.split(rb"\r(?!\n)|\n", text)[:-1])


@quick
@given(st.lists(st.binary(max_size=30)))
def test_on_a_terminal_each_line_stands_behind_its_host_and_is_harmless(pieces: list[bytes]) -> None:
    text = lines(*pieces, look=TERMINAL).decode()
    assert all(line.startswith("host1  | ") for line in text.split("\n")[:-1])
    assert not set(re.sub("\x1b\\[[0-9;:]*m", "", text)) & set("\r\x1b\x07\x9b")


def test_a_progress_bar_gets_its_host_before_each_step() -> None:
    assert lines(b" 10%\r 20%\r100%\r\n") == b"host1  |  10%\rhost1  |  20%\rhost1  | 100%\r\n"
    assert lines(b" 10%\r", b" 20%\n", look=TERMINAL) == b"host1  |  10%\nhost1  |  20%\n"


def test_a_line_that_is_too_long_goes_on_behind_a_plus_and_between_characters() -> None:
    text = "é" * 100_000 + "\nx\n"
    for look in (PLAIN, TERMINAL):
        shown = lines(*[text.encode()[at : at + 4096] for at in range(0, len(text.encode()), 4096)], look=look).decode()
        first, *rest = shown.splitlines()
        assert first.startswith("host1  | é")
        assert rest[0].startswith("host1  + é")
        assert rest[-1] == "host1  | x"
        assert shown.replace("\nhost1  + ", "").replace("host1  | ", "") == text
    assert lines(b"x" * (64 << 10), b"y", b"\n").count(b"\n") == 2
    assert lines(b"x" * (64 << 10), b"\n").count(b"\n") == 1


def test_bytes_that_are_no_text_stay_in_a_pipe_and_are_shown_on_a_terminal() -> None:
    assert lines(b"\xff\x80\n") == b"host1  | \xff\x80\n"
    assert lines(b"\xff\n", look=TERMINAL) == b"host1  | \\xff\n"


def test_a_colour_goes_on_in_the_next_line_of_its_host_and_nowhere_else() -> None:
    shown = lines(b"\x1b[31mred\nstill\n\x1b[0mplain\n", look=Look(terminal=True)).decode()
    assert shown.splitlines() == [
        "host1  | \x1b[31mred\x1b[0m",
        "host1  | \x1b[31mstill\x1b[0m",
        "host1  | \x1b[31m\x1b[0mplain\x1b[0m",
    ]


def test_on_a_terminal_with_colours_each_host_has_its_own() -> None:
    look = Look(terminal=True, colour=True)
    marks = {Lines(MARKS, host, 1, look).feed(b"x\n").split(b"host")[0] for host in ("host1", "host10")}
    assert len(marks) == 2
    assert b"\x1b[31mstderr:" in Lines(MARKS, "host1", 2, look).feed(b"x\n")


def test_names_show_no_control_characters() -> None:
    assert Lines(HostPrefixes(["a\x1b[2J\n"]), "a\x1b[2J\n", 1, PLAIN).feed(b"x\n").count(b"\x1b") == 0
