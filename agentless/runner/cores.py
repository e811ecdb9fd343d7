"""A pool of processes, one for each core: each is a Python of its own, started anew, that carries out what it is sent.

It differs from the standard library's where a command needs that. A worker carries out some tasks at once, since a task
mostly waits for hosts. One that dies takes only its own tasks along, and so does one that gives no sign of life. The
caller's `__main__` is not imported again, so any script may use it. Workers have no terminal: Ctrl-C is the parent's.
And they end with the parent, however that ends: their stdin does.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import pickle
import queue
import select
import struct
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import IO, Any, TypeVar

from agentless.background import end

__all__ = ["Cores", "cores"]

T = TypeVar("T")
# The number of a task, whether the bytes that follow are its result as they stand, and how many they are. Number 0 is a
# sign of life.
_HEADER = struct.Struct(">Q?Q")
BEAT = 0
# Tasks that a worker carries out at once.
AT_ONCE = 4
# Bytes of an answer that is read by itself, and taken before another one is.
BULKY = 1 << 20
# Seconds between signs of life.
BEATS_EVERY = 2.0
# Seconds without one, after which a worker counts as dead: it was stopped, or its machine has no memory left.
SILENCE = 30.0
# Seconds for which a worker is waited for that has been told to end, or was killed.
ENDS_WITHIN = 2.0


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Cores(Executor):
    """Processes that carry out calls of functions which pickle by name.

    Args:
        workers: how many processes, at most; each is started when there is work for it.
        at_once: tasks that each carries out at once.
        silence: seconds without a sign of life, after which a process is killed.
    """

    def __init__(self, workers: int, at_once: int = AT_ONCE, *, silence: float = SILENCE) -> None:
        self.workers = workers
        self.at_once = at_once
        self._silence = silence
        self._tasks: deque[tuple[Future[Any], bytes]] = deque()
        self._changed = threading.Condition()
        self._cores: list[_Core] = []
        self._numbers = itertools.count(BEAT + 1)
        self._bulky = threading.Lock()
        self._over = False

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = Future()
        task = pickle.dumps((fn, args, kwargs), pickle.HIGHEST_PROTOCOL)
        with self._changed:
            if self._over:
                raise RuntimeError("the pool is shut down")
            self._tasks.append((future, task))
            self._feed()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers: at once where they are not waited for, else when all tasks are done."""
        with self._changed:
            self._over = True
            if cancel_futures or not wait:
                for future, _ in self._tasks:
                    future.cancel()
                self._tasks.clear()
            if wait:
                self._changed.wait_for(lambda: not self._tasks and not any(core.futures for core in self._cores))
            ending = list(self._cores)
        for core in ending:
            core.end(at_once=not wait)
        for core in ending:
            core.join(ENDS_WITHIN)

    def _feed(self) -> None:
        """Hand out what waits, while somebody has room for it; the lock is held."""
        while self._tasks and (core := self._least_busy()) is not None:
            future, task = self._tasks.popleft()
            if future.set_running_or_notify_cancel():
                number = next(self._numbers)
                core.futures[number] = future
                core.give(number, task)

    def _least_busy(self) -> _Core | None:
        core = min(self._cores, key=lambda core: len(core.futures), default=None)
        if (core is None or core.futures) and len(self._cores) < self.workers:
            core = _Core(self._answered, self._ended, self._silence, self._bulky)
            self._cores.append(core)
        return core if core is not None and len(core.futures) < self.at_once else None

    def _answered(self, core: _Core, number: int, plain: bool, answer: bytes) -> None:
        done: bool
        value: Any
        done, value = (True, answer) if plain else pickle.loads(answer)
        future = core.futures[number]
        if done:
            future.set_result(value)
        else:
            future.set_exception(value)
        with self._changed:
            del core.futures[number]
            self._feed()
            self._changed.notify_all()

    def _ended(self, core: _Core, how: str) -> None:
        with self._changed:
            self._cores.remove(core)
            lost, core.futures = core.futures, {}
            self._feed()
            self._changed.notify_all()
        if lost:
            # It brings multiprocessing along, which no command needs before that.
            from concurrent.futures.process import BrokenProcessPool

            for future in lost.values():
                future.set_exception(BrokenProcessPool(f"a worker ended over its task: {how}"))


