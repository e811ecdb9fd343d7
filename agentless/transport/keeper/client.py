"""A command's side of the keeper: it asks for connections, and imports no paramiko.

A keeper is an optimisation: where there is none to be had, or it breaks, the connection is made without it.
"""

from __future__ import annotations

import contextlib
import os
import resource
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from agentless.errors import CarrierLost, HostError, NoSession, Unreachable
from agentless.model.secret import Secret
from agentless.openssh.settings import Settings
from agentless.transport.channel import Channel, Link
from agentless.transport.keeper import words
from agentless.transport.keeper.place import Place, Unusable
from agentless.transport.mux.client import MuxChannel, streams
from agentless.transport.mux.line import Line
from agentless.transport.mux.protocol import (
    VERSION,
    Alive,
    ExitMessage,
    Failure,
    Hello,
    Message,
    NewSession,
    SessionOpened,
)

__all__ = ["KeeperClient", "held", "let_go"]

# Seconds for a keeper to say hello; one that has just been started is loading.
_HELLO_WITHIN = 5.0
# A keeper that is silent for this long is asked whether it lives; logging in may take a person's time.
_ASK_AFTER = 5.0
# Descriptors of a command that rides: the control socket and its three streams.
_DESCRIPTORS = 4


class KeeperClient:
    """Connections by way of this user's keeper. Thread safe.

    Args:
        keep: seconds for which they stay after their last use.
        ask: shows a prompt for the passphrase of a key and returns the answer; None where nobody can be asked.
        warn: shows one line.
        explain: shows a line about why no keeper is used.
        note: shows a line about a connection that was there before.
        environ: the environment of this command.
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
        self._ask = ask
        self.warn = warn
        self._explain = explain
        self.note = note
        self._environ = environ
        self._lock = threading.Lock()
        self._place = place
        self._lease: Line | None = None
        self._command = os.urandom(8).hex()
        self._given_up = False
        self._asking = threading.Lock()
        self._ask_again = 0.0
        self._lives = True
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._room = (limit if limit > 0 else 1024) // (2 * _DESCRIPTORS)

    def connect(self, name: str, settings: Settings, direct: Callable[[], Link], spent: float = 0.0) -> Link:
        """A connection as `settings` say.

        Args:
            name: of the host in the inventory.
            direct: makes one without the keeper.
            spent: seconds of the connect timeout that are gone.

        Raises:
            Unreachable, Refused: as `direct`.
        """
        with self._lock:
            if self._given_up or self._room <= 0:
                return direct()
            self._room -= 1
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

    def request(self, name: str, settings: Settings, spent: float) -> words.Connect:
        """What is asked of the keeper."""
        hop: Settings | None = settings
        surroundings = None
        while hop is not None:
            if hop.proxy_command is not None:
                surroundings = words.Surroundings(tuple(sorted(self._environ.items())), os.getcwd())
            hop = hop.bastion
        return words.Connect(self._command, name, settings, spent, surroundings)

    def line(self) -> Line:
        """A connection to the keeper; raises Unusable."""
        with self._lock:
            if self._given_up:
                raise Unusable("it is not used any more")
            if self._lease is None:
                self._place = self._place or Place()
                lease = _greeted(self._place)
                try:
                    lease.send(words.said(words.LEASE, 0, words.Lease(self._command, self._keep)))
                    if not isinstance(lease.receive(time.monotonic() + _HELLO_WITHIN), Alive):
                        raise Unusable("it hung up")
                except (OSError, ValueError) as problem:
                    lease.close()
                    raise Unusable(f"it does not answer: {problem}") from None
                self._lease = lease
            place = self._place
        assert place is not None
        return _greeted(place, start=False)

    def lives(self) -> bool:
        """Whether the keeper says hello; what was learned a moment ago for one host holds for all."""
        with self._asking:
            if self._place is None:
                return False
            if time.monotonic() >= self._ask_again:
                try:
                    _greeted(self._place, start=False).close()
                    self._lives = True
                except Unusable:
                    self._lives = False
                self._ask_again = time.monotonic() + _ASK_AFTER / 2
            return self._lives

    def give_up(self, reason: str) -> None:
        """From now on, this command connects without a keeper."""
        with self._lock:
            told, self._given_up = self._given_up, True
        if not told:
            self._explain(f"connections are not kept: {reason}")

    def told(self, connected: words.Connected) -> str:
        """What a person hears of a connection."""
        stays = f"stays {self._keep:g} s after its last use"
        if connected.kept:
            return f"over the connection that was kept, {connected.way}; it {stays}"
        return f"{connected.way}; the connection {stays}"

    def answer(self, prompt: str) -> words.Answer:
        """What a person answers to a prompt."""
        return words.Answer(self._ask(prompt) if self._ask is not None else None)

    def freed(self) -> None:
        """A connection's descriptors are free again."""
        with self._lock:
            self._room += 1

    def close(self) -> None:
        """The command is over; the keeper forgets its passphrases."""
        with self._lock:
            self._given_up = True
            lease, self._lease = self._lease, None
        if lease is not None:
            lease.close()


def held(place: Place | None = None) -> words.HeldAll | None:
    """What this user's keeper keeps; None where no keeper runs."""
    return _asked(place, words.LIST, None)


