"""A command's talk with its keeper: the lease, lines to it, and what is said where it cannot be used; no paramiko."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from agentless.model.secret import Secret
from agentless.openssh.settings import Settings
from agentless.transport.keeper import messages
from agentless.transport.keeper.greeting import TAKE_WITHIN, Hangs, greeted, kept_open
from agentless.transport.keeper.place import Place, Unusable
from agentless.transport.mux.descriptors import Room
from agentless.transport.mux.line import Line
from agentless.transport.mux.protocol import Alive, Message

__all__ = ["KeeperClient"]

# One that is silent for this long is asked whether it lives; logging in may take a person's time.
_ASK_AFTER = 0.5


class KeeperClient:
    """What a command shares of this user's keeper; `kept_link.connect` makes connections by it. Thread safe.

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

    def resolved(self, settings: Settings) -> Settings:
        """With the agent of this command, not of the keeper."""
        agent = self._environ.get("SSH_AUTH_SOCK", "") if settings.agent is None else settings.agent
        bastion = None if settings.bastion is None else self.resolved(settings.bastion)
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

    def takes_one_more(self) -> bool:
        """Whether a keeper is used, and there is room for one more connection; `room.give` gives that back."""
        return not self._given_up and self.room.take()

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
