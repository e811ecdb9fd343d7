"""agentless on a terminal of its own, as a person has it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from tests.hosts.waiting import patience


class Terminal:
    """A context manager: one agentless process on a pseudo-terminal, which is its controlling one.

    Args:
        program: what Python runs instead of agentless.
        columns: how wide the terminal is.
    """

    def __init__(
        self,
        *arguments: str,
        environ: Mapping[str, str],
        program: Sequence[str] = ("-m", "agentless"),
        columns: int = 80,
    ) -> None:
        self._arguments = (*program, *arguments)
        self._columns = columns
        self._environ = {"TERM": "xterm", **environ}
        self.text = ""

    def __enter__(self) -> Terminal:
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            # In the child, which has not looked yet.
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, self._columns, 0, 0))
            os.execve(sys.executable, [sys.executable, *self._arguments], self._environ)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._fd)

    def _read(self) -> bool:
        """Take more of the output in; False at its end."""
        if not select.select([self._fd], [], [], 1.0)[0]:
            return True
        try:
            data = os.read(self._fd, 65536)
        except OSError:
            return False
        self.text += data.decode("utf-8", "replace")
        return bool(data)

    def until(self, text: str) -> None:
        """Wait until it has shown this."""
        deadline = time.monotonic() + patience(60)
        while text not in self.text:
            if not self._read() or time.monotonic() > deadline:
                raise AssertionError(f"{text!r} was not shown, but:\n{self.text}")

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def end(self) -> int:
        """Wait for its end; its exit code."""
        deadline = time.monotonic() + patience(60)
        while self._read():
            assert time.monotonic() < deadline, self.text
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        return os.waitstatus_to_exitcode(status)


def agentless(
    *arguments: str, environ: Mapping[str, str], stdin: str = "", cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """agentless without a terminal."""
    return subprocess.run(
        [sys.executable, "-m", "agentless", *arguments],
        env=dict(environ),
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=patience(60),
        start_new_session=True,
    )
