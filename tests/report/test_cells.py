"""Widths of texts on a terminal."""

from __future__ import annotations

import subprocess
import sys

import pytest

from agentless.report.cells import cells, padded
from tests.hosts.client import ROOT


@pytest.mark.parametrize(
    ("text", "columns"), [("", 0), ("web1", 4), ("ünï", 3), ("u\u0308", 1), ("机器1", 5), ("ｗ", 2), ("عربي", 4)]
)
def test_wide_characters_take_two_columns_and_marks_none(text: str, columns: int) -> None:
    assert cells(text) == columns
    assert padded(text, 8) == text + " " * (8 - columns)
    assert padded(text, 0) == text


def test_what_is_ascii_needs_no_rich() -> None:
    code = "import sys; from agentless.report.cells import padded; padded('web1', 9); assert 'rich' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
