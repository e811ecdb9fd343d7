"""The progress line names hosts, fits its terminal, and never stands in the way of other text."""

from __future__ import annotations

import io
import threading

from hypothesis import given
from hypothesis import strategies as st

from agentless.cli.progress import Progress, line
from tests.hosts import until
from tests.report.values import quick, texts


def test_it_names_two_hosts_the_others_by_number_how_far_it_is_and_for_how_long() -> None:
    waiting = ["web3", "web7", *(f"db{i}" for i in range(12))]
    assert line(waiting, 45, 60, 12.3, 60) == "waiting for web3, web7 and 12 more · 45/60 · 12 s"
    assert line(["web3"], 59, 60, 200, 80) == "waiting for web3 · 59/60 · 3m 20s"


def test_where_even_one_name_is_too_long_the_cut_is_marked() -> None:
    text = line(["node1.example.com", "node2", "node3", "node4"], 0, 4, 2, 39)
    assert text == "waiting for node1.example.… · 0/4 · 2 s"


@quick
@given(st.lists(texts, min_size=1), st.integers(0, 10**6), st.floats(0, 1e7), st.integers(1, 200))
def test_it_fits_any_width_on_one_line(waiting: list[str], done: int, seconds: float, width: int) -> None:
    text = line(waiting, done, done + len(waiting), seconds, width)
    assert len(text) <= width
    assert not set(text) & set("\r\n\x1b\x9b")


def test_it_is_wiped_before_anything_else_is_written_and_at_its_end() -> None:
    stream, lock = io.StringIO(), threading.RLock()
    with Progress(stream, lambda: ["web1"], 2, terminal=True, width=lambda: 80, lock=lock) as progress:
        until(lambda: "waiting for web1 · 1/2" in stream.getvalue(), "the progress line")
        with lock:
            progress.wipe()
            assert stream.getvalue().endswith("\r\x1b[K")
            stream.write("result\n")
        until(lambda: stream.getvalue().rstrip().endswith("s"), "the line again")
    assert stream.getvalue().endswith("\r\x1b[K")


def test_while_it_is_paused_nothing_is_drawn() -> None:
    stream = io.StringIO()
    with Progress(stream, lambda: ["web1"], 1, terminal=True, width=lambda: 80, lock=threading.RLock()) as progress:
        progress.pause(True)
    assert stream.getvalue() == ""
