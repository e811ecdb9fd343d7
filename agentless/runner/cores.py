"""A pool of processes, one for each core: each is a Python of its own, started anew, that carries out what it is sent.

It differs from the standard library's where a command needs that. A worker that dies takes only its own task along. The
caller's `__main__` is not imported again, so any script may use it. Workers have no terminal: Ctrl-C is the parent's.
And they end with the parent, however that ends: their stdin does.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import queue
import struct
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import IO, Any, TypeVar

__all__ = ["Cores", "cores"]

T = TypeVar("T")
_HEADER = struct.Struct(">Q")


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Cores(Executor):
    """Processes that carry out calls of functions which pickle by name.

    Args:
        workers: how many, at most; each is started when there is work for it.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._tasks: deque[tuple[Future[Any], bytes]] = deque()
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._over = False
        self._processes: set[subprocess.Popen[bytes]] = set()

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = Future()
        task = pickle.dumps((fn, args, kwargs), pickle.HIGHEST_PROTOCOL)
        with self._changed:
            if self._over:
                raise RuntimeError("the pool is shut down")
            self._tasks.append((future, task))
            if self._idle < len(self._tasks) and len(self._threads) < self.workers:
                thread = threading.Thread(target=self._serve, name="agentless-core", daemon=True)
                self._threads.append(thread)
                thread.start()
            self._changed.notify()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers: at once where they are not waited for, else when all tasks are done."""
        with self._changed:
            self._over = True
            if cancel_futures or not wait:
                for future, _ in self._tasks:
                    future.cancel()
                self._tasks.clear()
            self._changed.notify_all()
            if not wait:
                for process in self._processes:
                    process.kill()
        if wait:
            for thread in self._threads:
                thread.join()

    def _serve(self) -> None:
        """Hand tasks to one worker, one after the other; where it has died, to a new one."""
        process: subprocess.Popen[bytes] | None = None
        while True:
            with self._changed:
                self._idle += 1
                self._changed.wait_for(lambda: self._tasks or self._over)
                self._idle -= 1
                if not self._tasks:
                    break
                future, task = self._tasks.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                if process is None:
                    process = self._start()
                done, value = self._done_by(process, task)
            except (OSError, EOFError, pickle.UnpicklingError) as error:
                status = self._end(process)
                process = None
                # It brings multiprocessing along, which no command needs before that.
                from concurrent.futures.process import BrokenProcessPool

                future.set_exception(BrokenProcessPool(f"a worker ended ({status}) over its task: {error}"))
                continue
            if done:
                future.set_result(value)
            else:
                future.set_exception(value)
        self._end(process)

    def _start(self) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-c", "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "]
        words[-1] += f"from {__name__} import _work; _work()"
        process = subprocess.Popen(
            [*words, json.dumps(sys.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        with self._changed:
            self._processes.add(process)
            if self._over:
                process.kill()
        return process

    @staticmethod
    def _done_by(process: subprocess.Popen[bytes], task: bytes) -> tuple[bool, Any]:
        assert process.stdin is not None
        assert process.stdout is not None
        _write(process.stdin, task)
        done, value = pickle.loads(_read(process.stdout))
        return done, value

    def _end(self, process: subprocess.Popen[bytes] | None) -> str:
        if process is None:
            return "before it began"
        with self._changed:
            self._processes.discard(process)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    continue
        try:
            status = process.wait(2.0)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        return f"signal {-status}" if status < 0 else f"status {status}"


def _write(pipe: IO[bytes], data: bytes) -> None:
    pipe.write(_HEADER.pack(len(data)))
    pipe.write(data)
    pipe.flush()


def _read(pipe: IO[bytes]) -> bytes:
    """One message; raises EOFError where the other side has ended."""
    header = pipe.read(_HEADER.size)
    if len(header) < _HEADER.size:
        raise EOFError("no answer came")
    (length,) = _HEADER.unpack(header)
    data = pipe.read(length)
    if len(data) < length:
        raise EOFError("half an answer came")
    return data


def _work() -> None:
    """A worker's life: tasks from stdin, answers to stdout. When stdin ends, so does it, with whatever it is at: the
    parent has ended, or wants no more."""
    tasks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    # Whatever a task prints must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    source = os.fdopen(os.dup(0), "rb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    threading.Thread(target=_do, args=(tasks, answers), daemon=True).start()
    with contextlib.suppress(EOFError, OSError):
        while True:
            tasks.put(_read(source))


def _do(tasks: queue.SimpleQueue[bytes], answers: IO[bytes]) -> None:
    while True:
        try:
            fn, args, kwargs = pickle.loads(tasks.get())
            answer = pickle.dumps((True, fn(*args, **kwargs)), pickle.HIGHEST_PROTOCOL)
        except BaseException as error:  # noqa: BLE001 - raised where the result is taken
            try:
                answer = pickle.dumps((False, error), pickle.HIGHEST_PROTOCOL)
            except Exception:  # noqa: BLE001 - an error that does not pickle
                answer = pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")))
        try:
            _write(answers, answer)
        except OSError:
            return
