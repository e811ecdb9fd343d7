"""A connection from a bastion to a host, over the bastion's master of ssh."""

from __future__ import annotations

import contextlib
import socket

from agentless.errors import Unreachable
from agentless.transport.channel import printable, slow
from agentless.transport.mux.control import Control, NotServed
from agentless.transport.mux.protocol import Failure, Malformed, PermissionDenied, SessionOpened
from agentless.transport.mux.ridden_link import HANGS

__all__ = ["Forward"]

_FORBIDDEN = "Is the host up, and does the bastion know it by this name, and permit it (AllowTcpForwarding)?"


class Forward:
    """Such a connection, as its end here.

    Attributes:
        sock: our end of it.
        complaint: nothing; a ProxyCommand has one.

    Raises:
        NotServed: the master is gone, or its connection.
        Unreachable: the bastion does not reach the host.
    """

    complaint = ""

    def __init__(self, control: Control, bastion: str, host: str, port: int, until: float) -> None:
        self._control = control
        with contextlib.ExitStack() as undo:
            undo.callback(control.close)
            self.sock, theirs = socket.socketpair()
            undo.callback(self.sock.close)
            try:
                with theirs:
                    request = control.new_forward(host, port, (theirs.fileno(), theirs.fileno()), until)
                answer = control.receive(until)
            except TimeoutError:
                raise slow(f"bastion {bastion}", f"did not reach {host}", HANGS) from None
            except (OSError, Malformed) as problem:
                raise NotServed(str(problem)) from problem
            if isinstance(answer, (Failure, PermissionDenied)):
                reason = printable(answer.reason.decode("utf-8", "replace"))
                raise Unreachable("connect", f"{host} port {port}: not reached from {bastion}: {reason}", _FORBIDDEN)
            if not isinstance(answer, SessionOpened) or answer.request != request:
                raise NotServed("it went away")
            undo.pop_all()

    def close(self) -> None:
        self.sock.close()
        self._control.close()
