"""The returner `command`: a command of this machine gets each return as JSON on stdin."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from typing import IO

from agentless.model.returner import CommandReturner
from agentless.returners.handover import HostEnd, NotTaken, Unavailable

__all__ = ["CommandHandover"]

_TAIL = 2048
# As much as a pipe holds.
_PIPE = 65536
_REAPED = 5.0


class CommandHandover:
    """Starts the command once for each return, and waits for it.

    Its stdin is a file with one line of JSON, `AGENTLESS_JID` and `AGENTLESS_HOST` say which return it is, what it
    writes to stdout goes nowhere, and 0 says that it has the return. It is the leader of a session of its own: what is
    left of that at the deadline is killed.

    Args:
        settings: what is started, and where.
        environ: its environment, besides those two.
    """

    batch = 1

    def __init__(self, settings: CommandReturner, environ: Mapping[str, str]) -> None:
        self._settings = settings
        self._environ = environ
        self._process: subprocess.Popen[bytes] | None = None
        # Held while a command is started, so that who cancels meanwhile finds it.
        self._starting = threading.Lock()
        self._canceled = False

    def give(self, ends: Sequence[HostEnd], until: float) -> None:
        (end,) = ends
        settings = self._settings
        environ = {**self._environ, "AGENTLESS_JID": end.job.jid, "AGENTLESS_HOST": end.host}
        # A file, for a command that does not read must not hold us up as it would with a pipe.
        with tempfile.TemporaryFile() as document:
            document.write(end.encode())
            document.seek(0)
            with self._starting:
                if self._canceled:
                    raise Unavailable(f"{settings.argv[0]} was not started: interrupted")
                try:
                    process = subprocess.Popen(
                        settings.argv,
                        stdin=document,
                        stdout=subprocess.DEVNULL,
                        stderr=subprocess.PIPE,
                        cwd=settings.directory,
                        env=environ,
                        start_new_session=True,
                    )
                except (OSError, ValueError) as error:
                    reason = getattr(error, "strerror", None) or type(error).__name__
                    raise Unavailable(f"{settings.argv[0]} cannot be started: {reason}") from error
                self._process = process
        try:
            assert process.stderr is not None
            tail = _StderrTail(process.stderr)
            code = process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            _kill(process)
            raise Unavailable(
                f"{settings.argv[0]} had not ended after {settings.timeout:g} s, and was killed"
            ) from None
        except BaseException:
            _kill(process)
            raise
        finally:
            self._process = None
        if code:
            how = f"exit code {code}" if code > 0 else f"signal {-code}"
            last = tail.last_line()
            raise NotTaken(f"{how}: {last}" if last else how)

    def cancel(self) -> None:
        self._canceled = True
        # Not for ever: a program on a file system that hangs is not started either.
        if self._starting.acquire(timeout=_REAPED):
            self._starting.release()
        if (process := self._process) is not None:
            _kill(process)

    def close(self) -> None:
        return


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_REAPED)


class _StderrTail:
    """The end of what a command writes to stderr, however much that is, and whoever holds it open afterwards."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._data = b""
        # Held while something is taken out of the pipe, and until it stands in `_data`.
        self._taking = threading.Lock()
        os.set_blocking(stream.fileno(), False)
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._stream, select.POLLIN)
        while poll.poll() and self._take():
            continue
        with self._taking:
            self._stream.close()

    def _take(self) -> bool:
        """Take what is there; False at its end."""
        with self._taking:
            try:
                data = os.read(self._stream.fileno(), _PIPE)
            except BlockingIOError:
                return True
            except (OSError, ValueError):
                return False
            self._data = (self._data + data)[-_TAIL:]
            return bool(data)

    def last_line(self) -> str:
        """The last of a command that has ended: all that it wrote is taken, or in the pipe."""
        self._take()
        lines = self._data.decode("utf-8", "replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")
