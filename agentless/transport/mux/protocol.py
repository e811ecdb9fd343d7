"""OpenSSH's multiplexing protocol, version 4 (its PROTOCOL.mux): the words that a session needs, for both sides.

    client                                   server
    Hello                              <->   Hello
    AliveCheck                          ->   Alive
    NewSession, and three descriptors   ->   SessionOpened, then TtyAllocFail?, ExitMessage?, and it hangs up;
                                             or Failure, or PermissionDenied
    StdioForward, and two descriptors   ->   SessionOpened, and it hangs up at the end; or Failure, or PermissionDenied

A message travels as its length, its type and its fields, all numbers in 32 bits, strings with their length before them.
A session is a connection of its own. A command that a signal ended has no ExitMessage.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import ClassVar

from agentless.values import dataclass

__all__ = [
    "LONGEST",
    "VERSION",
    "Alive",
    "AliveCheck",
    "ExitMessage",
    "Failure",
    "Hello",
    "Malformed",
    "Message",
    "NewSession",
    "PermissionDenied",
    "Reader",
    "SessionOpened",
    "StdioForward",
    "TtyAllocFail",
    "Unknown",
    "pack",
    "unpack",
]

VERSION = 4
# Bytes of a message, its type included: what OpenSSH's master takes.
LONGEST = 256 * 1024
# Of a session without an escape character.
_NO_ESCAPE = 0xFFFFFFFF

_NUMBER = struct.Struct(">I")


class Malformed(ValueError):
    """These bytes are no message."""


@dataclass(frozen=True, slots=True)
class Hello:
    """What each side says first. Extensions may follow, names and values, which are passed over."""

    kind: ClassVar[int] = 0x00000001
    version: int = VERSION


@dataclass(frozen=True, slots=True)
class NewSession:
    """Run a command; the descriptors of its stdin, stdout and stderr follow, one by one.

    Args:
        want_tty: give it a terminal, with the modes of the one that its stdin is.
        environment: `NAME=VALUE`, of which a master passes on what its SendEnv has.
    """

    kind: ClassVar[int] = 0x10000002
    request: int
    command: bytes
    want_tty: bool = False
    term: bytes = b""
    environment: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class StdioForward:
    """Connect to a port that the host reaches; the descriptors to read from and to write to follow, one by one."""

    kind: ClassVar[int] = 0x10000008
    request: int
    host: bytes
    port: int


@dataclass(frozen=True, slots=True)
class AliveCheck:
    """Who are you?"""

    kind: ClassVar[int] = 0x10000004
    request: int


@dataclass(frozen=True, slots=True)
class PermissionDenied:
    """The person who was asked (`ControlMaster ask`) says no."""

    kind: ClassVar[int] = 0x80000002
    request: int
    reason: bytes


@dataclass(frozen=True, slots=True)
class Failure:
    """It cannot be done: the host gives no session, or the request is not known."""

    kind: ClassVar[int] = 0x80000003
    request: int
    reason: bytes


@dataclass(frozen=True, slots=True)
class ExitMessage:
    """The command of a session has exited."""

    kind: ClassVar[int] = 0x80000004
    session: int
    status: int


@dataclass(frozen=True, slots=True)
class Alive:
    """The server's process."""

    kind: ClassVar[int] = 0x80000005
    request: int
    pid: int


@dataclass(frozen=True, slots=True)
class SessionOpened:
    """The host has given a session, and gets the command now."""

    kind: ClassVar[int] = 0x80000006
    request: int
    session: int


@dataclass(frozen=True, slots=True)
class TtyAllocFail:
    """The host gives no terminal; the command runs without one."""

    kind: ClassVar[int] = 0x80000008
    session: int


@dataclass(frozen=True, slots=True)
class Unknown:
    """A message of another type: a server answers Failure with its request, a client is at its wits' end."""

    kind: int
    body: bytes

    @property
    def request(self) -> int:
        """The request id that every message of a client but Hello begins with."""
        return _Fields(self.body).number()


Message = (
    Hello
    | NewSession
    | StdioForward
    | AliveCheck
    | PermissionDenied
    | Failure
    | ExitMessage
    | Alive
    | SessionOpened
    | TtyAllocFail
    | Unknown
)


