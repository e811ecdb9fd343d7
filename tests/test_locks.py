"""A lock of a file holds off other threads, other processes and filelock, and nobody else."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from agentless.locks import Lock
from tests.hosts import patience
from tests.hosts.client import ROOT


def lock(path: Path, timeout: float = 0.0) -> Lock:
    return Lock(str(path), timeout=timeout, poll=0.002)


def test_one_holds_it_at_a_time_and_gives_it_back(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    one, other, library = lock(path), lock(path), FileLock(path, timeout=0)
    one.acquire()
    one.acquire()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for _ in range(2):
        with pytest.raises(TimeoutError):
            other.acquire()
        with pytest.raises(Timeout):
            library.acquire()
        assert (one.is_locked, other.is_locked) == (True, False)
        one.release()
    with library, pytest.raises(TimeoutError):
        one.acquire()
    other.acquire()
    other.release()


def test_it_is_waited_for_and_free_when_its_holder_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    program = (
        "import sys, time; from agentless.locks import Lock; lock = Lock(sys.argv[1], timeout=0, poll=1); "
        "lock.acquire(); print('held', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, cwd=ROOT) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(TimeoutError):
            lock(path, 0.05).acquire()
        holder.kill()
        lock(path, patience(20)).acquire()


def test_one_that_was_removed_by_its_holder_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lock"
    really = os.open

    def opened(*arguments: object) -> int:
        file = really(*arguments)  # type: ignore[arg-type]
        monkeypatch.undo()
        path.unlink()
        return file

    monkeypatch.setattr(os, "open", opened)
    one = lock(path, patience(5))
    one.acquire()
    with pytest.raises(TimeoutError):
        lock(path).acquire()
    one.release()


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        lock(tmp_path / "lock").acquire()
    assert not (tmp_path / "elsewhere").exists()
