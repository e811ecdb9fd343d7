"""A connection that is logged in, the commands that run over it, and the tunnels to the hosts behind it."""

from __future__ import annotations

import threading
import time

import paramiko
from paramiko.common import cMSG_CHANNEL_REQUEST

from agentless.errors import NoSession, Unreachable
from agentless.transport.channel import EXIT_WAIT, NO_SESSION, PIECE, Link, printable, slow
from agentless.transport.mux.forward import Forward
from agentless.transport.ssh import dial
from agentless.transport.ssh.innards import expect_answer, packed
from agentless.transport.ssh.transport import Transport

__all__ = ["SshChannel", "SshLink", "let_go"]

_SEND_PIECE = 32 * 1024
_TUNNELS = 8
# A raw terminal without echo (RFC 4254, section 8), so that frames pass it as they are: no ICRNL, IXON, ISIG, ICANON,
# ECHO, IEXTEN, OPOST, ONLCR.
_RAW = bytes(code for mode in (36, 38, 50, 51, 53, 59, 70, 72) for code in (mode, 0, 0, 0, 0)) + b"\0"


class _Bell(threading.Event):
    """Rung by both streams of a channel, and silenced only by the reader, so that no piece is missed."""

    def clear(self) -> None:
        """paramiko clears it when one stream is empty, though the other may not be."""

    def silence(self) -> None:
        super().clear()


class SshChannel:
    """A command on a host; see `channel.Channel`."""

    def __init__(self, transport: Transport, channel: paramiko.Channel) -> None:
        self._transport = transport
        self._channel = channel
        self._ended: float | None = None
        self._bell = _Bell()
        channel.in_buffer.set_event(self._bell)
        channel.in_stderr_buffer.set_event(self._bell)

    def send(self, data: bytes, timeout: float) -> None:
        self._channel.settimeout(timeout)
        at = 0
        try:
            while at < len(data):
                sent = self._channel.send(data[at : at + _SEND_PIECE])
                if not sent:
                    raise OSError("closed")
                at += sent
        except TimeoutError:
            host = self._transport.settings.host
            raise Unreachable("connection-lost", f"{host}: it took no input for {timeout:g} s") from None
        except EOFError:
            # Met by this very piece, and maybe ahead of whoever reads.
            raise self._transport.lost() from None
        except (OSError, paramiko.SSHException):
            raise self._end_of_stdin() from None
        if not self._transport.is_active():
            raise self._transport.lost()

    def _end_of_stdin(self) -> Exception:
        return BrokenPipeError("the command reads no more") if self._transport.is_active() else self._transport.lost()

    def recv(self, timeout: float) -> tuple[int, bytes] | None:
        until = time.monotonic() + timeout
        channel = self._channel
        while True:
            self._bell.silence()
            # Read before the buffers are looked at: what came before the end is in them by then.
            ended = channel.eof_received or channel.closed
            try:
                if channel.recv_ready():
                    return 1, channel.recv(PIECE)
                if channel.recv_stderr_ready():
                    return 2, channel.recv_stderr(PIECE)
            except (OSError, EOFError, paramiko.SSHException):
                raise self._transport.lost() from None
            if ended:
                return self._end(until)
            if not self._bell.wait(max(0.0, until - time.monotonic())):
                return None

    def _end(self, until: float) -> tuple[int, bytes] | None:
        """Both streams have ended, which is the command's end unless the connection is lost."""
        if self._ended is None:
            self._ended = time.monotonic()
        patience = self._ended + EXIT_WAIT
        has_status = self._channel.status_event.wait(max(0.0, min(until, patience) - time.monotonic()))
        if not has_status and time.monotonic() < patience:
            return None
        if self._channel.exit_status < 0 and not self._transport.is_active():
            raise self._transport.lost()
        return 0, b""

    def exit_status(self) -> int | None:
        self._channel.status_event.wait(EXIT_WAIT)
        status = self._channel.exit_status
        return status if status >= 0 else None

    def close(self) -> None:
        let_go(self._transport, self._channel)


