"""What a command and its keeper say to each other beside the words of PROTOCOL.mux.

A message is one of that protocol: a type of ours, a request's number, and JSON of one of these dataclasses, in the way
of `dataclass_json.py`. They come before a session is asked for; from CONNECTED on, the connection is one to a master of
that host. Two more can come then: FAILED, instead of MUX_S_FAILURE or when the host's connection breaks, and ENDED,
where a command has ended without an exit status.
"""

from __future__ import annotations

import json
import socket
from typing import TypeVar

from agentless.errors import HostError, NoSession, Refused, Unreachable
from agentless.model.secret import Secret
from agentless.openssh.settings import Settings
from agentless.transport.keeper.dataclass_json import from_json, to_json
from agentless.transport.mux.line import Line
from agentless.transport.mux.protocol import Message, Unknown
from agentless.values import dataclass

__all__ = [
    "ANSWER",
    "ASK",
    "BACKLOG",
    "CLOSE",
    "CONNECT",
    "CONNECTED",
    "ENDED",
    "FAILED",
    "HELD",
    "LEASE",
    "LIST",
    "ONCE",
    "WARN",
    "Answer",
    "Close",
    "Connect",
    "Connected",
    "Failed",
    "Held",
    "HeldAll",
    "Lease",
    "Surroundings",
    "Text",
    "line",
    "message",
    "value",
]

T = TypeVar("T")
# An environment, and the settings of a host behind many bastions, are far below.
_LONGEST = 4 << 20

# Beside those of PROTOCOL.mux: 0x1…: what a command says; 0x8…: what the keeper says.
LEASE, CONNECT, ANSWER, LIST, CLOSE = range(0x1A000001, 0x1A000006)
BACKLOG = 512
"""How many commands may wait at the socket for a keeper that is being loaded."""
# In the environment of a session: the command must not be sent twice.
ONCE = b"AGENTLESS_ONCE="
ASK, WARN, FAILED, CONNECTED, HELD, ENDED = range(0x8A000001, 0x8A000007)


def line(sock: socket.socket) -> Line:
    """A side of their conversation; it owns the socket."""
    return Line(sock, _LONGEST)


def message(kind: int, request: int, of: object = None) -> Unknown:
    """A message of ours about a request, with a value of one of these types, or none."""
    text = "" if of is None else json.dumps(to_json(of))
    return Unknown(kind, request.to_bytes(4, "big") + text.encode("ascii"))


def value(message: Message, of: type[T]) -> T:
    """The value that a message of ours holds; raises ValueError where it is no such."""
    if not isinstance(message, Unknown):
        raise ValueError(f"{type(message).__name__} where {of.__name__} was expected")
    return from_json(of, json.loads(message.body[4:]))


@dataclass(frozen=True, slots=True)
class Lease:
    """A command begins; it ends when this connection does, and the keeper forgets its passphrases then.

    Args:
        command: a random name for it.
        keep: seconds for which its connections stay after their last use.
    """

    command: str
    keep: float


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a ProxyCommand finds around it."""

    environ: tuple[tuple[str, str], ...]
    cwd: str


@dataclass(frozen=True, slots=True)
class Connect:
    """A connection as these settings say is wanted; answered by CONNECTED or FAILED, and ASK and WARN before.

    Args:
        command: whose, by its lease.
        settings: the agent's socket is named in them.
        spent: seconds of the connect timeout that are gone.
        surroundings: None where no ProxyCommand is run.
    """

    command: str
    name: str
    settings: Settings
    spent: float
    surroundings: Surroundings | None


@dataclass(frozen=True, slots=True)
class Connected:
    """The connection is there: whether it was `kept`, and the way in which it was logged in."""

    kept: bool
    way: str


@dataclass(frozen=True, slots=True)
class Text:
    """A prompt (ASK), or a warning (WARN)."""

    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person typed; None where nobody can be asked."""

    secret: Secret | None


# The more special ones first: what is more special than these is told as one of them.
_ERRORS: dict[str, type[HostError]] = {kind.__name__: kind for kind in (NoSession, Unreachable, Refused)}


@dataclass(frozen=True, slots=True)
class Failed:
    """An error, as the one who connects without a keeper would meet it."""

    error: str
    kind: str
    message: str
    hint: str

    @classmethod
    def of(cls, error: HostError) -> Failed:
        name = next(name for name, kind in _ERRORS.items() if isinstance(error, kind))
        return cls(name, error.kind, error.message, error.hint)

    def raised(self) -> HostError:
        """The error."""
        return _ERRORS[self.error](self.kind, self.message, self.hint)


@dataclass(frozen=True, slots=True)
class Close:
    """Let go of the connections to these hosts: user, host and port of each; None lets go of all."""

    ways: tuple[tuple[str, str, int], ...] | None


@dataclass(frozen=True, slots=True)
class Held:
    """A connection that is kept.

    Args:
        names: of the inventory, under which commands asked for it.
        user, host, port: whom it is logged in as, and where.
        via: the bastion, or `ProxyCommand`.
        since: when it was made, in seconds since 1970.
        sessions: how many commands ride it.
        in_use: whether commands ride it, or connections lead through it.
        closes_in: seconds; None while it is in use.
        ready: whether a session stands ready for the next command.
    """

    names: tuple[str, ...]
    user: str
    host: str
    port: int
    via: str | None
    since: float
    sessions: int
    in_use: bool
    closes_in: float | None
    ready: bool


@dataclass(frozen=True, slots=True)
class HeldAll:
    """What is kept; after CLOSE, what was let go of."""

    pid: int
    connections: tuple[Held, ...]
