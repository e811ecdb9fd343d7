"""`connection: local`: the same channel over a process of this machine."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
import time
import tty

from agentless.config import account
from agentless.errors import Unreachable
from agentless.transport.channel import EXIT_WAIT, PIECE, Link

__all__ = ["LocalLink"]

_HANGUP_WAIT = 0.5


class LocalChannel:
    """A process of this machine; see `channel.Channel`."""

    def __init__(self, line: str, home: str, *, pty: bool) -> None:
        self._selector = selectors.DefaultSelector()
        slave: int | None = None
        if pty:
            master, slave = os.openpty()
            tty.setraw(slave)
            stdin, outputs = master, {master: 1}
        try:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", line],
                stdin=subprocess.PIPE if slave is None else slave,
                stdout=subprocess.PIPE if slave is None else slave,
                stderr=subprocess.PIPE if slave is None else slave,
                cwd=home if os.path.isdir(home) else "/",
                start_new_session=True,
                bufsize=0,
            )
        finally:
            if slave is not None:
                os.close(slave)
        if slave is None:
            pipes = (self._process.stdin, self._process.stdout, self._process.stderr)
            stdin, stdout, stderr = (pipe.fileno() for pipe in pipes if pipe is not None)
            outputs = {stdout: 1, stderr: 2}
        os.set_blocking(stdin, False)
        self._stdin: int | None = stdin
        self._pty = pty
        for descriptor, stream in outputs.items():
            self._selector.register(descriptor, selectors.EVENT_READ, stream)

    def send(self, data: bytes, timeout: float) -> None:
        if self._stdin is None:
            raise BrokenPipeError("stdin is closed")
        view = memoryview(data)
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdin, selectors.EVENT_WRITE)
            while view:
                if not selector.select(timeout):
                    raise Unreachable("connection-lost", f"the command took no input for {timeout:g} s")
                try:
                    view = view[os.write(self._stdin, view) :]
                except BlockingIOError:
                    continue

    def recv(self, timeout: float) -> tuple[int, bytes] | None:
        until = time.monotonic() + timeout
        while self._selector.get_map():
            ready = self._selector.select(max(0.0, until - time.monotonic()))
            if not ready:
                return None
            key = ready[0][0]
            try:
                data = os.read(key.fd, PIECE)
            except OSError:
                # Linux answers EIO on a terminal whose last process has gone.
                data = b""
            if data:
                return key.data, data
            self._selector.unregister(key.fd)
        return 0, b""

    def exit_status(self) -> int | None:
        try:
            status = self._process.wait(EXIT_WAIT)
        except subprocess.TimeoutExpired:
            return None
        return status if status >= 0 else None

    def close(self) -> None:
        self._selector.close()
        if self._pty and self._stdin is not None:
            os.close(self._stdin)
        self._stdin = None
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        if self._process.poll() is None:
            # What sshd does when a client goes: the session's processes get a hangup.
            try:
                os.killpg(self._process.pid, signal.SIGHUP)
            except ProcessLookupError:
                return
            try:
                self._process.wait(_HANGUP_WAIT)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()


class LocalLink(Link):
    """This machine as the current user, by `/bin/sh` in the user's home; see `channel.Link`."""

    def __init__(self) -> None:
        self.user, self._home = account()
        self._channels: list[LocalChannel] = []

    def exec(self, line: str, *, pty: bool = False, once: bool = False) -> LocalChannel:
        try:
            channel = LocalChannel(line, self._home, pty=pty)
        except OSError as problem:
            raise Unreachable("connect", f"{socket.gethostname()}: cannot start a shell: {problem}") from problem
        self._channels.append(channel)
        return channel

    def close(self) -> None:
        """Let go of what still runs, as a connection that ends does."""
        while self._channels:
            self._channels.pop().close()
