"""The returner `command`: a command of this machine gets each return as JSON on stdin."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence

from agentless.last_words import LastWords
from agentless.model.returner import CommandReturner
from agentless.returners.handover import HostEnd, NotTaken, Unavailable

__all__ = ["CommandHandover"]

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
            words = LastWords(process.stderr)
            threading.Thread(target=words.follow, daemon=True).start()
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
            raise NotTaken(": ".join([how, *words.lines()[-1:]]))

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