def pack(message: Message, longest: int = LONGEST) -> bytes:
    """A message as it travels, its length before it.

    Args:
        longest: bytes of a message that the other side takes.

    Raises:
        ValueError: it is longer than the other side takes, or a number does not fit.
    """
    try:
        packet = _NUMBER.pack(message.kind) + _body(message)
    except struct.error as problem:
        raise ValueError(f"a number that does not fit in 32 bits: {message!r:.200}") from problem
    if len(packet) > longest:
        raise ValueError(f"a message of {len(packet)} bytes, over {longest}")
    return _NUMBER.pack(len(packet)) + packet


# Messages that a client reads as well as a server, with what they hold: n is a number, s a string.
_SHAPES: dict[int, tuple[Callable[..., Message], str]] = {
    Hello.kind: (Hello, "n"),
    AliveCheck.kind: (AliveCheck, "n"),
    PermissionDenied.kind: (PermissionDenied, "ns"),
    Failure.kind: (Failure, "ns"),
    ExitMessage.kind: (ExitMessage, "nn"),
    Alive.kind: (Alive, "nn"),
    SessionOpened.kind: (SessionOpened, "nn"),
    TtyAllocFail.kind: (TtyAllocFail, "n"),
}


def unpack(packet: bytes) -> Message:
    """The message of a packet, which is what follows the length. As OpenSSH, it passes over what follows the fields.

    Raises:
        Malformed: a field is missing, or longer than the packet.
    """
    fields = _Fields(packet)
    kind = fields.number()
    if kind == NewSession.kind:
        request, _, want_tty = fields.number(), fields.string(), fields.number() != 0
        for _ in ("X11", "agent", "subsystem", "escape"):
            fields.number()
        term, command = fields.string(), fields.string()
        environment = []
        while fields.left:
            environment.append(fields.string())
        return NewSession(request, command, want_tty, term, tuple(environment))
    if kind not in _SHAPES:
        return Unknown(kind, packet[_NUMBER.size :])
    message, shape = _SHAPES[kind]
    return message(*[fields.number() if letter == "n" else fields.string() for letter in shape])


class Reader:
    """Messages out of the bytes of a connection, which is never read beyond the end of one: descriptors may follow.

    Read at most `needed` bytes, and `feed` them.

    Args:
        longest: bytes of a message.
    """

    def __init__(self, longest: int = LONGEST) -> None:
        self._longest = longest
        self._buffer = bytearray()
        self._length: int | None = None

    @property
    def needed(self) -> int:
        """How many bytes are missing; after a whole message, those of the next one's length."""
        whole = _NUMBER.size if self._length is None else self._length
        return whole - len(self._buffer)

    def feed(self, data: bytes) -> Message | None:
        """Take the next bytes; return the message that they end.

        Raises:
            Malformed: they are no message, or it is too long. Nothing behind them can be read.
        """
        if len(data) > self.needed:
            raise ValueError("more than the rest of a message was read")
        self._buffer += data
        if self.needed:
            return None
        packet = bytes(self._buffer)
        self._buffer.clear()
        if self._length is not None:
            self._length = None
            return unpack(packet)
        (length,) = _NUMBER.unpack(packet)
        if not _NUMBER.size <= length <= self._longest:
            raise Malformed(f"a message of {length} bytes")
        self._length = length
        return None


class _Fields:
    """The fields of a packet, one after another."""

    def __init__(self, packet: bytes) -> None:
        self._packet = packet
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._packet) - self._at

    def number(self) -> int:
        return int(_NUMBER.unpack(self._take(_NUMBER.size))[0])

    def string(self) -> bytes:
        return self._take(self.number())

    def _take(self, size: int) -> bytes:
        if size > self.left:
            raise Malformed(f"a field of {size} bytes, and {self.left} are left")
        data = self._packet[self._at : self._at + size]
        self._at += size
        return data


def _body(message: Message) -> bytes:
    if isinstance(message, Unknown):
        return message.body
    if isinstance(message, NewSession):
        flags = (message.want_tty, False, False, False, _NO_ESCAPE)
        return _packed(message.request, b"", *flags, message.term, message.command, *message.environment)
    if isinstance(message, StdioForward):
        return _packed(message.request, b"", message.host, message.port)
    return _packed(*[getattr(message, name) for name in message.__match_args__])


def _packed(*values: int | bytes) -> bytes:
    """Numbers, and strings with their length before them."""
    return b"".join(
        _NUMBER.pack(len(value)) + value if isinstance(value, bytes) else _NUMBER.pack(value) for value in values
    )
