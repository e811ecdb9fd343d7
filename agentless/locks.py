"""A lock that is a file: flock(2), as filelock takes it, whose import costs as much as all of click's.

Both hold each other off. What is locked once in a while takes filelock.
"""

from __future__ import annotations

import fcntl
import os
import time

__all__ = ["Lock"]

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


class Lock:
    """Held by one thread of one process; whoever holds it may take it again, and gives it back as often.

    Args:
        path: of the file, which is made 0600 and stays.
        timeout: seconds to wait for it.
        poll: seconds between two tries.
    """

    def __init__(self, path: str, *, timeout: float, poll: float) -> None:
        self._path = path
        self._timeout = timeout
        self._poll = poll
        self._file = -1
        self._taken = 0

    @property
    def is_locked(self) -> bool:
        """Whether it is held here."""
        return self._taken > 0

    def acquire(self) -> None:
        """Take it.

        Raises:
            TimeoutError: another one holds it for longer.
            OSError: the file cannot be made.
        """
        if self._taken == 0:
            until = time.monotonic() + self._timeout
            while (file := self._take()) is None:
                if time.monotonic() > until:
                    raise TimeoutError(f"{self._path} is locked")
                time.sleep(self._poll)
            self._file = file
        self._taken += 1

    def _take(self) -> int | None:
        file = os.open(self._path, _FLAGS, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The umask may have taken the user's own rights, and the next command could not open it.
            if os.fstat(file).st_mode & 0o600 != 0o600:
                os.fchmod(file, 0o600)
            # Who held it may have removed it: others make it anew then.
            if os.fstat(file).st_nlink:
                taken, file = file, -1
                return taken
        except BlockingIOError:
            pass
        finally:
            if file >= 0:
                os.close(file)
        return None

    def release(self) -> None:
        """Give it back."""
        self._taken -= 1
        if self._taken == 0:
            file, self._file = self._file, -1
            os.close(file)
