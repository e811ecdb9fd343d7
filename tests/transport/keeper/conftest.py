"""Keepers of tests, as processes."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agentless.transport.keeper.place import Place


def keepers(mark: str) -> list[int]:
    """The PIDs of keepers whose environment, or whose directory, has `mark`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if b"agentless.transport.keeper" in (process / "cmdline").read_bytes() and (
                mark.encode() in (process / "environ").read_bytes()
            ):
                found.append(int(process.name))
    return found


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "keeper")


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[int]]]:
    """The PIDs of all keepers that this test has started; they end with it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    yield lambda: keepers(f"HOME={tmp_path}\0")
    for pid in keepers(f"HOME={tmp_path}\0"):
        os.kill(pid, signal.SIGKILL)
