"""The progress line names hosts, fits its terminal, and never stands in the way of other text."""

from __future__ import annotations

import io
import threading

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from agentless.cli.progress import Progress, line
from agentless.runner.events import Standing
from tests.hosts import until
from tests.report.values import quick, texts


def test_it_names_two_hosts_the_others_by_number_how_far_it_is_and_for_how_long() -> None:
    waiting = ["web3", "web7", *(f"db{i}" for i in range(12))]
    assert line(waiting, "45/60", 12.3, 60) == "waiting for web3, web7 and 12 more · 45/60 · 12 s"
    assert line(["web3"], "59/60", 200, 80) == "waiting for web3 · 59/60 · 3m 20s"


def test_where_even_one_name_is_too_long_the_cut_is_marked() -> None:
    text = line(["node1.example.com", "node2", "node3", "node4"], "0/4", 2, 39)
    assert text == "waiting for node1.example.… · 0/4 · 2 s"


def test_wide_names_are_cut_by_the_columns_that_they_take() -> None:
    assert line(["机器1", "机器2"], "0/2", 2, 40) == "waiting for 机器1, 机器2 · 0/2 · 2 s"
    assert line(["机器1", "机器2"], "0/2", 2, 33) == "waiting for 机器1, … · 0/2 · 2 s"


@quick
@given(st.lists(texts, min_size=1), st.integers(0, 10**6), st.floats(0, 1e7), st.integers(1, 200))
def test_it_fits_any_width_on_one_line(waiting: list[str], done: int, seconds: float, width: int) -> None:
    text = line(waiting, f"{done}/{done + len(waiting)}", seconds, width)
    assert cell_len(text) <= width
    assert not set(text) & set("\r\n\x1b\x9b")


def test_it_is_wiped_before_anything_else_is_written_and_at_its_end() -> None:
    stream, lock = io.StringIO(), threading.RLock()
    with Progress(stream.write, lambda: ["web1"], 2, terminal=True, width=lambda: 80, lock=lock) as progress:
        until(lambda: "waiting for web1 · 1/2" in stream.getvalue(), "the progress line")
        with lock:
            progress.wipe()
            assert stream.getvalue().endswith("\r\x1b[K")
            stream.write("result\n")
        until(lambda: stream.getvalue().rstrip().endswith("s"), "the line again")
    assert stream.getvalue().endswith("\r\x1b[K")


def test_several_hosts_have_a_bar_with_counts_above_it_and_both_are_wiped() -> None:
    stream, lock = io.StringIO(), threading.RLock()
    standing = lambda: Standing(ok=40, failed=2, running=3, pending=15, batch=2, batches=3)  # noqa: E731
    with Progress(
        stream.write, lambda: ["web1"], 60, terminal=True, width=lambda: 80, lock=lock, standing=standing
    ) as progress:
        until(lambda: "batch 2 of 3 · waiting for web1 · " in stream.getvalue(), "the line below the bar")
        with lock:
            stream.seek(0)
            stream.truncate()
            progress.wipe()
            progress.restore()
            first, second = stream.getvalue().removeprefix("\r\x1b[K\x1b[A\x1b[K").split("\n")
        assert first.endswith("59/60  40 ok  2 failed  3 running  15 pending")
        assert second.startswith("batch 2 of 3")
    assert stream.getvalue().endswith("\r\x1b[K\x1b[A\x1b[K")


def test_in_a_log_the_line_tells_failures_and_the_batch() -> None:
    standing = Standing(ok=1, failed=2, running=3, pending=4, batch=2, batches=3)
    stream = io.StringIO()
    progress = Progress(
        stream.write,
        lambda: ["w"],
        10,
        terminal=False,
        width=lambda: 80,
        lock=threading.RLock(),
        standing=lambda: standing,
    )
    progress._draw()
    assert stream.getvalue() == "batch 2 of 3 · waiting for w · 9/10, 2 failed · 0 s\n"


def test_while_it_is_paused_nothing_is_drawn() -> None:
    stream = io.StringIO()
    progress = Progress(stream.write, lambda: ["web1"], 1, terminal=True, width=lambda: 80, lock=threading.RLock())
    progress.pause(True)
    progress._draw()
    assert stream.getvalue() == ""
    progress.pause(False)
    progress._draw()
    assert "waiting for web1" in stream.getvalue()
