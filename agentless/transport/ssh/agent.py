"""The ssh-agent: its keys, listed within seconds, and its signatures, which may wait for its owner's touch."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

import paramiko
from paramiko import agent as agents

__all__ = ["Agent"]

# Listing needs nobody's consent; a signature may need a touch, or a confirmation.
_LISTS_WITHIN = 3.0
_SIGNS_WITHIN = 60.0


class Agent(agents.AgentSSH):
    """The agent at a socket; its one connection is shared by threads, and given up at the first silence.

    Args:
        path: the socket.
        patience: seconds for connecting and listing, 3 at most.

    Raises:
        OSError, paramiko.SSHException: there is no agent, or it does not answer.
    """

    def __init__(self, path: str, patience: float) -> None:
        super().__init__()
        self.path = path
        self._turn = threading.Lock()
        self._lost = ""
        self._wait = min(patience, _LISTS_WITHIN)
        self._until = time.monotonic() + self._wait
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(self._wait)
            connection.connect(self.path)
            self._connect(connection)  # type: ignore[attr-defined]
        except BaseException:
            connection.close()
            raise
        self._wait = _SIGNS_WITHIN

    def _send_message(self, msg: bytes | paramiko.Message) -> tuple[int, paramiko.Message]:
        if not self._turn.acquire(timeout=self._wait):
            raise paramiko.SSHException(f"the agent at {self.path} is busy")
        try:
            if self._lost:
                raise paramiko.SSHException(self._lost)
            self._until = time.monotonic() + self._wait
            try:
                return super()._send_message(msg)  # type: ignore[misc, no-any-return]
            except (OSError, paramiko.SSHException) as problem:
                # An answer that came late would be taken for that to the next request.
                why = "does not answer" if isinstance(problem, TimeoutError) else f"is gone: {problem}"
                self._lost = f"the agent at {self.path} {why}"
                raise paramiko.SSHException(self._lost) from None
        finally:
            self._turn.release()

    def _read_all(self, wanted: int) -> bytes:
        data = b""
        while len(data) < wanted:
            left = self._until - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._conn.settimeout(left)  # type: ignore[attr-defined]
            piece = self._conn.recv(wanted - len(data))  # type: ignore[attr-defined]
            if not piece:
                raise paramiko.SSHException("it hung up")
            data += piece
        return data

    def signer(self, blob: bytes) -> Callable[[bytes, str], bytes]:
        """What signs with the key or certificate `blob`; not paramiko's own, which sends the plain key for both."""

        def sign(data: bytes, algorithm: str) -> bytes:
            message = paramiko.Message()
            message.add_byte(agents.cSSH2_AGENTC_SIGN_REQUEST)
            message.add_string(blob)
            message.add_string(data)
            message.add_int(agents.ALGORITHM_FLAG_MAP.get(algorithm, 0))
            kind, reply = self._send_message(message)
            if kind != agents.SSH2_AGENT_SIGN_RESPONSE:
                raise paramiko.SSHException("the agent refuses to sign with it")
            return reply.get_binary()

        return sign

    def close(self) -> None:
        self._close()  # type: ignore[attr-defined]