def let_go(ways: Sequence[tuple[str, str, int]] | None, place: Place | None = None) -> words.HeldAll | None:
    """Have the keeper let go of the connections to these users, hosts and ports, or of all.

    A connection that is in use carries what is under way to its end.

    Returns:
        What was let go of; None where no keeper runs.
    """
    return _asked(place, words.CLOSE, words.Close(None if ways is None else tuple(ways)))


def _asked(place: Place | None, kind: int, value: object) -> words.HeldAll | None:
    try:
        line = _greeted(place or Place(), start=False)
    except Unusable:
        return None
    try:
        line.send(words.said(kind, 1, value))
        message = line.receive(time.monotonic() + _HELLO_WITHIN)
        return None if message is None else words.value(message, words.HeldAll)
    except (OSError, ValueError):
        return None
    finally:
        line.close()


def _greeted(place: Place, *, start: bool = True) -> Line:
    """A connection to the keeper, which has said hello; raises Unusable."""
    line = words.line(place.connect(start=start))
    try:
        line.send(Hello())
        hello = line.receive(time.monotonic() + _HELLO_WITHIN)
        if not isinstance(hello, Hello) or hello.version != VERSION:
            raise Unusable("it does not say hello")
    except (OSError, ValueError) as problem:
        line.close()
        raise Unusable(f"it does not say hello: {problem}") from None
    except BaseException:
        line.close()
        raise
    return line


class _KeeperLink:
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

    def __enter__(self) -> Link:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def opened(self) -> Link:
        """Itself, connected; or the one without a keeper."""
        try:
            self._line = self._connected()
        except Unusable as problem:
            self._client.give_up(str(problem))
            self.close()
            return self._make_direct()
        if self.kept:
            self._client.note(f"{self._name}: over a connection that was kept")
        return self

    def _connected(self) -> Line:
        """A line to the keeper that stands for the host now.

        Raises:
            Unusable: the keeper is of no use.
            HostError: it could not connect.
        """
        line = self._client.line()
        try:
            wanted = self._client.request(self._name, self._settings, self._spent)
            line.send(words.said(words.CONNECT, 1, wanted))
            message = self._answer(line)
            if message.kind != words.CONNECTED:
                raise Unusable(f"it answers {message.kind:#x}")
            connected = words.value(message, words.Connected)
            self.kept = connected.kept
            self.way = self._client.told(connected)
        except (OSError, ValueError) as problem:
            line.close()
            raise Unusable(f"it broke off: {problem}") from None
        except BaseException:
            line.close()
            raise
        return line

    def _answer(self, line: Line) -> Message:
        """The answer to what was asked, once prompts are answered and warnings shown.

        Raises:
            Unusable: the keeper is gone, hangs, or will not do it.
            HostError: it failed on the host.
        """
        while True:
            try:
                message = line.receive(time.monotonic() + _ASK_AFTER)
            except TimeoutError:
                if self._client.lives():
                    continue
                raise Unusable("it hangs") from None
            if message is None:
                raise Unusable("it is gone")
            if message.kind == words.ASK:
                line.send(words.said(words.ANSWER, 1, self._client.answer(words.value(message, words.Text).text)))
            elif message.kind == words.WARN:
                self._client.warn(words.value(message, words.Text).text)
            elif message.kind == words.FAILED:
                raise words.value(message, words.Failed).raised()
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
                self._client.give_up(str(problem))
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
        theirs, stdin, outputs = streams(False, undo)
        asked = NewSession(
            2,
            line.encode("utf-8", "surrogateescape"),
            want_tty=pty,
            term=b"vt100" if pty else b"",
            environment=(words.ONCE,) if once else (),
        )
        try:
            control.send(asked, descriptors=theirs)
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
        return MuxChannel(self._settings.host, session, stdin, outputs, session.lives, lost=session.lost)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._client.freed()
        for channel in self._channels:
            channel.close()
        if self._line is not None:
            self._line.close()
        if self._direct is not None:
            self._direct.close()


class _Session:
    """What the keeper says of a session, in the words of a master; and why its connection broke, in those of ours."""

    def __init__(self, line: Line, client: KeeperClient) -> None:
        self.error: HostError | None = None
        self.sock = line.sock
        self.wake = line.wake
        self.close = line.close
        self._line = line
        self._client = client
        self._ended = False

    def receive(self, until: float) -> Message | None:
        try:
            message = self._line.receive(until)
            if message is None:
                self._broke("it is gone")
            elif isinstance(message, ExitMessage):
                return message
            elif message.kind == words.FAILED:
                self.error = words.value(message, words.Failed).raised()
            else:
                self._ended = True
        except TimeoutError:
            raise
        except (OSError, ValueError) as problem:
            self._broke(str(problem))
        return None

    def lives(self) -> bool:
        """Whether the keeper answers, and the host's connection has not broken as far as it knows."""
        if self.error is None and not self._ended and not self._client.lives():
            self._broke("it hangs")
        return self.error is None

    def _broke(self, how: str) -> None:
        self.error = CarrierLost("connection-lost", f"the keeper of connections broke: {how}")
        self._client.give_up(how)

    def lost(self) -> Exception:
        """Why the connection is gone."""
        assert self.error is not None
        return self.error
