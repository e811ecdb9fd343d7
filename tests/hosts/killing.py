"""Workers of a program with one thread, which are killed at a random instant. A fork costs a millisecond."""

from __future__ import annotations

import os
import random
import signal
import time
import traceback
from collections.abc import Callable

__all__ = ["kill_workers"]


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
