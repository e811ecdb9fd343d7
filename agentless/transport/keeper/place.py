"""Where a keeper listens, and how one is started.

The directory is this user's alone. The socket's name says which code the keeper runs, so that two versions side by side
have a keeper each. Who finds none there starts one, under a lock: it binds the socket itself and hands it to the new
process, so that others can connect from that moment on.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from agentless import __version__, config
from agentless.background import launch
from agentless.digests import sha256
from agentless.files import NotOwn, make_own_directory
from agentless.transport.keeper.messages import BACKLOG
from agentless.transport.keeper.signs import MODULE, SILENCE
from agentless.transport.mux.control import knock, listener_pid, peer

__all__ = ["Place", "Unusable", "code_name"]

_PACKAGE = Path(config.__file__).parent
# What a keeper runs.
_ROOMS = (
    "transport",
    "openssh",
    "model",
    "background.py",
    "config.py",
    "digests.py",
    "errors.py",
    "files.py",
    "regex.py",
    "values.py",
)
# Of sun_path, its NUL included: 108 on Linux, 104 on macOS and the BSDs.
_LONGEST_PATH = 103
_LOCK_WITHIN = 5.0


class Unusable(Exception):
    """There is no keeper to be had; says why. Connections are made without it."""


class Place:
    """The socket of this code's keeper.

    Args:
        directory: made where it is missing, and refused where another user could write to it.
    """

    def __init__(self, directory: Path | None = None, name: str | None = None) -> None:
        self.directory = directory or config.keeper_dir()
        self.name = name or code_name()
        self.path = self.directory / self.name

    def connect(self, *, start: bool = True) -> socket.socket:
        """A connection to the keeper, which is started where there is none.

        Raises:
            Unusable: there is none, or it is another user's.
        """
        try:
            make_own_directory(self.directory)
            with self._open() as (folder, path):
                sock = _knock(path)
                if sock is None and start:
                    sock = self._start(folder, path)
        except NotOwn as problem:
            raise Unusable(f"{self.directory} {problem}") from None
        except OSError as problem:
            raise Unusable(f"{self.path}: {getattr(problem, 'strerror', None) or problem}") from None
        if sock is None:
            raise Unusable(f"{self.path}: nobody listens")
        return sock

    def pass_over(self, pid: int) -> None:
        """Take the name of a keeper that hangs away, so that the next command starts another; it ends if it goes on."""
        with contextlib.suppress(NotOwn, OSError, Unusable):
            make_own_directory(self.directory)
            with self._open() as (folder, path):
                # Whoever holds the lock starts a keeper.
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # By now the name may be another one's.
                sock = _knock(path)
                if sock is not None:
                    with sock:
                        if listener_pid(sock) == pid:
                            os.unlink(self.name, dir_fd=folder)

    @contextlib.contextmanager
    def _open(self) -> Iterator[tuple[int, str]]:
        """The directory as a descriptor, and a path of the socket that fits into an address."""
        folder = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            path = str(self.path)
            if len(os.fsencode(path)) > _LONGEST_PATH and os.path.isdir(f"/proc/self/fd/{folder}"):
                path = f"/proc/self/fd/{folder}/{self.name}"
            yield folder, path
        finally:
            os.close(folder)

    def _start(self, folder: int, path: str) -> socket.socket | None:
        """Under the lock of the directory, one of all who find no keeper starts it."""
        until = time.monotonic() + _LOCK_WITHIN
        while True:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if (sock := _knock(path)) is not None:
                    return sock
                if time.monotonic() > until:
                    raise Unusable(f"{self.directory}: it has been locked for {_LOCK_WITHIN:g} s") from None
                time.sleep(0.01)
        if (sock := _knock(path)) is not None:
            return sock
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.name, dir_fd=folder)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(path)
            os.chmod(self.name, 0o600, dir_fd=folder)
            listener.listen(BACKLOG)
            _launch(listener, self.directory)
        return _knock(path)


def _knock(path: str) -> socket.socket | None:
    """A connection to who listens; None where nobody does."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        knock(sock, path, time.monotonic() + SILENCE)
        uid = peer(sock)
    except (FileNotFoundError, ConnectionRefusedError):
        sock.close()
        return None
    except OSError:
        sock.close()
        raise
    if uid != os.geteuid():
        sock.close()
        raise Unusable(f"{path}: {'nobody knows who' if uid is None else f'uid {uid}'} listens there")
    sock.setblocking(True)
    return sock


def _launch(listener: socket.socket, directory: Path) -> None:
    """Start the process in the directory, with the socket as its stdin, and with nothing of ours besides."""
    given = config.environment()
    environ = {
        # What of Python is installed where is all that it has to know; nothing of this is a session's.
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path and os.pathsep not in path),
        "PATH": os.defpath,
        "HOME": given.get("HOME") or config.account()[1],
        "LC_ALL": "C.UTF-8",
    }
    launch([sys.executable, "-m", MODULE], listener.fileno(), environ, directory)


def code_name() -> str:
    """The version, and a hash of what would run: other code has another keeper, and so has another machine that shares
    the directory."""
    state = sha256()
    for words in (sys.version, sys.prefix, os.uname().nodename, str(_PACKAGE)):
        state.update(f"{words}\0".encode("utf-8", "surrogateescape"))
    for room in _ROOMS:
        path = str(_PACKAGE / room)
        below = [f"{folder}/{name}" for folder, _, names in os.walk(path) for name in names if name.endswith(".py")]
        for file in sorted(below or [path]):
            status = os.stat(file)
            state.update(f"{file}\0{status.st_size}\0{status.st_mtime_ns}\0".encode("utf-8", "surrogateescape"))
    # A socket's name has little room (unix(7)); of a build between two versions the hash tells enough.
    return f"{__version__.partition('+')[0]}-{state.hexdigest()[:16]}"
