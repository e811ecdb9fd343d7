"""Text from outside is made safe to show: any bytes become text that a terminal can be given."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from agentless.report.printable import Printable, note, one_line, plain, plain_pieces, printable
from agentless.report.text import Look, paint
from tests.report.harmless import harmless, hidden
from tests.report.values import outputs, quick, texts

TERMINAL = Look(terminal=True, colour=True)


@quick
@given(outputs)
def test_no_output_reaches_a_terminal_with_a_control_character_but_colour_tab_and_line_ends(data: bytes) -> None:
    assert harmless(printable(data))


@quick
@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Zl", "Zp"])).filter(
        lambda text: not any(map(hidden, text))
    )
)
def test_ordinary_text_is_shown_as_it_is(text: str) -> None:
    assert printable(text.encode()) == text


@quick
@given(outputs, st.lists(st.integers(1, 5)))
def test_output_in_pieces_is_shown_as_in_one(data: bytes, cuts: list[int]) -> None:
    stream, shown, at = Printable(), "", 0
    for cut in cuts:
        shown += stream.feed(data[at : at + cut])
        at += cut
    shown += stream.feed(data[at:], final=True)
    assert shown == Printable().feed(data, final=True)


def test_colours_pass_and_everything_else_becomes_visible() -> None:
    assert printable(b"\x1b[1;31mred\x1b[0m\n") == "\x1b[1;31mred\x1b[0m\n"
    assert printable(b"\x1b[2J\x07\x9b\x7f") == "^[[2J^G\\x9b^?"
    assert printable("\u202e\x85".encode()) == "\\u202e\\x85"
    assert one_line("we\u200bb\xad\ufeff1\U000e0041") == "we\\u200bb\\xad\\ufeff1\\U000e0041"


def test_every_hidden_character_is_made_visible_on_every_way() -> None:
    for character in filter(hidden, map(chr, range(0x110000))):
        for way in (one_line, plain, note, lambda text: printable(text.encode())):
            assert way(character) != character, hex(ord(character))


def test_a_carriage_return_never_takes_the_cursor_back() -> None:
    assert printable(b"10%\r20%\r\nweb2: \rweb1: ok") == "10%\n20%\nweb2: \nweb1: ok"
    assert plain("a\r\nb\rc") == "a\nb\nc"
    assert note("a\rb") == one_line("a\rb") == "a\\rb"


def test_a_note_is_painted_by_us_alone() -> None:
    assert note(f"job: {paint('2 failed', 'red', TERMINAL)}") == "job: \x1b[31m2 failed\x1b[0m"
    assert note("\x1b[8m\x1b[30;40mhidden") == "^[[8m^[[30;40mhidden"


def test_a_colour_left_on_is_switched_off_at_the_end() -> None:
    assert printable(b"\x1b[31mred") == "\x1b[31mred\x1b[0m"


@quick
@given(texts)
def test_a_name_never_breaks_its_line(text: str) -> None:
    line = one_line(text)
    assert harmless(line)
    assert "\x1b" not in line
    assert not re.search(r"[\t\n\r]", line)
    line.encode("utf-8")


@quick
@given(st.integers(0, 8), outputs)
def test_a_stream_in_pieces_is_plain_as_in_one(before: int, data: bytes) -> None:
    # The first piece ends somewhere in it.
    data = b"x" * ((1 << 18) - before) + data
    assert "".join(plain_pieces(data)) == plain(data.decode("utf-8", "backslashreplace"))
