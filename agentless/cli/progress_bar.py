"""The bar of a job on many hosts, drawn with rich: how much is done, and how many hosts stand where."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from agentless.runner.events import Standing

__all__ = ["bar"]

_WIDEST = 40
_STYLES = {"ok": "green", "failed": "red", "running": "yellow", "pending": "dim"}


def bar(standing: Standing, count: str, width: int, *, colour: bool) -> str:
    """One line of at most `width` columns: a bar, `45/60`, `40 ok  5 failed  12 running  3 pending`; no zeros.

    Args:
        count: how far it is.
    """
    counts = Text(count)
    for name, style in _STYLES.items():
        number = getattr(standing, name)
        if number:
            counts.append("  ").append(f"{number} {name}", style=style)
    total = standing.ok + standing.failed + standing.running + standing.pending
    room = min(_WIDEST, width - cell_len(counts.plain) - 1)
    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        force_jupyter=False,
        legacy_windows=False,
        _environ={},
    )
    grid = Table.grid(padding=(0, 1, 0, 0))
    # Without colours, what is not done yet is what the bar lacks.
    grid.add_row(ProgressBar(total, standing.ok + standing.failed, width=room), counts)
    with console.capture() as drawn:
        console.print(grid, end="", no_wrap=True, overflow="crop")
    return drawn.get().rstrip("\n")
