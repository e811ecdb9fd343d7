"""Plots show figures that were measured: each has its date, machine and script, and is what the script draws of it."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.figures import PLOTS, Figures, draw, load, plot, table
from tests.hosts.client import ROOT

FIGURES = load()


def test_each_plot_is_drawn_of_the_recorded_figures(tmp_path: Path) -> None:
    """`python benchmarks/figures.py` after a change of the figures."""
    draw(tmp_path)
    drawn = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert drawn == {path.name: path.read_text() for path in PLOTS.glob("*.svg")}


@pytest.mark.parametrize("name", FIGURES)
def test_figures_say_when_where_and_how(name: str) -> None:
    figures = FIGURES[name]
    assert re.fullmatch(r"20\d\d-[01]\d(-[0-3]\d)?", figures.date)
    assert "core" in figures.machine or "server" in figures.machine
    scripts = re.findall(r"[\w/]+\.py", figures.script)
    for script in scripts:
        assert (ROOT / script).exists(), script
    assert scripts or "by hand" in figures.script
    assert all(0 < least <= most for _, least, most in figures.rows)


@pytest.mark.parametrize("name", FIGURES)
def test_a_plot_is_on_the_page_with_all_its_rows(name: str) -> None:
    assert f"<!-- generate: figures {name} -->" in (ROOT / "docs/benchmarks.md").read_text()
    tree = ElementTree.fromstring(plot(FIGURES[name]))
    texts = [element.text for element in tree.iter() if element.tag.endswith("}text")]
    for row, *_ in FIGURES[name].rows:
        assert row in texts
        assert row in table(FIGURES[name])


def test_bars_begin_at_zero_and_are_as_long_as_their_value() -> None:
    figures = Figures("t", "s", "linear", "2026-11", "one core", "x.py", [("a", 1.0, 1.0), ("agentless", 4.0, 4.0)])
    tree = ElementTree.fromstring(plot(figures))
    bars = [element for element in tree.iter() if element.tag.endswith("}rect")]
    assert float(bars[1].get("width", 0)) == pytest.approx(4 * float(bars[0].get("width", 0)), rel=0.01)
    assert bars[0].get("x") == bars[1].get("x")
