"""A connection that OpenSSH's client holds and shares: `ssh -M`, as a person leaves one running."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import pytest

from tests.hosts.needs import need
from tests.hosts.waiting import patience, until


class Master:
    """A context manager: a master that listens at `path`.

    Args:
        path: its socket (ControlPath), of at most 80 characters.
        arguments: of ssh, the host among them.
        environ: what ssh sees.

    Attributes:
        pid: of the process that holds the connection.
    """

    def __init__(self, path: Path, arguments: Sequence[str], *, environ: dict[str, str] | None = None) -> None:
        need("a master of ssh")
        if shutil.which("ssh") is None:
            pytest.skip("no ssh on this machine")
        self.path = path
        self._command = ["ssh", "-N", "-M", "-S", str(path), "-o", "ControlPersist=no", *arguments]
        self._environ = environ

    def __enter__(self) -> Master:
        self.process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, env=self._environ
        )
        until(lambda: self.path.is_socket() or self.process.poll() is not None, "the master listens")
        if not self.path.is_socket():
            assert self.process.stderr is not None
            raise RuntimeError(f"no master: {self.process.stderr.read().decode()}")
        self.pid = self.process.pid
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        assert self.process.stderr is not None
        self.process.stderr.close()
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()

    def control(self, word: str) -> subprocess.CompletedProcess[str]:
        """`ssh -O check`, `stop` or `exit`."""
        command = ["ssh", "-F", "none", "-O", word, "-S", str(self.path), "nobody@host.invalid"]
        return subprocess.run(command, capture_output=True, text=True, timeout=patience(20), check=False)

    def kill(self) -> None:
        """End it as a crash does: its socket stays behind."""
        self.process.kill()
        self.process.wait(patience(10))
