"""The bar of a job on many hosts: what it counts, how long it is, and that it fits."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentless.cli.progress_bar import bar
from agentless.runner.events import Standing
from tests.report.values import quick

_COLOUR = re.compile("\x1b\\[[0-9;]*m")


def _done(text: str) -> int:
    """How many cells of the bar, which has no colours, are done."""
    return len(re.findall("[━╸]", text.split("/")[0]))


@quick
@given(st.integers(0, 999), st.integers(0, 999), st.integers(0, 999), st.integers(1, 999), st.integers(60, 200))
def test_the_bar_fits_any_width(ok: int, failed: int, running: int, pending: int, width: int) -> None:
    for colour in (True, False):
        text = bar(Standing(ok, failed, running, pending), "1/2", width, colour=colour)
        plain = _COLOUR.sub("", text)
        assert len(plain) <= width
        assert plain.count("\n") == 0
        assert colour == ("\x1b" in text)


def test_it_counts_where_hosts_stand_and_leaves_noughts_out() -> None:
    text = bar(Standing(40, 5, 12, 3), "45/60", 80, colour=False)
    assert text.endswith("45/60  40 ok  5 failed  12 running  3 pending")
    assert bar(Standing(0, 0, 7, 0), "0/7", 80, colour=False).strip() == "0/7  7 running"


@pytest.mark.parametrize(("ok", "failed", "cells"), [(0, 0, 0), (5, 0, 20), (3, 2, 20), (8, 2, 40)])
def test_it_is_as_long_as_the_share_of_hosts_that_have_ended_well_or_not(ok: int, failed: int, cells: int) -> None:
    assert _done(bar(Standing(ok, failed, 10 - ok - failed, 0), "n", 200, colour=False)) == cells


def test_each_count_has_the_colour_of_its_state() -> None:
    text = bar(Standing(1, 2, 3, 4), "3/10", 100, colour=True)
    for code, count in ((32, "1 ok"), (31, "2 failed"), (33, "3 running"), (2, "4 pending")):
        assert f"\x1b[{code}m{count}\x1b[0m" in text
    assert _COLOUR.sub("", text).endswith("1 ok  2 failed  3 running  4 pending")
