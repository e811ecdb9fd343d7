"""Recorded figures, and their plots: what the other scripts measured stands in figures.json, with date and machine.

    python benchmarks/figures.py        draws docs/assets/benchmarks/*.svg anew

A script that is called with `--record` puts what it measures there (`record`), in place of what stood there.
"""

from __future__ import annotations

import datetime
import json
import math
import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from xml.sax.saxutils import escape

HERE = Path(__file__).resolve().parent
FIGURES = HERE / "figures.json"
PLOTS = HERE.parent / "docs/assets/benchmarks"

WIDTH, LABELS, RIGHT, ROW, TOP = 760, 330, 70, 28, 40
OURS, THEIRS, TEXT, LINE = "#00897b", "#8d99a6", "#767676", "#9e9e9e"


@dataclass(frozen=True)
class Figures:
    """What one run of a script measured.

    Args:
        title: what is compared.
        unit: of the values.
        scale: `linear`, or `log` where the largest value is many times the smallest.
        date: when, `YYYY-MM-DD`.
        machine: where, and how.
        script: what was called.
        rows: names, and the lowest and highest value that was measured, which may be one.
    """

    title: str
    unit: str
    scale: str
    date: str
    machine: str
    script: str
    rows: Sequence[tuple[str, float, float]]


def load(path: Path = FIGURES) -> dict[str, Figures]:
    """All figures, by the name of their plot."""
    raw = json.loads(path.read_text(encoding="utf-8"))
    return {
        name: Figures(**{**one, "rows": tuple((str(row), float(low), float(high)) for row, low, high in one["rows"])})
        for name, one in raw.items()
    }


def record(name: str, title: str, script: str, rows: Sequence[tuple[str, float]], *, unit: str, scale: str) -> None:
    """Keep what was measured just now on this machine, and draw its plot."""
    load_average = os.getloadavg()[0]
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, load {load_average:.0f} at the end"
    today = datetime.date.today().isoformat()
    every = {
        **load(),
        name: Figures(title, unit, scale, today, machine, script, tuple((row, value, value) for row, value in rows)),
    }
    FIGURES.write_text(json.dumps({key: asdict(one) for key, one in every.items()}, indent=2) + "\n", encoding="utf-8")
    draw()


def draw(into: Path = PLOTS) -> None:
    """Draw each plot into a file of its name."""
    into.mkdir(parents=True, exist_ok=True)
    for name, figures in load().items():
        (into / f"{name}.svg").write_text(plot(figures), encoding="utf-8")


def plot(figures: Figures) -> str:
    """The plot as SVG: bars from zero on a linear scale, dots on a logarithmic one."""
    return "\n".join(_svg(figures)) + "\n"


def table(figures: Figures) -> str:
    """The same figures as a table in Markdown."""
    rows = [f"| {name} | {_range(low, high)} |" for name, low, high in figures.rows]
    return "\n".join([f"| | {figures.unit} |", "| --- | --- |", *rows, "", _origin(figures)])


def _range(low: float, high: float) -> str:
    return f"{low:g}" if low == high else f"{low:g}–{high:g}"


def _origin(figures: Figures) -> str:
    return f"{figures.date}, `{figures.script}`: {figures.machine}."


def _svg(figures: Figures) -> Iterator[str]:
    height = TOP + ROW * len(figures.rows) + 34
    room = WIDTH - LABELS - RIGHT
    values = [value for _, *both in figures.rows for value in both]
    low, high = _decades(values) if figures.scale == "log" else (0.0, _round_up(max(values)))

    def x(value: float) -> float:
        if figures.scale == "log":
            share = (math.log10(value) - math.log10(low)) / (math.log10(high) - math.log10(low))
        else:
            share = value / high
        return round(LABELS + room * share, 1)

    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="13" fill="{TEXT}">'
    )
    yield f"<title>{escape(figures.title)}</title>"
    yield f"<desc>{escape(_origin(figures).replace('`', ''))}</desc>"
    yield f'<text x="0" y="16" font-weight="600" font-size="14">{escape(figures.title)}</text>'
    bottom = TOP + ROW * len(figures.rows)
    for mark in _marks(low, high, figures.scale):
        yield _line(x(mark), TOP - 8, x(mark), bottom)
        yield _text(x(mark), bottom + 16, f"{mark:g} {figures.unit}".strip(), 'text-anchor="middle" font-size="11"')
    for number, (name, least, most) in enumerate(figures.rows):
        middle = TOP + ROW * number + 10
        ours = name.startswith("agentless")
        colour, weight = (OURS, 'font-weight="600"') if ours else (THEIRS, "")
        yield _text(LABELS - 10, middle + 4, name, f'text-anchor="end" {weight}')
        if figures.scale == "log":
            yield _line(LABELS, middle, x(least), middle, 'stroke-dasharray="1 4"')
            yield _line(x(least), middle, x(most), middle, f'stroke="{colour}" stroke-width="4" stroke-opacity="1"')
            for value in sorted({least, most}):
                yield f'<circle cx="{x(value)}" cy="{middle}" r="5" fill="{colour}"/>'
        else:
            size = f'width="{x(most) - LABELS:.1f}" height="16"'
            yield f'<rect x="{LABELS}" y="{middle - 8}" {size} rx="2" fill="{colour}"/>'
        yield _text(x(most) + 11, middle + 4, _range(least, most), weight)
    yield "</svg>"


def _line(x1: float, y1: float, x2: float, y2: float, more: str = "") -> str:
    stroke = "" if "stroke=" in more else f'stroke="{LINE}" stroke-opacity=".45"'
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" {stroke} {more}/>'


def _text(x: float, y: float, text: str, more: str = "") -> str:
    return f'<text x="{x}" y="{y}" {more}>{escape(text)}</text>'


def _decades(values: Sequence[float]) -> tuple[float, float]:
    return 10.0 ** math.floor(math.log10(min(values))), 10.0 ** math.ceil(math.log10(max(values)))


def _round_up(value: float) -> float:
    step = 10.0 ** math.floor(math.log10(value))
    return math.ceil(value / step) * step


def _marks(low: float, high: float, scale: str) -> Iterator[float]:
    if scale == "log":
        for exponent in range(round(math.log10(low)), round(math.log10(high)) + 1):
            yield 10.0**exponent
    else:
        step = 10.0 ** math.floor(math.log10(high)) / (1 if high / 10.0 ** math.floor(math.log10(high)) > 2 else 5)
        for number in range(round(high / step) + 1):
            yield number * step


if __name__ == "__main__":
    draw()