class SshLink(Link):
    """A connection that is logged in; see `channel.Link`."""

    def __init__(
        self, transport: Transport, user: str, timeout: float, spent: float, proxy: dial.Proxy | Forward | None
    ) -> None:
        self.user = user
        self.transport = transport
        # Seconds of the connect timeout that are left for the first command to start.
        self.budget = max(1.0, timeout - spent)
        self._proxy = proxy
        self._timeout = timeout
        self._tunnels = threading.BoundedSemaphore(_TUNNELS)

    @property
    def alive(self) -> bool:
        return self.transport.is_active()

    @property
    def way(self) -> str:
        """How it was logged in."""
        return self.transport.way

    def exec(self, line: str, *, pty: bool = False, once: bool = False) -> SshChannel:
        until = time.monotonic() + self.budget
        self.budget = self._timeout
        opened = threading.Event()
        channel = self.transport.ask_for_session(opened)
        opened.wait(max(0.1, until - time.monotonic()))
        if not channel.active:
            raise self.no_session(self.transport.refusal_of(channel), closed=channel.closed)
        self.ask_to_run(channel, line, pty=pty)
        answered = channel.event.wait(max(0.0, until - time.monotonic()))
        if channel.event_ready:
            return SshChannel(self.transport, channel)
        raise self.not_started(answered=answered)

    def ask_to_run(self, channel: paramiko.Channel, line: str, *, pty: bool) -> None:
        """Send the command; `channel.event` tells that the host has answered, `event_ready` that it runs.

        paramiko's own exec_command waits for the answer without an end.

        Raises:
            NoSession: the channel was closed before; nothing was sent.
            Unreachable: the connection broke.
        """
        expect_answer(channel)
        if channel.closed:
            # It told so before an answer was expected, and will not again.
            raise self.no_session(None, closed=True)
        if pty:
            self._request(channel, "pty-req", False, "vt100", 80, 24, 0, 0, _RAW)
        self._request(channel, "exec", True, line)

    def not_started(self, *, answered: bool) -> Unreachable:
        """Why a command that was sent does not run."""
        if not self.transport.is_active():
            return self.transport.lost()
        host = self.transport.settings.host
        if answered:
            return NoSession(
                "connect", f"{host}: it refuses to run commands", "A forced command or a restricted shell?"
            )
        return slow(host, "did not start the command")

    def no_session(self, refusal: paramiko.ChannelException | None, *, closed: bool) -> NoSession:
        """Why a session that was asked for is not there: the host's words, `closed` since, or no answer in time."""
        host = self.transport.settings.host
        if refusal is not None:
            return NoSession("connect", f"{host}: no session: {printable(refusal.text)}", NO_SESSION)
        if self.transport.is_active():
            if closed:
                return NoSession("connect", f"{host}: it closed the session before a command was sent", NO_SESSION)
            return NoSession.of(slow(host, "did not open a session"))
        problem = self.transport.lost()
        message = f"{problem.message}; {self.user} was logged in, and got no session"
        return NoSession(problem.kind, message, NO_SESSION)

    def tunnel(self, host: str, port: int, deadline: float) -> paramiko.Channel:
        """A connection from this host to another, for a link through it."""
        with self._tunnels:
            return self._tunnel(host, port, deadline)

    def close(self) -> None:
        self.transport.hang_up()
        if self._proxy is not None:
            self._proxy.close()

    def _tunnel(self, to: str, port: int, until: float) -> paramiko.Channel:
        host = self.transport.settings.host
        left = max(0.1, until - time.monotonic())
        try:
            return self.transport.open_channel("direct-tcpip", (to, port), ("127.0.0.1", 0), timeout=left)
        except paramiko.ChannelException as refusal:
            # RFC 4254, section 5.1; OpenSSH says 1 for forbidden forwarding, 2 for a target that does not answer.
            forbidden = "Does AllowTcpForwarding on the bastion permit it?"
            hint = forbidden if refusal.code == 1 else "Is the host up, and does the bastion know it by this name?"
            raise Unreachable(
                "connect", f"{to} port {port}: not reached from {host}: {printable(refusal.text)}", hint
            ) from None
        except (paramiko.SSHException, EOFError, OSError) as problem:
            if isinstance(problem, EOFError) or not self.transport.is_active():
                raise self.transport.lost() from None
            if "Timeout" in str(problem):
                raise slow(host, f"did not reach {to}") from None
            raise Unreachable("connect", f"{host}: {problem}") from None

    def _request(self, channel: paramiko.Channel, kind: str, reply: bool, *fields: str | bytes | int) -> None:
        try:
            self.transport.send_in_turn(packed(cMSG_CHANNEL_REQUEST, channel.remote_chanid, kind, reply, *fields))
        except (EOFError, paramiko.SSHException):
            raise self.transport.lost() from None


def let_go(transport: Transport, channel: paramiko.Channel) -> None:
    """Close a channel; where that has to be waited for, a thread of its own does."""

    def close() -> None:
        try:
            channel.close()
        except (OSError, EOFError, paramiko.SSHException):
            transport.close()

    if not transport.is_active():
        return
    if transport.wire.writable():
        close()
    else:
        threading.Thread(target=close, name="close", daemon=True).start()
