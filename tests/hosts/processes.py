"""Processes told apart by more than their PIDs, which a busy machine gives to others within minutes."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import NamedTuple

import pytest

__all__ = ["Process", "children", "hardened"]


class Process(NamedTuple):
    """One process, whatever has its PID later.

    Attributes:
        started: when, in clock ticks since boot; empty where there was none.
    """

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> Process:
        """The one that has this PID now."""
        fields = _fields(pid)
        return cls(pid, fields[19] if fields else "")

    @property
    def lives(self) -> bool:
        """Whether it runs; one that is dead and waits to be reaped doesn't."""
        fields = _fields(self.pid)
        return bool(fields) and fields[19] == self.started and fields[0] not in "ZX"


def children(pid: int) -> list[Process]:
    """The processes that a process has started, and that live."""
    pids = [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]
    started = [Process.of(each) for each in pids if _fields(each)[1:2] == [str(pid)]]
    return [process for process in started if process.lives]


def hardened(module: str, mark: str) -> list[int]:
    """The PIDs of processes of this module whose environment has `mark`.

    Those that keep passwords in their memory show their environment to root alone: the test of another user is skipped.
    """
    if os.geteuid() != 0:
        pytest.skip("needs root: to look into a process that hides what it has in memory")
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if module.encode() in (process / "cmdline").read_bytes() and (
                mark.encode() in (process / "environ").read_bytes()
            ):
                found.append(int(process.name))
    return found


def _fields(pid: int) -> list[str]:
    """What proc(5) tells of a process from its state on, the third field of `stat`; empty where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
