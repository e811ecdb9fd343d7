"""Sockets to a host: every address tried within one deadline, or the pipe of a ProxyCommand."""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping
from typing import Any

from agentless.errors import Unreachable
from agentless.last_words import LastWords
from agentless.openssh.names import FAMILIES, addresses

__all__ = ["Proxy", "dial", "tune"]

# RFC 8305, section 5: the delay before the next address is tried while the last one has not answered.
_STAGGER = 0.25
# A command that has closed its stdout is about to end.
_ENDS_WITHIN = 1.0
_Address = tuple[socket.AddressFamily, tuple[Any, ...]]


def dial(host: str, port: int, deadline: float, *, family: str = "any", bind: str | None = None) -> socket.socket:
    """Connect to the first address of `host` that answers.

    Args:
        deadline: of `time.monotonic()`, for resolving and connecting together.
        family: `any`, `inet` or `inet6` (ssh_config's AddressFamily).
        bind: the local address to connect from.

    Raises:
        Unreachable: `resolve`, `connect` or `connect-timeout`.
    """
    untried = _resolve(host, port, family, deadline)
    local = _local(bind, family, deadline) if bind else {}
    pending: dict[socket.socket, _Address] = {}
    refused: list[str] = []
    with contextlib.ExitStack() as losers, selectors.PollSelector() as selector:
        while untried or pending:
            if untried:
                address = untried.pop(0)
                sock = losers.enter_context(socket.socket(address[0], socket.SOCK_STREAM))
                sock.setblocking(False)
                if bind and address[0] not in local:
                    refused.append(f"{_of(address, host)}BindAddress {bind} is of another family")
                    continue
                try:
                    if bind:
                        sock.bind(local[address[0]])
                    code = sock.connect_ex(address[1])
                except OSError as problem:
                    refused.append(_of(address, host) + (problem.strerror or str(problem)))
                    continue
                if code not in (0, errno.EINPROGRESS):
                    refused.append(_of(address, host) + os.strerror(code))
                    continue
                pending[sock] = address
                selector.register(sock, selectors.EVENT_WRITE)
            left = deadline - time.monotonic()
            if left <= 0:
                break
            for key, _ in selector.select(min(left, _STAGGER) if untried else left):
                sock = key.fileobj  # type: ignore[assignment]
                selector.unregister(sock)
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                address = pending.pop(sock)
                if code == 0:
                    return _won(sock, losers)
                refused.append(_of(address, host) + os.strerror(code))
    where = f"{host} port {port}"
    if pending:
        silent = ", ".join(str(address[1][0]) for address in pending.values())
        raise Unreachable(
            "connect-timeout",
            f"{where}: no answer" + (f" from {silent}" if silent != host else ""),
            "Is the host up, and does a firewall let the port through? a longer `connect_timeout` helps.",
        )
    raise Unreachable(
        "connect", f"{where}: {'; '.join(dict.fromkeys(refused))}", "Is the host up, and does sshd listen on this port?"
    )


def _of(address: _Address, host: str) -> str:
    """Which of a name's addresses it was; nothing where the host is the address itself."""
    return "" if address[1][0] == host else f"{address[1][0]}: "


def _won(sock: socket.socket, losers: contextlib.ExitStack) -> socket.socket:
    """Take `sock` out of those that are closed when the search ends."""
    winner = socket.socket(sock.family, sock.type, fileno=sock.detach())
    losers.close()
    return winner


def tune(sock: socket.socket, patience: float) -> None:
    """Send small packets at once, and let the kernel give up after `patience` seconds without acknowledgement."""
    with contextlib.suppress(OSError):
        # Not a TCP socket: a Unix socket pair of a ProxyCommand.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(patience * 1000))


def _resolve(host: str, port: int, family: str, deadline: float) -> list[_Address]:
    """The addresses of `host`, families interleaved, in the system's order of preference."""
    wanted = FAMILIES.get(family, socket.AF_UNSPEC)
    try:
        infos = socket.getaddrinfo(host, port, wanted, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
    except (socket.gaierror, ValueError):
        # A ValueError is that of a name with an empty or an overlong label, which no resolver is asked about.
        infos = addresses(host, port, wanted, deadline)
    first: list[_Address] = []
    second: list[_Address] = []
    for info in infos:
        (first if info[0] == infos[0][0] else second).append((info[0], info[4]))
    mixed: list[_Address] = []
    while first or second:
        mixed += first[:1] + second[:1]
        del first[:1], second[:1]
    return list(dict.fromkeys(mixed))


def _local(bind: str, family: str, deadline: float) -> dict[socket.AddressFamily, tuple[Any, ...]]:
    """The address of BindAddress, by family."""
    try:
        return dict(reversed(_resolve(bind, 0, family, deadline)))
    except Unreachable as problem:
        hint = "Mend BindAddress, or -b of the inventory's ssh arguments."
        raise Unreachable("connect", f"BindAddress {problem.message}", hint) from None


class Proxy:
    """A ProxyCommand: its stdin and stdout are one end of a socket pair, so that it can be treated as a socket.

    Args:
        environ, cwd: None are those of this process.
    """

    def __init__(self, command: str, environ: Mapping[str, str] | None = None, cwd: str | None = None) -> None:
        self.sock, theirs = socket.socketpair()
        with theirs:
            # `exec`, as OpenSSH does, so that the signal at the end reaches the command and not a shell before it.
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {command}"],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.PIPE,
                start_new_session=True,
                env=environ,
                cwd=cwd,
            )
        assert self._process.stderr is not None
        self._words = LastWords(self._process.stderr)
        threading.Thread(target=self._listen, name="ProxyCommand", daemon=True).start()

    def _listen(self) -> None:
        self._words.follow()
        self._process.wait()

    @property
    def complaint(self) -> str:
        """What it did wrong, by its exit code and its last words on stderr; empty where there is neither."""
        try:
            code = self._process.wait(_ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            code = 0
        stderr_tail = "\n".join(line[:400] for line in self._words.lines()[-5:])
        if not code:
            return f"says: {stderr_tail}" if stderr_tail else ""
        how = f"exit code {code}" if code > 0 else f"signal {-code}"
        return f"ended with {how} before the host said anything" + (f": {stderr_tail}" if stderr_tail else "")

    def close(self) -> None:
        """End it; its thread reaps it."""
        self.sock.close()
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)
