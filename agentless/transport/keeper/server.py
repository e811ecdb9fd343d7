"""A keeper's life: it listens, gives each connection a thread, and ends when nobody needs it.

paramiko is loaded beside the first hello, which does not wait for it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import socket
import threading
import time
from typing import TYPE_CHECKING

from agentless.transport.keeper import messages
from agentless.transport.mux.control import peer
from agentless.transport.mux.protocol import VERSION, Hello

if TYPE_CHECKING:
    from agentless.transport.keeper.conversation import Conversations

__all__ = ["Keeper"]

_HELLO_WITHIN = 10.0
# Seconds between two looks at the clock, at what is kept, and at the socket's name.
_LOOK = 0.5
# Seconds without anything kept, and without a connection, after which it ends.
_IDLE = 2.0


class Keeper:
    """A keeper.

    Args:
        listener: the socket that others connect to.
        folder: a descriptor of the directory where the socket has its name.
    """

    def __init__(self, listener: socket.socket, folder: int, directory: str) -> None:
        self._listener = listener
        # The kernel tells commands the process that has called this last: until now, the one that started us.
        listener.listen(messages.BACKLOG)
        self._folder = folder
        self._directory = directory
        self._name = os.path.basename(os.fsdecode(listener.getsockname()))
        self._inode = self._named()
        self._lock = threading.Lock()
        self._active = 0
        self._loaded = threading.Event()
        self._conversations: Conversations | None = None

    def run(self) -> None:
        """Serve until nothing is kept and nobody is connected, or until the socket's name is gone."""
        threading.Thread(target=self._load, name="load", daemon=True).start()
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        self._listener.setblocking(False)
        idle_since = time.monotonic()
        looked = 0.0
        while True:
            if poll.poll(_LOOK * 1000):
                self._accept()
            now = time.monotonic()
            if now - looked < _LOOK:
                continue
            looked = now
            conversations = self._conversations
            if conversations is not None:
                conversations.sweep()
            busy = self._active > 0 or not self._loaded.is_set() or bool(conversations and not conversations.pool.empty)
            idle_since = now if busy else idle_since
            if self._inode != self._named():
                return self._leave()
            if now - idle_since > _IDLE and self._unname():
                # Whoever connected before the name was gone is served.
                if poll.poll(0):
                    self._accept()
                return self._leave()

    def _load(self) -> None:
        # Where it cannot be loaded, commands see that the keeper hangs up, and connect by themselves.
        try:
            from agentless.transport.keeper.conversation import Conversations

            self._conversations = Conversations()
        finally:
            self._loaded.set()

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionAbortedError):
            while True:
                sock, _ = self._listener.accept()
                sock.setblocking(True)
                with self._lock:
                    self._active += 1
                threading.Thread(target=self._serve, args=(sock,), name="serve", daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        line = messages.line(sock)
        try:
            if peer(sock) != os.geteuid():
                return
            line.send(Hello())
            hello = line.receive(time.monotonic() + _HELLO_WITHIN)
            if not isinstance(hello, Hello) or hello.version != VERSION:
                return
            self._loaded.wait()
            if self._conversations is not None:
                self._conversations.serve(line)
        except (OSError, ValueError):
            # It hung up, or spoke nonsense.
            return
        finally:
            line.close()
            with self._lock:
                self._active -= 1

    def _named(self) -> tuple[int, int] | None:
        """What has the socket's name now: device and inode; None where nothing has."""
        try:
            inside, outside = os.fstat(self._folder), os.stat(self._directory)
            found = os.stat(self._name, dir_fd=self._folder, follow_symlinks=False)
        except OSError:
            return None
        same = (inside.st_dev, inside.st_ino) == (outside.st_dev, outside.st_ino)
        return (found.st_dev, found.st_ino) if same else None

    def _unname(self) -> bool:
        """Take the name away, unless somebody starts a keeper or looks for one just now."""
        try:
            fcntl.flock(self._folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        try:
            if self._named() == self._inode:
                os.unlink(self._name, dir_fd=self._folder)
        finally:
            fcntl.flock(self._folder, fcntl.LOCK_UN)
        return True

    def _leave(self) -> None:
        """Hang up on nobody who is served, and end."""
        self._listener.close()
        while True:
            if self._conversations is not None:
                self._conversations.pool.drop(lambda kept: True)
            if self._active <= 0:
                return
            time.sleep(_LOOK)
