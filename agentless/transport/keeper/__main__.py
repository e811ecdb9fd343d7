"""The process of a keeper: `place.py` starts it in its directory, with a listening socket as its stdin."""

from __future__ import annotations

import os
import socket

from agentless.background import end, harden, leave_terminal
from agentless.transport.keeper.server import Keeper


def main() -> None:
    """Hold connections until nobody wants them any more."""
    harden()
    directory = os.getcwd()
    folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    os.chdir("/")
    Keeper(socket.socket(fileno=leave_terminal()), folder, directory).run()
    end()


if __name__ == "__main__":
    main()
