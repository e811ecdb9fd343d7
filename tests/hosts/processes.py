"""Processes told apart by more than their PIDs, which a busy machine gives to others within minutes."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

__all__ = ["Process", "children"]


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


def _fields(pid: int) -> list[str]:
    """What proc(5) tells of a process from its state on, the third field of `stat`; empty where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
