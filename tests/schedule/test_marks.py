"""Where things stand in the text of a schedule file."""

from __future__ import annotations

import pytest

from agentless.schedule.marks import Marks
from agentless.schedule.meaning import own, pairs

TEXT = """\
# ours
schedule:
    one: {function: x}   # first
    # about two
    two:
        args: |
            a

        name: &n b # end
    three: *n
"""


@pytest.fixture
def marks() -> Marks:
    return Marks(TEXT)


def test_lines_are_counted_as_pyyaml_counts_them(marks: Marks) -> None:
    for line, text in enumerate(TEXT.splitlines(keepends=True)):
        start = marks.lines[line]
        assert TEXT[start : marks.line_end(start)] == text
        assert (marks.line(start), marks.line_start(start + len(text) - 1)) == (line, start)


def test_a_key_and_its_value_end_before_what_is_behind_them(marks: Marks) -> None:
    ends = {key.value: TEXT[: marks.end(key, value)] for key, value in pairs(marks.schedule)}
    assert ends["one"].endswith("{function: x}")
    assert ends["two"].endswith("&n b")
    assert ends["three"].endswith("*n")


def test_the_empty_line_behind_a_block_scalar_is_none_of_its_own(marks: Marks) -> None:
    two = own(marks.schedule, "two")
    assert two is not None
    key, value = pairs(two[1])[0]
    assert TEXT[: marks.end(key, value)].endswith("            a")


def test_comments_further_in_belong_to_what_is_before_them(marks: Marks) -> None:
    one = own(marks.schedule, "one")
    assert one is not None
    end = marks.line_end(marks.end(*one))
    assert TEXT[end:].startswith("    # about two")
    assert marks.tail(end, 4) == end
    assert marks.tail(end, 0) == marks.line_end(end)


def test_an_alias_is_known_where_it_stands_and_how_far_mappings_are_set_in(marks: Marks) -> None:
    three = own(marks.schedule, "three")
    assert three is not None
    assert marks.is_alias(three[1])
    assert TEXT[three[1].start_mark.index :].startswith("*n")
    assert (marks.step(), marks.newline) == (8 - 4, "\n")


@pytest.mark.parametrize(("text", "newline"), [("a: 1\r\nb: 2\r\n", "\r\n"), ("a: 1", "\n"), ("a: 1\rb: 2", "\r")])
def test_a_new_line_ends_as_the_files_own(text: str, newline: str) -> None:
    assert Marks(text).newline == newline
