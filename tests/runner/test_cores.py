"""The pool of processes: tasks and their answers, workers that die, and an end with the parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from agentless.runner.cores import Cores
from tests.hosts import Process, until
from tests.hosts.client import ROOT
from tests.hosts.needs import need
from tests.hosts.waiting import patience


def test_tasks_are_done_by_other_processes_as_many_as_there_are() -> None:
    pool = Cores(2)
    try:
        pids = {pool.submit(os.getpid).result(patience(30)) for _ in range(4)}
        many = [pool.submit(pow, base, 2) for base in range(20)]
        assert [one.result(patience(30)) for one in many] == [base * base for base in range(20)]
        assert os.getpid() not in pids
        workers = [Process.of(pid) for pid in pids]
    finally:
        pool.shutdown()
    until(lambda: not any(worker.lives for worker in workers), "the workers have ended")
    with pytest.raises(RuntimeError):
        pool.submit(os.getpid)


LEFT = """\
import os, threading
from agentless.runner.cores import Cores
pool = Cores(3)
for task in [pool.submit(os.getpid) for _ in range(6)]:
    task.result()
pool.shutdown()
print(*[thread.name for thread in threading.enumerate()])
"""


def test_no_thread_of_it_is_left_to_the_end_of_python() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LEFT], capture_output=True, text=True, check=True, cwd=ROOT, timeout=patience(60)
    )
    assert done.stdout == "MainThread\n"


def test_what_a_task_raises_is_raised_where_its_result_is_taken_and_what_it_prints_is_no_answer() -> None:
    pool = Cores(1)
    try:
        with pytest.raises(ZeroDivisionError):
            pool.submit(divmod, 1, 0).result(patience(30))
        assert pool.submit(print, "not an answer").result(patience(30)) is None
    finally:
        pool.shutdown()


def test_a_worker_that_dies_takes_only_its_own_task_along() -> None:
    pool = Cores(1)
    try:
        pid = pool.submit(os.getpid).result(patience(30))
        killed = pool.submit(time.sleep, 600)
        until(killed.running, "it runs")
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(BrokenProcessPool):
            killed.result(patience(30))
        assert pool.submit(os.getpid).result(patience(30)) != pid
    finally:
        pool.shutdown()


def meet(folder: str, name: str, count: int) -> int:
    """Wait until so many tasks have come here; the process that each is in."""
    Path(folder, name).touch()
    until(lambda: len(os.listdir(folder)) == count, "all are at work at once", seconds=60)
    return os.getpid()


def test_a_worker_carries_out_some_tasks_at_once(tmp_path: Path) -> None:
    pool = Cores(2, 3)
    try:
        pids = [pool.submit(meet, str(tmp_path), str(number), 6) for number in range(6)]
        assert sorted(Counter(pid.result(patience(60)) for pid in pids).values()) == [3, 3]
    finally:
        pool.shutdown()


def test_a_worker_that_gives_no_sign_of_life_is_ended_and_its_tasks_are_told_as_lost() -> None:
    need("many seconds")
    pool = Cores(1, silence=patience(2))
    try:
        pid = pool.submit(os.getpid).result(patience(30))
        worker = Process.of(pid)
        stuck = pool.submit(time.sleep, 600)
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(BrokenProcessPool, match="no sign of life"):
            stuck.result(patience(60))
        until(lambda: not worker.lives, "it has ended")
        assert pool.submit(os.getpid).result(patience(30)) != pid
    finally:
        pool.shutdown()


def test_what_is_under_way_is_not_waited_for_where_nobody_wants_it() -> None:
    pool = Cores(1, 1)
    worker = Process.of(pool.submit(os.getpid).result(patience(30)))
    pool.submit(time.sleep, 600)
    queued = pool.submit(time.sleep, 600)
    pool.shutdown(wait=False)
    assert queued.cancelled()
    until(lambda: not worker.lives, "the worker has ended")


def test_workers_end_with_a_parent_that_is_killed_and_its_main_is_not_run_again(tmp_path: Path) -> None:
    """A script without `if __name__ == '__main__'`, which the standard library's pool would run once more."""
    script = tmp_path / "script.py"
    script.write_text(
        "import os, time\nfrom agentless.runner.cores import Cores\nprint('begun', flush=True)\n"
        "pool = Cores(1)\nprint(pool.submit(os.getpid).result(), flush=True)\npool.submit(time.sleep, 600).result()\n"
    )
    with subprocess.Popen([sys.executable, str(script)], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
                          stdout=subprocess.PIPE, text=True) as parent:  # fmt: skip
        assert parent.stdout is not None
        assert parent.stdout.readline() == "begun\n"
        worker = Process.of(int(parent.stdout.readline()))
        assert worker.lives
        parent.kill()
    until(lambda: not worker.lives, "the worker has ended")
