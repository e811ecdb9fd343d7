"""The ssh-agent: its keys, listed within seconds, and its signatures, which may wait for its owner's touch.

The protocol is that of draft-miller-ssh-agent, sections 3.5 and 3.6.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

import paramiko

from agentless.openssh.certificates import type_of
from agentless.transport.ssh.innards import packed

__all__ = ["Agent", "AgentKey"]

_REQUEST_IDENTITIES, _IDENTITIES = 11, 12
_SIGN_REQUEST, _SIGNATURE = 13, 14
# Section 3.6.1: which of its signatures an RSA key is to make.
_FLAGS = {
    **dict.fromkeys(("rsa-sha2-256", "rsa-sha2-256-cert-v01@openssh.com"), 2),
    **dict.fromkeys(("rsa-sha2-512", "rsa-sha2-512-cert-v01@openssh.com"), 4),
}
# Listing needs nobody's consent; a signature may need a touch, or a confirmation.
_LISTS_WITHIN = 3.0
_SIGNS_WITHIN = 60.0
# More than any agent holds, and less than would fill our memory (ssh-agent.c, AGENT_MAX_LEN).
_LONGEST_ANSWER = 256 * 1024
_MOST_KEYS = 1024


class AgentKey(NamedTuple):
    """A key or certificate that the agent holds."""

    blob: bytes
    type: str
    comment: str


class Agent:
    """The agent at a socket; its one connection is shared by threads, and given up at the first silence.

    Args:
        patience: seconds for connecting and listing, 3 at most.

    Raises:
        OSError, paramiko.SSHException, struct.error: there is no agent, or it does not answer, or with nonsense.
    """

    def __init__(self, path: str, patience: float) -> None:
        self.path = path
        self._turn = threading.Lock()
        self._lost = ""
        self._wait = min(patience, _LISTS_WITHIN)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(self._wait)
            self._socket.connect(self.path)
            self.keys = self._list()
        except BaseException:
            self._socket.close()
            raise
        self._wait = _SIGNS_WITHIN

    def _list(self) -> tuple[AgentKey, ...]:
        kind, answer = self._ask(struct.pack(">B", _REQUEST_IDENTITIES))
        if kind != _IDENTITIES:
            raise paramiko.SSHException(f"the agent at {self.path} does not say what it holds")
        keys = []
        for _ in range(min(answer.get_int(), _MOST_KEYS)):
            blob, comment = answer.get_binary(), answer.get_text()
            keys.append(AgentKey(blob, type_of(blob), comment))
        return tuple(keys)

    def _ask(self, request: bytes) -> tuple[int, paramiko.Message]:
        if not self._turn.acquire(timeout=self._wait):
            raise paramiko.SSHException(f"the agent at {self.path} is busy")
        try:
            if self._lost:
                raise paramiko.SSHException(self._lost)
            until = time.monotonic() + self._wait
            try:
                self._socket.settimeout(self._wait)
                self._socket.sendall(struct.pack(">I", len(request)) + request)
                (length,) = struct.unpack(">I", self._read(4, until))
                if not 0 < length <= _LONGEST_ANSWER:
                    raise OSError(f"an answer of {length} bytes")
                answer = self._read(length, until)
            except OSError as problem:
                # An answer that came late would be taken for that to the next request.
                why = "does not answer" if isinstance(problem, TimeoutError) else f"is gone: {problem}"
                self._lost = f"the agent at {self.path} {why}"
                raise paramiko.SSHException(self._lost) from None
            return answer[0], paramiko.Message(answer[1:])
        finally:
            self._turn.release()

    def _read(self, wanted: int, until: float) -> bytes:
        data = b""
        while len(data) < wanted:
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._socket.settimeout(left)
            piece = self._socket.recv(wanted - len(data))
            if not piece:
                raise OSError("it hung up")
            data += piece
        return data

    def signer(self, blob: bytes) -> Callable[[bytes, str], bytes]:
        """What signs with the key or certificate `blob`."""

        def sign(data: bytes, algorithm: str) -> bytes:
            message = packed(struct.pack(">B", _SIGN_REQUEST), blob, data, _FLAGS.get(algorithm, 0))
            kind, answer = self._ask(message.asbytes())
            if kind != _SIGNATURE:
                raise paramiko.SSHException("the agent refuses to sign with it")
            return answer.get_binary()

        return sign

    def close(self) -> None:
        self._socket.close()
