"""A command's side of the keeper: it asks for connections, and imports no paramiko.

A keeper is an optimisation: where there is none to be had, or it breaks, the connection is made without it.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from agentless.errors import CarrierLost, HostError, NoSession, Unreachable
from agentless.model.secret import Secret
from agentless.openssh.settings import Settings
from agentless.transport.channel import Channel, Link
from agentless.transport.keeper import messages
from agentless.transport.keeper.greeting import TAKE_WITHIN, Hangs, greeted, kept_open
from agentless.transport.keeper.place import Place, Unusable
from agentless.transport.mux.descriptors import Room
from agentless.transport.mux.line import Line
from agentless.transport.mux.opening import streams
from agentless.transport.mux.protocol import Alive, ExitMessage, Failure, Message, NewSession, SessionOpened
from agentless.transport.mux.session_channel import MuxChannel

__all__ = ["KeeperClient"]

# One that is silent for this long is asked whether it lives; logging in may take a person's time.
_ASK_AFTER = 0.5
# The same while a job is followed, which may have nothing to say for hours.
_FOLLOWED_ASK_AFTER = 5.0


class KeeperClient:
    """Connections by way of this user's keeper. Thread safe.

    Args:
        keep: seconds for which they stay after their last use.
        explain: shows a line about why no keeper is used.
        note: shows a line about a connection that was there before.
        place: where the keeper is; None finds it.
    """

    def __init__(
        self,
        keep: float,
        *,
        ask: Callable[[str], Secret | None] | None,
        warn: Callable[[str], None],
        explain: Callable[[str], None],
        note: Callable[[str], None] = lambda line: None,
        environ: Mapping[str, str],
        place: Place | None = None,
    ) -> None:
        self._keep = keep
        self.ask = ask
        self.warn = warn
        self._explain = explain
        self.note = note
        self._environ = environ
        self._lock = threading.Lock()
        self._place = place
        self._lease: Line | None = None
        self._command = os.urandom(8).hex()
        self._given_up = self._explained = False
        self._unusable: Unusable | None = None
        self._asking = threading.Lock()
        self._ask_again = 0.0
        self._hangs: Unusable | None = None
        self.room = Room()

    def connect(self, name: str, settings: Settings, direct: Callable[[], Link], spent: float = 0.0) -> Link:
        """A connection as `settings` say.

        Args:
            direct: makes one without the keeper.
            spent: seconds of the connect timeout that are gone.

        Raises:
            Unreachable, Refused: as `direct`.
        """
        if self._given_up or not self.room.take():
            return direct()
        link = _KeeperLink(self, name, self._resolved(settings), direct, spent)
        try:
            return link.opened()
        except BaseException:
            link.close()
            raise

    def _resolved(self, settings: Settings) -> Settings:
        """With the agent of this command, not of the keeper."""
        agent = self._environ.get("SSH_AUTH_SOCK", "") if settings.agent is None else settings.agent
        bastion = None if settings.bastion is None else self._resolved(settings.bastion)
        return replace(settings, agent=agent, bastion=bastion)

    def request(self, name: str, settings: Settings, spent: float) -> messages.Connect:
        """What is asked of the keeper."""
        hop: Settings | None = settings
        surroundings = None
        while hop is not None:
            if hop.proxy_command is not None:
                surroundings = messages.Surroundings(tuple(sorted(self._environ.items())), os.getcwd())
            hop = hop.bastion
        return messages.Connect(self._command, name, settings, spent, surroundings)

    def line(self) -> Line:
        """A connection to the keeper; raises Unusable."""
        with self._lock:
            if self._given_up:
                raise self._unusable or Unusable("it is not used any more")
            if self._lease is None:
                self._place = self._place or Place()
                try:
                    self._lease = self._leased(self._place)
                except Unusable as problem:
                    # Others wait for the lock, and would meet the same.
                    self._given_up, self._unusable = True, problem
                    raise
            place = self._place
        assert place is not None
        return greeted(place, start=False)

    def _leased(self, place: Place) -> Line:
        lease = greeted(place)
        with kept_open(lease, "it does not answer"):
            self.tell(lease, messages.message(messages.LEASE, 0, messages.Lease(self._command, self._keep)))
            # It loads what connects first.
            if not isinstance(self.next_message(lease), Alive):
                raise Unusable("it hung up")
        return lease

    @staticmethod
    def tell(line: Line, message: Message, descriptors: Sequence[int] = ()) -> None:
        """Send the keeper a message; raises OSError, ValueError."""
        line.send(message, descriptors=descriptors, until=time.monotonic() + TAKE_WITHIN)

    def next_message(self, line: Line) -> Message | None:
        """What the keeper says next, however long it takes; None where it has hung up.

        Raises:
            Unusable: it hangs.
            OSError, ValueError: as `Line.receive`.
        """
        while True:
            try:
                return line.receive(time.monotonic() + _ASK_AFTER)
            except TimeoutError:
                self.ask_whether_it_lives()

    def ask_whether_it_lives(self) -> None:
        """Raise Unusable unless the keeper says hello; what was learned a moment ago for one host holds for all."""
        with self._asking:
            if self._place is None:
                raise Unusable("there is none")
            if time.monotonic() >= self._ask_again:
                try:
                    greeted(self._place, start=False, silent_for=_ASK_AFTER).close()
                    self._hangs = None
                except Unusable as problem:
                    self._hangs = problem
                self._ask_again = time.monotonic() + _ASK_AFTER
            if self._hangs is not None:
                raise self._hangs

    def give_up(self, problem: Unusable) -> None:
        """From now on, this command connects without a keeper."""
        with self._lock:
            self._given_up = True
            explained, self._explained = self._explained, True
            place = self._place
        if explained:
            return
        if not isinstance(problem, Hangs):
            self._explain(f"connections are not kept: {problem}")
        else:
            hint = "" if place is None else problem.passed_over(place)
            self.warn(f"connecting without the keeper of connections: {problem}. {hint}".rstrip())

    def described(self, connected: messages.Connected) -> str:
        """What a person hears of a connection."""
        stays = f"stays {self._keep:g} s after its last use"
        if connected.kept:
            return f"over the connection that was kept, {connected.way}; it {stays}"
        return f"{connected.way}; the connection {stays}"

    def close(self) -> None:
        """The command is over; the keeper forgets its passphrases."""
        with self._lock:
            self._given_up = self._explained = True
            lease, self._lease = self._lease, None
        if lease is not None:
            lease.close()


class _KeeperLink(Link):
    """A connection that the keeper holds; see `channel.Link`. Where the keeper breaks, it is one without it."""

    def __init__(
        self, client: KeeperClient, name: str, settings: Settings, direct: Callable[[], Link], spent: float
    ) -> None:
        self.user = settings.user
        self.kept = False
        self.way = ""
        self._client = client
        self._name = name
        self._settings = settings
        self._make_direct = direct
        self._spent = spent
        self._line: Line | None = None
        self._channels: list[MuxChannel] = []
        self._direct: Link | None = None
        self._closed = False

    def opened(self) -> Link:
        """Itself, connected; or the one without a keeper."""
        try:
            self._line = self._connected()
        except Unusable as problem:
            self._client.give_up(problem)
            self.close()
            return self._make_direct()
        if self.kept:
            self._client.note(f"{self._name}: over a connection that was kept")
        return self

    def _connected(self) -> Line:
        """A line to the keeper that stands for the host now; raises as `_answer`."""
        line = self._client.line()
        with kept_open(line, "it broke off"):
            wanted = self._client.request(self._name, self._settings, self._spent)
            self._client.tell(line, messages.message(messages.CONNECT, 1, wanted))
            message = self._answer(line)
            if message.kind != messages.CONNECTED:
                raise Unusable(f"it answers {message.kind:#x}")
            connected = messages.value(message, messages.Connected)
            self.kept = connected.kept
            self.way = self._client.described(connected)
        return line

    def _answer(self, line: Line) -> Message:
        """The answer to what was asked, once prompts are answered and warnings shown.

        Raises:
            Unusable: the keeper is gone, hangs, or will not do it.
            HostError: it failed on the host.
        """
        while True:
            message = self._client.next_message(line)
            if message is None:
                raise Unusable("it is gone")
            if message.kind == messages.ASK:
                ask = self._client.ask
                secret = ask(messages.value(message, messages.Text).text) if ask is not None else None
                self._client.tell(line, messages.message(messages.ANSWER, 1, messages.Answer(secret)))
            elif message.kind == messages.WARN:
                self._client.warn(messages.value(message, messages.Text).text)
            elif message.kind == messages.FAILED:
                raise messages.value(message, messages.Failed).raised()
            elif isinstance(message, Failure):
                raise Unusable(message.reason.decode("utf-8", "replace"))
            else:
                return message

    def exec(self, line: str, *, pty: bool = False, once: bool = False) -> Channel:
        if self._direct is not None:
            return self._direct.exec(line, pty=pty, once=once)
        control, self._line = self._line, None
        sent = False
        with contextlib.ExitStack() as undo:
            try:
                control = control or self._connected()
                undo.callback(control.close)
                stdin, outputs = self._ask(control, line, undo, pty=pty, once=once)
                sent = True
                channel = self._started(control, stdin, outputs)
            except Unusable as problem:
                self._client.give_up(problem)
                if once and sent:
                    # Whether the host got it is not known, and it must not get it twice.
                    raise CarrierLost("connection-lost", f"the keeper of connections broke: {problem}") from None
            except Unreachable as problem:
                raise problem if sent else NoSession.of(problem) from None
            else:
                undo.pop_all()
                self._channels.append(channel)
                return channel
        try:
            self._direct = self._make_direct()
        except Unreachable as problem:
            raise problem if sent else NoSession.of(problem) from None
        return self._direct.exec(line, pty=pty, once=once)

    def _ask(
        self, control: Line, line: str, undo: contextlib.ExitStack, *, pty: bool, once: bool
    ) -> tuple[int, dict[int, int]]:
        """Ask for a session over a line that stands for the host; our ends of its streams, which `undo` closes.

        Raises:
            Unusable: the keeper has not got it whole, and starts nothing.
        """
        try:
            theirs, stdin, outputs = streams(False, undo)
        except OSError as problem:
            raise Unusable(str(problem)) from None
        request = NewSession(
            2,
            line.encode("utf-8", "surrogateescape"),
            want_tty=pty,
            term=b"vt100" if pty else b"",
            environment=(messages.ONCE,) if once else (),
        )
        try:
            self._client.tell(control, request, theirs)
        except (OSError, ValueError) as problem:
            raise Unusable(f"it broke off: {problem}") from None
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        return stdin, outputs

    def _started(self, control: Line, stdin: int, outputs: dict[int, int]) -> MuxChannel:
        """The session that was asked for; raises as `_answer`."""
        try:
            answer = self._answer(control)
        except (OSError, ValueError) as problem:
            raise Unusable(f"it broke off: {problem}") from None
        if not isinstance(answer, SessionOpened):
            raise Unusable(f"it answers {answer.kind:#x}")
        session = _Session(control, self._client)
        return MuxChannel(
            self._settings.host,
            session,
            stdin,
            outputs,
            session.lives,
            lost=session.lost,
            ask_after=_FOLLOWED_ASK_AFTER,
        )

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._client.room.give()
        for channel in self._channels:
            channel.close()
        if self._line is not None:
            self._line.close()
        if self._direct is not None:
            self._direct.close()


class _Session(Line):
    """What the keeper says of a session, in the words of a master; and why its connection broke, in those of ours."""

    def __init__(self, line: Line, client: KeeperClient) -> None:
        super().__init__(line.sock, line.longest)
        self.error: HostError | None = None
        self._client = client
        self._ended = False

    def receive(self, until: float | None = None) -> Message | None:
        try:
            message = super().receive(until)
            if message is None:
                self._broke(Unusable("it is gone"))
            elif isinstance(message, ExitMessage):
                return message
            elif message.kind == messages.FAILED:
                self.error = messages.value(message, messages.Failed).raised()
            else:
                self._ended = True
        except TimeoutError:
            raise
        except (OSError, ValueError) as problem:
            self._broke(Unusable(str(problem)))
        return None

    def lives(self) -> bool:
        """Whether the keeper answers, and the host's connection has not broken as far as it knows."""
        if self.error is None and not self._ended:
            try:
                self._client.ask_whether_it_lives()
            except Unusable as problem:
                self._broke(problem)
        return self.error is None

    def _broke(self, how: Unusable) -> None:
        self.error = CarrierLost("connection-lost", f"the keeper of connections broke: {how}")
        self._client.give_up(how)

    def lost(self) -> Exception:
        """Why the connection is gone."""
        assert self.error is not None
        return self.error