class _Core:
    """One process, from its start to its end, with a thread that writes to it and one that reads.

    Args:
        answered: called with the number of a task, whether its answer is bytes as they stand, and the answer; raises
            where that is none.
        ended: called when the process has ended, with how that came.
        silence: as of `Cores`.
        bulky: held while a large answer is read and taken, so that only one is in memory: others wait in their workers.

    Attributes:
        futures: of the tasks that it has, by number; the lock of `Cores` guards them.
    """

    def __init__(
        self,
        answered: Callable[[_Core, int, bool, bytes], None],
        ended: Callable[[_Core, str], None],
        silence: float,
        bulky: threading.Lock,
    ) -> None:
        self.futures: dict[int, Future[Any]] = {}
        self._answered = answered
        self._ended = ended
        self._silence = silence
        self._bulky = bulky
        self._tasks: queue.SimpleQueue[tuple[int, bytes] | None] = queue.SimpleQueue()
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._killed = False
        self._life = threading.Thread(target=self._live, name="agentless-core", daemon=True)
        self._writer: threading.Thread | None = None
        self._life.start()

    def give(self, number: int, task: bytes) -> None:
        """Let it carry out a task."""
        self._tasks.put((number, task))

    def end(self, *, at_once: bool) -> None:
        """Let it end when it has nothing left to do, or now."""
        self._tasks.put(None)
        if at_once:
            with self._lock:
                self._killed = True
                if self._process is not None:
                    self._process.kill()

    def join(self, timeout: float) -> None:
        """Wait until it has ended, and its threads with it: Python may crash over what it meets at work at its end."""
        self._life.join(timeout)
        if self._writer is not None:
            self._writer.join(timeout)

    def _live(self) -> None:
        how = "it could not be started"
        try:
            with self._lock:
                process = self._process = self._start()
                if self._killed:
                    process.kill()
            self._writer = threading.Thread(target=self._write, args=(process,), name="agentless-core", daemon=True)
            self._writer.start()
            try:
                how = self._read(process)
            finally:
                how = f"{how}, {self._reap(process)}"
        except OSError as error:
            how = f"{how}: {error}"
        finally:
            self._ended(self, how)

    @staticmethod
    def _start() -> subprocess.Popen[bytes]:
        words = [sys.executable, "-c", "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "]
        words[-1] += f"from {__name__} import _work; _work()"
        return subprocess.Popen(
            [*words, json.dumps(sys.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )

    def _write(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        # Who reads is told of an end.
        with contextlib.suppress(OSError, ValueError), process.stdin:
            while (task := self._tasks.get()) is not None:
                _write(process.stdin, *task)

    def _read(self, process: subprocess.Popen[bytes]) -> str:
        """Take answers until there is none to come; why."""
        assert process.stdout is not None
        try:
            while True:
                number, plain, length = _header(process.stdout.fileno(), self._silence)
                with self._bulky if length > BULKY else contextlib.nullcontext():
                    answer = _exactly(process.stdout.fileno(), length, self._silence)
                    if number != BEAT:
                        self._answered(self, number, plain, answer)
                    # The next one may be long in coming.
                    del answer
        except EOFError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - an answer that cannot be read ends it, and its tasks
            return f"{type(error).__name__}: {error}"

    def _reap(self, process: subprocess.Popen[bytes]) -> str:
        self._tasks.put(None)
        assert process.stdout is not None
        process.stdout.close()
        if process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.0 if self.futures else ENDS_WITHIN)
            process.kill()
        status = process.wait()
        return f"signal {-status}" if status < 0 else f"status {status}"


def _write(pipe: IO[bytes], number: int, data: bytes, *, plain: bool = False) -> None:
    pipe.write(_HEADER.pack(number, plain, len(data)))
    pipe.write(data)
    pipe.flush()


def _header(fd: int, silence: float | None = None) -> tuple[int, bool, int]:
    """What comes next: the number of a task, whether it is bytes as they stand, and how many they are.

    Raises:
        EOFError: the other side has ended, or nothing came for `silence` seconds.
    """
    number, plain, length = _HEADER.unpack(_exactly(fd, _HEADER.size, silence))
    return number, plain, length


def _exactly(fd: int, count: int, silence: float | None = None) -> bytes:
    data = bytearray(count)
    left = memoryview(data)
    # No `select`, which knows no descriptor above 1023.
    ready = select.poll()
    ready.register(fd, select.POLLIN)
    while left:
        if not ready.poll(None if silence is None else silence * 1000):
            raise EOFError(f"it gave no sign of life for {silence:g} s")
        read = os.readv(fd, [left])
        if not read:
            raise EOFError("no answer came")
        left = left[read:]
    left.release()
    return bytes(data)


def _work() -> None:
    """A worker's life: tasks from stdin, answers to stdout. When stdin ends, so does it, with whatever it is at: the
    parent has ended, or wants no more."""
    # Whatever a task prints must not be taken for an answer.
    answers = _Answers(os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)
    source = os.dup(0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    threading.Thread(target=answers.beat, daemon=True).start()
    with contextlib.suppress(EOFError, OSError):
        while True:
            number, _, length = _header(source)
            task = _exactly(source, length)
            threading.Thread(target=_do, args=(number, task, answers), daemon=True).start()
    end()


class _Answers:
    """What a worker tells its parent, of each thread in its turn."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()

    def give(self, number: int, answer: bytes, *, plain: bool = False) -> None:
        with self._lock:
            _write(self._pipe, number, answer, plain=plain)

    def beat(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self.give(BEAT, b"")
                time.sleep(BEATS_EVERY)


def _do(number: int, task: bytes, answers: _Answers) -> None:
    try:
        fn, args, kwargs = pickle.loads(task)
        result = fn(*args, **kwargs)
        plain = type(result) is bytes
        answer = result if plain else pickle.dumps((True, result), pickle.HIGHEST_PROTOCOL)
    except BaseException as error:  # noqa: BLE001 - raised where the result is taken
        plain = False
        try:
            answer = pickle.dumps((False, error), pickle.HIGHEST_PROTOCOL)
        except Exception:  # noqa: BLE001 - an error that does not pickle
            answer = pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")))
    with contextlib.suppress(OSError):
        answers.give(number, answer, plain=plain)
