"""A listener of a test's making, whose thread ends with it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

from tests.hosts.waiting import patience

__all__ = ["serving"]


@contextlib.contextmanager
def serving(work: Callable[[socket.socket], object]) -> Iterator[tuple[str, int]]:
    """Do `work` with one connection after the other, in a thread that is over when this is; gives the address."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection, contextlib.suppress(OSError):
                    work(connection)

        thread = threading.Thread(target=accept, name="serving", daemon=True)
        thread.start()
        try:
            yield server.getsockname()
        finally:
            # Closing a socket wakes nobody who waits for what comes to it. Not every system shuts down a listener.
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            thread.join(patience(10))
            assert not thread.is_alive(), "its work with a connection does not end"
