"""The masters of ssh: which hosts have a living one, by ControlPath, so that commands ride it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from agentless.openssh.settings import Settings
from agentless.transport.channel import Link
from agentless.transport.mux.control import Control, NotServed
from agentless.transport.mux.descriptors import Room
from agentless.transport.mux.forward import Forward
from agentless.transport.mux.ridden_link import HANGS, RiddenLink

__all__ = ["Masters"]

# Seconds for a master to say who it is; it is on this machine.
_HELLO_WITHIN = 1.0
# Descriptors that are left for connections of our own, files, and what else there is.
_REST = 256


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
        self._warned: set[str] = set()
        # Whoever has a master can perhaps not log in without it.
        self._room = Room(rest=_REST)

    def link(self, name: str, settings: Settings, direct: Callable[[float], Link], spent: float) -> RiddenLink | None:
        """A link over the master of a host; None where there is none.

        A password is there to be proved, so with one no master is ridden.

        Args:
            direct: makes a connection without the master, given the seconds of the connect timeout that are gone then.
            spent: seconds of the connect timeout that are gone now.
        """
        if settings.password is not None:
            return None
        timeout = settings.connect_timeout
        control, path = self._living(settings, time.monotonic() + max(0.1, timeout - spent))
        if control is None:
            return None
        if not self._room.take():
            control.close()
            self._warn_once(
                "room",
                f"{name}, and perhaps others: connecting without their masters of ssh, for this process may open no "
                "more files. Raise `ulimit -n`, or take fewer hosts at once",
            )
            return None
        note = f"{name}: over the master of ssh at {path}"
        return RiddenLink(
            path, control, settings, direct, lambda: self._note(note), lambda: self._silent(path), self._room.give
        )

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
                control = Control(path, min(until, time.monotonic() + _HELLO_WITHIN))
            except NotServed as problem:
                if problem.silent:
                    self._silent(path)
                continue
            if settings.masters_user:
                self._warn_once(
                    f"{settings.user} at {path}",
                    f"the master of ssh at {path} may be logged in as {settings.masters_user}, as ssh is by itself, "
                    f"and not as {settings.user}: ControlPath does not tell them apart; add %C to it",
                )
            return control, path
        return None, Path()

    def _silent(self, path: Path) -> None:
        """Say that a master, or its connection, does not answer, and do not try it again."""
        if self._pass_over(path):
            self._warn(f"the master of ssh at {path} does not answer, and is not ridden. {HANGS}")

    def _warn_once(self, about: str, line: str) -> None:
        with self._lock:
            new = about not in self._warned
            self._warned.add(about)
        if new:
            self._warn(line)

    def _pass_over(self, path: Path) -> bool:
        """Whether it was not passed over before."""
        with self._lock:
            new = path not in self._passed_over
            self._passed_over.add(path)
        return new

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
