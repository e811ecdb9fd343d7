"""What a keeper does for those who connect to it: leases, connections, and sessions over them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from agentless.errors import HostError
from agentless.model.secret import Secret
from agentless.openssh.settings import Settings
from agentless.transport.keeper import messages
from agentless.transport.keeper.command_race import CommandRace
from agentless.transport.keeper.pool import Pool
from agentless.transport.mux.line import Line
from agentless.transport.mux.protocol import (
    Alive,
    AliveCheck,
    ExitMessage,
    Failure,
    Message,
    NewSession,
    SessionOpened,
    Unknown,
)
from agentless.transport.ssh.connector import SshConnector
from agentless.transport.ssh.kept import Attempt, Kept
from agentless.transport.ssh.link import SshLink
from agentless.transport.ssh.relay import Relay

__all__ = ["Conversations"]

# The number of a connection's one session.
_SESSION = 1


class Conversations:
    """All that go on in a keeper, and what they share."""

    def __init__(self) -> None:
        self.pool = Pool()
        self._lock = threading.Lock()
        self._leases: dict[str, _Lease] = {}

    def serve(self, line: Line) -> None:
        """Talk to one who has said hello, until they hang up; raises OSError, ValueError."""
        _Conversation(self, line).run()

    def sweep(self) -> None:
        """Close what nobody needs any more."""
        self.pool.look_at_clock()
        self.pool.sweep()

    def lease(self, command: messages.Lease) -> _Lease:
        """A command begins."""
        with self._lock:
            made = self._leases[command.command] = _Lease(self.pool, command.keep)
        return made

    def end(self, command: messages.Lease) -> None:
        """A command has ended."""
        with self._lock:
            lease = self._leases.pop(command.command)
        lease.connector.close()

    def lease_of(self, command: str) -> _Lease:
        """Raises ValueError where the command has ended."""
        with self._lock:
            lease = self._leases.get(command)
        if lease is None:
            raise ValueError("no such lease")
        return lease


class _Lease:
    """A command: its keys and passphrases, which are forgotten when it ends; its connections stay in the pool."""

    def __init__(self, pool: Pool, keep: float) -> None:
        self.keep = keep
        self._pool = pool
        # Whose prompt a key's passphrase is asked by: that of the host for which a thread connects.
        self._here = threading.local()
        self.connector = SshConnector(
            ask=lambda prompt: self._asker().ask(prompt),
            warn=lambda text: self._asker().warn(text),
            bastions=self,
            handshakes=pool.handshakes,
        )

    def _asker(self) -> _Conversation:
        asker: _Conversation = self._here.conversation
        return asker

    def connect(self, request: messages.Connect, spent: float, asker: _Conversation) -> SshLink:
        """Connect for a request; raises HostError."""
        self._here.conversation = asker
        self._here.surroundings = request.surroundings
        if request.surroundings is not None:
            self.connector.surroundings = (dict(request.surroundings.environ), request.surroundings.cwd)
        return self.connector.connect(request.settings, spent)

    # Bastions are kept like hosts.
    def get(self, key: Settings, make: Callable[[], SshLink], deadline: float, /) -> SshLink:
        surroundings = self._here.surroundings
        kept, _ = self._pool.get(lambda: self._pool.identity(key, surroundings), make, self.keep, deadline)
        return kept.link

    def close(self) -> None:
        """The pool closes them."""


class _Conversation:
    """One connection of a command: after its CONNECT, it is one to a master of that host."""

    def __init__(self, all_: Conversations, line: Line) -> None:
        self._all = all_
        self._pool = all_.pool
        self._line = line
        self._sending = threading.Lock()
        self._way: _Way | None = None
        self._number = 0

    def run(self) -> None:
        while (message := self._line.receive()) is not None:
            self._number = _number(message)
            if isinstance(message, NewSession):
                self._session(message)
            elif isinstance(message, AliveCheck):
                self._send(Alive(self._number, os.getpid()))
            elif message.kind == messages.LEASE:
                self._lease(messages.value(message, messages.Lease))
            elif message.kind == messages.CONNECT:
                self._connect(messages.value(message, messages.Connect))
            elif message.kind == messages.LIST:
                self._say(messages.HELD, messages.HeldAll(os.getpid(), self._pool.held()))
            elif message.kind == messages.CLOSE:
                self._close(messages.value(message, messages.Close))
            else:
                self._fail("this is a keeper of agentless")

    def _send(self, message: Message) -> None:
        with self._sending:
            self._line.send(message)

    def _say(self, kind: int, value: object = None) -> None:
        """A word of ours, about the request that is served."""
        self._send(messages.message(kind, self._number, value))

    def _fail(self, reason: str) -> None:
        self._send(Failure(self._number, reason.encode()))

    # --- for who connects: words for its person ---
    def ask(self, prompt: str) -> Secret | None:
        """What the person at the command answers; None where nobody does."""
        try:
            self._say(messages.ASK, messages.Text(prompt))
            message = self._line.receive()
            if message is None or message.kind != messages.ANSWER:
                return None
            return messages.value(message, messages.Answer).secret
        except OSError:
            return None

    def warn(self, text: str) -> None:
        try:
            self._say(messages.WARN, messages.Text(text))
        except OSError:
            # Who connected has left; others may wait for the connection.
            return

    # --- what is asked for ---
    def _lease(self, command: messages.Lease) -> None:
        self._all.lease(command)
        try:
            self._send(Alive(self._number, os.getpid()))
            self.run()
        finally:
            self._all.end(command)

    def _connect(self, request: messages.Connect) -> None:
        self._way = None
        way = _Way(self._pool, self._all.lease_of(request.command), request, self)
        try:
            connected = way.connect()
        except HostError as problem:
            self._say(messages.FAILED, messages.Failed.of(problem))
            return
        self._way = way
        self._say(messages.CONNECTED, connected)

    def _close(self, which: messages.Close) -> None:
        held = self._pool.held()
        if which.ways is not None:
            held = tuple(one for one in held if (one.user, one.host, one.port) in which.ways)
        closed = {(one.user, one.host, one.port) for one in held}

        def meant(kept: Kept) -> bool:
            settings = kept.link.transport.settings
            return (settings.user, settings.host, settings.port) in closed

        self._pool.drop(meant)
        self._say(messages.HELD, messages.HeldAll(os.getpid(), held))

    def _session(self, request: NewSession) -> None:
        command = request.command.decode("utf-8", "surrogateescape")
        descriptors = self._line.receive_descriptors(3)
        way = self._way
        attempt: Attempt | None = None
        relay: Relay | None = None
        try:
            if way is None:
                return self._fail("connect first")
            try:
                attempt, relay = way.start(command, pty=request.want_tty, once=messages.ONCE in request.environment)
            except HostError as problem:
                return self._say(messages.FAILED, messages.Failed.of(problem))
            self._send(SessionOpened(self._number, _SESSION))
            attempt.kept.prepare()
            stdin, stdout, stderr = descriptors
            descriptors = []
            try:
                status = relay.run(stdin, stdout, stderr, self._line.sock.fileno(), self._on_message)
            except HostError as problem:
                return self._say(messages.FAILED, messages.Failed.of(problem))
            if status is None:
                self._say(messages.ENDED)
            else:
                self._send(ExitMessage(_SESSION, status))
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
            if relay is not None and attempt is not None:
                relay.close()
                attempt.kept.done()
                attempt.kept.prepare()

    def _on_message(self) -> bool:
        """The command said something while its session runs: it hung up, or wants to know whether we live."""
        message = self._line.receive()
        if message is None:
            return False
        self._number = _number(message)
        if isinstance(message, AliveCheck):
            self._send(Alive(self._number, os.getpid()))
        else:
            self._fail("one session at a time")
        return True


class _Way:
    """A connection for one request: the one that is kept, a new one, or both raced."""

    def __init__(self, pool: Pool, lease: _Lease, request: messages.Connect, asker: _Conversation) -> None:
        self._pool = pool
        self._lease = lease
        self._request = request
        self._asker = asker
        self._kept: Kept | None = None
        self._new = False
        # Seconds for a command to start.
        self._timeout = request.settings.connect_timeout

    def connect(self) -> messages.Connected:
        """Whether it was there before, and how it was logged in; raises HostError."""
        request = self._request
        until = time.monotonic() + self._timeout - request.spent
        kept, new = self._pool.get(self._identity, lambda: self._log_in(request.spent), self._lease.keep, until)
        self._take(kept, new=new)
        return messages.Connected(not new, kept.link.way)

    def _identity(self) -> bytes:
        return self._pool.identity(self._request.settings, self._request.surroundings)

    def _log_in(self, spent: float) -> SshLink:
        return self._lease.connect(self._request, spent, self._asker)

    def _take(self, kept: Kept, *, new: bool) -> None:
        kept.names.add(self._request.name)
        self._kept, self._new = kept, new

    def start(self, line: str, *, pty: bool, once: bool) -> tuple[Attempt, Relay]:
        """Start a command; raises HostError."""
        assert self._kept is not None
        race = CommandRace(line, self._timeout, self._another, self._drop, pty=pty, once=once)
        return race.run(self._kept, new=self._new)

    def _another(self, ring: Callable[[], None]) -> Future[Kept]:
        """Connect anew, in a thread of its own."""
        made: Future[Kept] = Future()

        def make() -> None:
            try:
                kept = self._pool.make(self._identity, lambda: self._log_in(0.0), self._lease.keep)
            except BaseException as problem:  # noqa: BLE001 - whoever waits for it shall have it
                made.set_exception(problem)
            else:
                self._take(kept, new=True)
                made.set_result(kept)
            ring()

        threading.Thread(target=make, name="connect", daemon=True).start()
        return made

    def _drop(self, kept: Kept) -> None:
        """Let nobody ride it any more."""
        self._pool.drop(lambda other: other is kept)


def _number(message: Message) -> int:
    """Of the request that a client makes; raises ValueError where it makes none."""
    if isinstance(message, (AliveCheck, NewSession, Unknown)):
        return message.request
    raise ValueError(f"{type(message).__name__} from a client that has said hello")
