"""A connection that the keeper holds; where the keeper cannot be used, or breaks, one that is made without it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

from agentless.errors import CarrierLost, HostError, NoSession, Unreachable
from agentless.openssh.settings import Settings
from agentless.transport.channel import Channel, Link
from agentless.transport.keeper import messages
from agentless.transport.keeper.client import KeeperClient
from agentless.transport.keeper.greeting import kept_open
from agentless.transport.keeper.place import Unusable
from agentless.transport.mux.line import Line
from agentless.transport.mux.opening import streams
from agentless.transport.mux.protocol import ExitMessage, Failure, Message, NewSession, SessionOpened
from agentless.transport.mux.session_channel import MuxChannel

__all__ = ["KeptLink", "connect"]

# A keeper that is silent for this long while a job is followed is asked whether it lives.
_ASK_AFTER = 5.0


def connect(
    client: KeeperClient, name: str, settings: Settings, direct: Callable[[], Link], spent: float = 0.0
) -> Link:
    """A connection as `settings` say, by way of the keeper where it can be used.

    Args:
        direct: makes one without the keeper.
        spent: seconds of the connect timeout that are gone.

    Raises:
        Unreachable, Refused: as `direct`.
    """
    if not client.takes_one_more():
        return direct()
    link = KeptLink(client, name, client.resolved(settings), direct, spent)
    try:
        return link.opened()
    except BaseException:
        link.close()
        raise


class KeptLink(Link):
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
            ask_after=_ASK_AFTER,
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
