"""The SSH server of all hosts: it listens on loopback, one port a host, and lets one key in."""

from __future__ import annotations

import logging
import selectors
import socket
import threading
import time
from pathlib import Path

import paramiko
from paramiko.common import (
    AUTH_FAILED,
    AUTH_SUCCESSFUL,
    MSG_CHANNEL_REQUEST,
    OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED,
    OPEN_SUCCEEDED,
)

from agentless.demo.session import Account, Session

__all__ = ["Server"]

LOGGER = "agentless.demo"
# How long threads that were told to end are waited for; what stays behind then dies with the process.
CLOSE_WITHIN = 5.0


class Server:
    """Listens for all hosts in one thread; each connection then has paramiko's own.

    Args:
        client_key: the file of the private key that logs in.
    """

    def __init__(self, client_key: Path) -> None:
        self._client_key = paramiko.Ed25519Key.from_private_key_file(str(client_key))
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ, None)
        # What is in these two lists when `_closing` is set is all that has to be ended.
        self._lock = threading.Lock()
        self._closing = False
        self._transports: list[paramiko.Transport] = []
        self._sessions: list[Session] = []
        self._thread = threading.Thread(target=self._serve, name="demo hosts", daemon=True)
        # Clients that leave in the middle are no news; without a handler, logging would print them.
        logging.getLogger(LOGGER).addHandler(logging.NullHandler())

    def listen(self, host_key: Path, account: Account) -> int:
        """Listen for one more host, whose private key is in this file; return its port."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        listener.setblocking(False)
        key = paramiko.Ed25519Key.from_private_key_file(str(host_key))
        self._selector.register(listener, selectors.EVENT_READ, (key, account))
        return int(listener.getsockname()[1])

    def start(self) -> None:
        """Serve; all hosts listen already."""
        self._thread.start()

    def close(self) -> None:
        """Stop listening, and end every connection with what it runs: within CLOSE_WITHIN, whatever holds on."""
        deadline = time.monotonic() + CLOSE_WITHIN
        with self._lock:
            self._closing = True
        # A byte, not only the end of the stream: a process that was just forked may still hold a copy of it.
        self._wake.send(b"x")
        _join(self._thread, deadline)
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._selector.close()
        self._wake.close()
        for transport in self._transports:
            transport.close()
        for session in self._sessions:
            session.kill()
        for thread in (*self._transports, *self._sessions):
            _join(thread, deadline)

    def begin(self, session: Session) -> None:
        """Run a client's command, unless the server is closing."""
        with self._lock:
            if not self._closing:
                session.start()
                self._sessions = [*(one for one in self._sessions if one.is_alive()), session]

    def _serve(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    return
                assert isinstance(key.fileobj, socket.socket)
                try:
                    connection, _ = key.fileobj.accept()
                except OSError:
                    # It left again before it was accepted.
                    continue
                try:
                    self._greet(connection, *key.data)
                except (OSError, RuntimeError):
                    # It has gone, or there is no thread to be had for it; the others are served all the same.
                    connection.close()

    def _greet(self, connection: socket.socket, host_key: paramiko.PKey, account: Account) -> None:
        connection.setblocking(True)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport = _Transport(connection)
        transport.set_log_channel(LOGGER)
        transport.add_server_key(host_key)
        with self._lock:
            if self._closing:
                connection.close()
                return
            # With an event it returns at once, and the handshake goes on in the transport's thread.
            transport.start_server(event=threading.Event(), server=_Login(self, self._client_key, account))
            self._transports = [*(one for one in self._transports if one.is_alive()), transport]


def _join(thread: threading.Thread, deadline: float) -> None:
    # A thread that never started (a fleet whose set-up failed) has no end to wait for.
    if thread.is_alive():
        thread.join(max(0.0, deadline - time.monotonic()))


class _Login(paramiko.ServerInterface):
    """What one connection may do: log in with the one key, and run commands."""

    def __init__(self, server: Server, client_key: paramiko.PKey, account: Account) -> None:
        self._server = server
        self._client_key = client_key
        self._account = account
        self._asked: Session | None = None

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        right = key == self._client_key and username == self._account.user
        return AUTH_SUCCESSFUL if right else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED if kind == "session" else OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self._asked = Session(channel, command, self._account)
        return True

    def answered(self) -> None:
        """The client has its answer: a command that it asked for can begin."""
        asked, self._asked = self._asked, None
        if asked is not None:
            self._server.begin(asked)


def _answer(channel: paramiko.Channel, request: paramiko.Message) -> None:
    channel._handle_request(request)  # type: ignore[attr-defined]
    transport = channel.transport
    assert transport is not None
    login = transport.server_object
    assert isinstance(login, _Login)
    login.answered()


class _Transport(paramiko.Transport):
    """paramiko's, and what a command says and how it ended never overtakes the answer that it may run."""

    _channel_handler_table = {  # noqa: RUF012 - as paramiko has it
        **paramiko.Transport._channel_handler_table,  # type: ignore[attr-defined]
        MSG_CHANNEL_REQUEST: _answer,
    }
