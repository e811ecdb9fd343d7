"""Widths of texts on a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from agentless.report.cells import cells, padded


@pytest.mark.parametrize(
    ("text", "columns"), [("", 0), ("web1", 4), ("ünï", 3), ("u\u0308", 1), ("机器1", 5), ("ｗ", 2), ("عربي", 4)]
)
def test_wide_characters_take_two_columns_and_marks_none(text: str, columns: int) -> None:
    assert cells(text) == columns == cell_len(text)
    assert padded(text, 8) == text + " " * (8 - columns)
    assert padded(text, 0) == text


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x24F, exclude_categories=["Cc", "Cf"])))
def test_latin_is_as_wide_as_rich_has_it(text: str) -> None:
    assert cells(text) == cell_len(text)
