"""What tests kill: processes that may have ended before, and workers at a random instant. A fork is quick."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
import traceback
from collections.abc import Callable, Iterable

__all__ = ["kill", "kill_workers"]


def kill(pids: Iterable[int]) -> list[int]:
    """End processes by SIGKILL; return those that had not ended before."""
    killed = []
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)
    return killed


def kill_workers(
    work: Callable[[random.Random], None], count: int, rng: random.Random, alive: tuple[float, float]
) -> int:
    """Fork workers, and kill them; all are gone when this returns.

    Args:
        work: what each does without end, with a generator of its own.
        alive: the least and the most seconds that they live.

    Returns:
        How many were killed.
    """
    pids = []
    for _ in range(count):
        seed = rng.random()
        if (pid := os.fork()) == 0:
            try:
                work(random.Random(seed))
            finally:  # only a defect gets here: it must not go on as if it were the parent
                traceback.print_exc()
                os._exit(1)
        pids.append(pid)
    time.sleep(rng.uniform(*alive))
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    for pid in pids:
        _, status = os.waitpid(pid, 0)
        assert os.WIFSIGNALED(status), "a worker ended by itself"
    return count
