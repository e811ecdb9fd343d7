"""What a host does with one command, as sshd does it: a process, its three streams, and its exit status."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import paramiko

__all__ = ["SESSION_PATH", "Account", "Session"]

PIECE = 32 * 1024

# What sshd gives a session where nothing else is configured.
SESSION_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Account:
    """Who logs in to a host, and where that user's home is."""

    host: str
    user: str
    home: Path


class Session(threading.Thread):
    """One command: a process in a session of its own, its three streams carried in full, and its exit status."""

    def __init__(self, channel: paramiko.Channel, command: bytes, account: Account) -> None:
        super().__init__(name=account.host, daemon=True)
        self._channel = channel
        self._command = command
        self._account = account
        # Between being asked for and having a process, a session can be killed, too.
        self._begin = threading.Lock()
        self._killed = False
        self._process: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        """Run the command to its end."""
        process = self._spawn()
        if process is not None:
            status = self._attend(process)
            # A client that has gone needs no status.
            with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
                self._channel.send_exit_status(status if status >= 0 else 128 - status)
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self._channel.close()

    def kill(self) -> None:
        """Kill what is left of the command's own session, or keep it from starting; jobs have sessions of their own."""
        with self._begin:
            self._killed = True
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _spawn(self) -> subprocess.Popen[bytes] | None:
        account = self._account
        with self._begin:
            if self._killed:
                return None
            try:
                self._process = subprocess.Popen(
                    ["/bin/sh", "-c", self._command],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    bufsize=0,
                    start_new_session=True,
                    cwd=account.home,
                    env={
                        "HOME": str(account.home),
                        "USER": account.user,
                        "LOGNAME": account.user,
                        "SHELL": "/bin/sh",
                        "PATH": SESSION_PATH,
                    },
                )
            except OSError:
                # No process to be had: the client sees its channel close without a status.
                return None
            return self._process

    def _attend(self, process: subprocess.Popen[bytes]) -> int:
        """Carry the streams until the process has ended and nobody holds its output; return how it ended."""
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        # It ends with the channel, or when the command reads no more.
        threading.Thread(target=self._feed, args=(process.stdin,), daemon=True).start()
        outputs = [
            threading.Thread(target=self._carry, args=(process.stdout, self._channel.sendall), daemon=True),
            threading.Thread(target=self._carry, args=(process.stderr, self._channel.sendall_stderr), daemon=True),
        ]
        for thread in outputs:
            thread.start()
        status = process.wait()
        # As sshd does: the channel stays open for as long as anybody holds the command's output.
        for thread in outputs:
            thread.join()
        return status

    def _carry(self, output: IO[bytes], send: Callable[[bytes], None]) -> None:
        with output:
            while data := output.read(PIECE):
                try:
                    send(data)
                except (OSError, EOFError, paramiko.SSHException):
                    # The client has gone: closing the pipe tells the command.
                    return

    def _feed(self, stdin: IO[bytes]) -> None:
        try:
            while data := self._channel.recv(PIECE):
                view = memoryview(data)
                while view:
                    view = view[stdin.write(view) :]
        except (OSError, EOFError):
            # The command reads no more, or the client has gone.
            pass
        finally:
            stdin.close()
