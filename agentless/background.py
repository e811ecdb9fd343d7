"""Processes of this controller's own that outlive the command which starts them, and its terminal."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

__all__ = ["SECONDS", "end", "harden", "launch", "leave_terminal"]

SECONDS = 5.0
"""What starting one may take."""

# The shell leaves it to init at once: it is nobody's child, and no leader of a session that could get a terminal.
_LAUNCH = 'exec 3<&0; "$@" <&3 3<&- >/dev/null 2>&1 &'
_PR_SET_DUMPABLE = 4


def launch(
    words: Sequence[str], stdin: int, environ: Mapping[str, str], cwd: str | os.PathLike[str] | None = None
) -> None:
    """Start a process in a session of its own that has this stdin, no output, and nothing of the caller's besides.

    Args:
        words: the program and its arguments, which every user of this machine can read.
        cwd: its directory; None is the caller's.

    Raises:
        OSError: it cannot be started.
    """
    import subprocess

    try:
        subprocess.run(
            ["/bin/sh", "-c", _LAUNCH, "sh", *words],
            stdin=stdin,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=cwd,
            env=dict(environ),
            start_new_session=True,
            check=True,
            timeout=SECONDS,
        )
    except subprocess.SubprocessError as problem:
        raise OSError(str(problem)) from None


def leave_terminal() -> int:
    """In that process: what came as its stdin, as another descriptor; stdin itself is /dev/null then."""
    given = os.dup(0)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)
    return given


def harden() -> None:
    """What is in this process's memory is in no core dump, and no other process of this user can read it."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform.startswith("linux"):
        from ctypes import CDLL

        CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    # The shell that started it has it ignore these.
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS calls its limit infinite, and takes less.
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def end(code: int = 0) -> NoReturn:
    """End this process as it is: a thread may still be in a host that does not answer, and Python, which would take
    itself down around that thread, now and then dies of it by SIGSEGV."""
    os._exit(code)
