"""The masters of ssh that are ridden, and the connection of our own where one refuses, goes away or says nothing."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from agentless.errors import NoSession, Unreachable
from agentless.openssh.settings import Settings
from agentless.transport.channel import Channel, Link, printable, slow
from agentless.transport.mux.control import Control, NotServed
from agentless.transport.mux.descriptors import Room
from agentless.transport.mux.line import wait
from agentless.transport.mux.opening import MuxLink, Opening
from agentless.transport.mux.protocol import Failure, Malformed, PermissionDenied, SessionOpened
from agentless.transport.mux.session_channel import MuxChannel

__all__ = ["Forward", "Masters", "RiddenLink"]

# Seconds for a master to say who it is; it is on this machine.
_HELLO_WITHIN = 1.0
# Seconds for the host to give a session, before a connection of our own is raced against the master's: that may have
# died unnoticed, while the machine slept.
_SILENCE = 1.0
# Descriptors that are left for connections of our own, files, and what else there is.
_REST = 256
_HANGS = "`ssh -O exit` ends a master whose connection is dead."
_FORBIDDEN = "Is the host up, and does the bastion know it by this name, and permit it (AllowTcpForwarding)?"


class Masters:
    """Finds living masters, by the ControlPath of each host. Thread safe.

    Args:
        note: shows one line about a master that was ridden.
    """

    def __init__(
        self,
        warn: Callable[[str], None] = lambda line: None,
        note: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._warn = warn
        self._note = note
        self._lock = threading.Lock()
        # Whom each socket is known to lead to, and those that did not answer.
        self._ways: dict[Path, tuple[str, str, int]] = {}
        self._passed_over: set[Path] = set()
        # Whoever has a master can perhaps not log in without it.
        self._room = Room(rest=_REST)
        self._told_of_room = False

    def link(self, name: str, settings: Settings, direct: Callable[[float], Link], spent: float) -> RiddenLink | None:
        """A link over the master of a host; None where there is none.

        A password is there to be proved, so with one no master is ridden.

        Args:
            direct: makes a connection without it, given the seconds of the connect timeout that are gone.
            spent: of these until now.
        """
        if settings.password is not None:
            return None
        timeout = settings.connect_timeout
        control, path = self._living(settings, time.monotonic() + max(0.1, timeout - spent))
        if control is None:
            return None
        if not self._room.take():
            control.close()
            self._tell_of_room(name)
            return None
        link = MuxLink(path, settings.host, control)
        note = f"{name}: over the master of ssh at {path}"
        return RiddenLink(link, settings, direct, lambda: self._note(note), lambda: self._silent(path), self._room.give)

    def forward(self, hop: Settings, host: str, port: int, until: float) -> Forward | None:
        """A connection from a bastion to a host, over the bastion's master; None where there is none.

        Raises:
            Unreachable: the bastion does not reach the host.
        """
        control, path = self._living(hop, until)
        if control is None:
            return None
        try:
            forward = Forward(control, hop.host, host, port, until)
        except NotServed:
            self._pass_over(path)
            return None
        self._note(f"{host}: by way of {hop.host}, over the master of ssh at {path}")
        return forward

    def living(self, settings: Settings) -> Path | None:
        """Where the master of a host listens; None where none would be ridden."""
        if settings.password is not None:
            return None
        control, path = self._living(settings, time.monotonic() + _HELLO_WITHIN)
        if control is None:
            return None
        control.close()
        return path

    def _living(self, settings: Settings, until: float) -> tuple[Control | None, Path]:
        for path in map(Path, settings.control_paths):
            if path in self._passed_over or not self._leads_there(path, settings):
                continue
            try:
                return Control(path, min(until, time.monotonic() + _HELLO_WITHIN)), path
            except NotServed as problem:
                if problem.silent:
                    self._silent(path)
        return None, Path()

    def _silent(self, path: Path) -> None:
        """Say that a master, or its connection, does not answer, and do not try it again."""
        with self._lock:
            known = path in self._passed_over
            self._passed_over.add(path)
        if not known:
            self._warn(f"the master of ssh at {path} does not answer, and is not ridden. {_HANGS}")

    def _tell_of_room(self, name: str) -> None:
        with self._lock:
            told, self._told_of_room = self._told_of_room, True
        if not told:
            self._warn(
                f"{name}, and perhaps others: connecting without their masters of ssh, for this process may open no "
                "more files. Raise `ulimit -n`, or take fewer hosts at once"
            )

    def _pass_over(self, path: Path) -> None:
        with self._lock:
            self._passed_over.add(path)

    def _leads_there(self, path: Path, settings: Settings) -> bool:
        """Whether no other host, port or user has the same socket: one connection cannot lead to both."""
        way = (settings.user, settings.host.lower(), settings.port)
        with self._lock:
            known = self._ways.setdefault(path, way)
        if known == way or not path.is_socket():
            return True
        user, host, port = known
        self._pass_over(path)
        self._warn(
            f"ControlPath {path} is that of {settings.user}@{settings.host} port {settings.port} and of {user}@{host} "
            f"port {port}: its master is not ridden any more; add %C to it"
        )
        return False


class RiddenLink(Link):
    """A link over a master; see `channel.Link`. Where that fails before the host has the command, one of our own.

    Args:
        direct: as of `Masters.link`.
        ridden: called when a command goes over the master.
        pass_over: called when the master's connection seems dead.
    """

    def __init__(
        self,
        link: MuxLink,
        settings: Settings,
        direct: Callable[[float], Link],
        ridden: Callable[[], None],
        pass_over: Callable[[], None],
        closed: Callable[[], None],
    ) -> None:
        self.user = settings.user
        self._host = settings.host
        self._timeout = settings.connect_timeout
        self._link = link
        self._direct = direct
        self._ridden = ridden
        self._pass_over = pass_over
        self._tell_closed = closed
        self._closed = False
        self._own: Link | None = None

    def exec(self, line: str, *, pty: bool = False, once: bool = False) -> Channel:
        if self._own is None:
            began = time.monotonic()
            until = began + self._timeout
            try:
                opening = self._link.ask(line, until, pty=pty)
                channel = self._link.opened(opening, min(until, began + _SILENCE))
            except NoSession as refusal:
                self._own = self._own_after(refusal, time.monotonic() - began)
            else:
                with contextlib.ExitStack() as undo:
                    undo.callback(opening.close)
                    channel = channel or self._late(opening, until, once=once)
                    if channel is not None:
                        self._ridden()
                        undo.pop_all()
                        return channel
        assert self._own is not None
        return self._own.exec(line, pty=pty, once=once)

    def close(self) -> None:
        self._link.close()
        if self._own is not None:
            self._own.close()
        if not self._closed:
            self._closed = True
            self._tell_closed()

    def _own_after(self, refusal: NoSession, spent: float) -> Link:
        try:
            return self._direct(spent)
        except Unreachable as problem:
            # Nothing of the request was sent.
            message = f"{problem.message}; and over ssh's master: {refusal.message}"
            raise NoSession(problem.kind, message, problem.hint) from None

    def _late(self, opening: Opening, until: float, *, once: bool) -> MuxChannel | None:
        """The channel over a master that has not answered yet; None where a connection of our own came first.

        The host may get the command of a master that is given up, once its connection revives: `once` says that this
        must not be.
        """
        race = None if once else _RacingConnection(lambda: self._direct(_SILENCE))
        try:
            descriptors = {opening.fileno(): select.POLLIN}
            if race is not None:
                descriptors[race.fileno()] = select.POLLIN
            while wait(descriptors, until):
                channel = self._link.opened(opening, time.monotonic())
                if channel is not None:
                    return channel
                if race is not None and race.over:
                    self._own = race.take()
                    if self._own is not None:
                        self._pass_over()
                        return None
                    # It is left to the master.
                    del descriptors[race.fileno()]
                    race.close()
                    race = None
        finally:
            if race is not None:
                race.close()
        self._pass_over()
        raise slow(self._host, "did not open a session over ssh's master", _HANGS)


class _RacingConnection:
    """A connection that is being made while another way is waited for."""

    def __init__(self, direct: Callable[[], Link]) -> None:
        self._direct = direct
        self._lock = threading.Lock()
        self._link: Link | None = None
        self._closed = False
        self.over = False
        self._reading, self._writing = os.pipe()
        threading.Thread(target=self._run, name="race with a master", daemon=True).start()

    def fileno(self) -> int:
        """Readable once it is over."""
        return self._reading

    def take(self) -> Link | None:
        """The connection, which the caller closes; None where it failed."""
        with self._lock:
            link, self._link = self._link, None
            return link

    def close(self) -> None:
        """It is not wanted any more."""
        with self._lock:
            self._closed = True
            link, self._link = self._link, None
            os.close(self._reading)
        if link is not None:
            link.close()

    def _run(self) -> None:
        link = None
        try:
            link = self._direct()
        except Exception:  # noqa: BLE001 - whatever it is, the other way is left
            link = None
        finally:
            with self._lock:
                wanted = not self._closed
                self._link = link if wanted else None
                self.over = True
                os.close(self._writing)
            if link is not None and not wanted:
                link.close()


class Forward:
    """A connection from a bastion to a host, over the bastion's master.

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
                raise slow(f"bastion {bastion}", f"did not reach {host}", _HANGS) from None
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
