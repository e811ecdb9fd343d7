"""The process of a keeper: `place.py` starts it in its directory, with a listening socket as its stdin."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import socket
import sys

from agentless.transport.keeper.server import Keeper

_PR_SET_DUMPABLE = 4


def main() -> None:
    """Hold connections until nobody wants them any more."""
    _harden()
    directory = os.getcwd()
    folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    os.chdir("/")
    listener = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)
    Keeper(listener, folder, directory).run()


def _harden() -> None:
    """What is in this process's memory is in no core dump, and no other process of this user can read it."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    # The shell that started it has it ignore these.
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS calls its limit infinite, and takes less.
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    main()
