"""OpenSSH's multiplexing protocol, version 4 (its PROTOCOL.mux): the words that a session needs, for both sides.

    client                                   server
    Hello                              <->   Hello
    AliveCheck                          ->   Alive
    NewSession, and three descriptors   ->   SessionOpened, then TtyAllocFail?, ExitMessage?, and it hangs up;
                                             or Failure, or PermissionDenied
    StdioForward, and two descriptors   ->   SessionOpened, and it hangs up at the end; or Failure, or PermissionDenied
    Terminate                           ->   Ok, or PermissionDenied

A message travels as its length, its type and its fields, all numbers in 32 bits, strings with their length before them.
A session is a connection of its own. A command that a signal ended has no ExitMessage.
"""

from __future__ import annotations

import struct
from typing import ClassVar

from agentless.values import dataclass

__all__ = [
    "LONGEST",
    "NO_ESCAPE",
    "VERSION",
    "Alive",
    "AliveCheck",
    "ExitMessage",
    "Failure",
    "Hello",
    "Malformed",
    "Message",
    "NewSession",
    "Ok",
    "PermissionDenied",
    "Reader",
    "SessionOpened",
    "StdioForward",
    "Terminate",
    "TtyAllocFail",
    "Unknown",
    "pack",
    "unpack",
]

VERSION = 4
# Bytes of a message, its type included: what OpenSSH's master takes.
LONGEST = 256 * 1024
# Of a session without an escape character.
NO_ESCAPE = 0xFFFFFFFF

_NUMBER = struct.Struct(">I")


class Malformed(ValueError):
    """These bytes are no message."""


@dataclass(frozen=True, slots=True)
class Hello:
    """What each side says first; extensions are names and values that the other may pass over."""

    kind: ClassVar[int] = 0x00000001
    version: int = VERSION
    extensions: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class NewSession:
    """Run a command; the descriptors of its stdin, stdout and stderr follow, one by one.

    Args:
        want_tty: give it a terminal, with the modes of the one that its stdin is.
        subsystem: the command is the name of a subsystem.
        term: the kind of terminal.
        environment: `NAME=VALUE`, of which a master passes on what its SendEnv has.
    """

    kind: ClassVar[int] = 0x10000002
    request: int
    command: bytes
    want_tty: bool = False
    want_x11: bool = False
    want_agent: bool = False
    subsystem: bool = False
    escape: int = NO_ESCAPE
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
class Terminate:
    """End, and every session with you. OpenSSH's master may end before its Ok arrives."""

    kind: ClassVar[int] = 0x10000005
    request: int


@dataclass(frozen=True, slots=True)
class Ok:
    """It is done."""

    kind: ClassVar[int] = 0x80000001
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
    | Terminate
    | Ok
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


def unpack(packet: bytes) -> Message:
    """The message of a packet, which is what follows the length. As OpenSSH, it passes over what follows the fields.

    Raises:
        Malformed: a field is missing, or longer than the packet.
    """
    fields = _Fields(packet)
    kind = fields.number()
    if kind == Hello.kind:
        version = fields.number()
        extensions = []
        while fields.left:
            extensions.append((fields.string(), fields.string()))
        return Hello(version, tuple(extensions))
    if kind == NewSession.kind:
        return _new_session(fields)
    if kind == StdioForward.kind:
        request, _ = fields.number(), fields.string()
        return StdioForward(request, fields.string(), fields.number())
    if kind == AliveCheck.kind:
        return AliveCheck(fields.number())
    if kind == Terminate.kind:
        return Terminate(fields.number())
    if kind == Ok.kind:
        return Ok(fields.number())
    if kind == TtyAllocFail.kind:
        return TtyAllocFail(fields.number())
    if kind == PermissionDenied.kind:
        return PermissionDenied(fields.number(), fields.string())
    if kind == Failure.kind:
        return Failure(fields.number(), fields.string())
    if kind == ExitMessage.kind:
        return ExitMessage(fields.number(), fields.number())
    if kind == Alive.kind:
        return Alive(fields.number(), fields.number())
    if kind == SessionOpened.kind:
        return SessionOpened(fields.number(), fields.number())
    return Unknown(kind, packet[_NUMBER.size :])


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


def _new_session(fields: _Fields) -> NewSession:
    request = fields.number()
    fields.string()  # reserved
    want_tty, want_x11, want_agent, subsystem = (fields.number() != 0 for _ in range(4))
    escape, term, command = fields.number(), fields.string(), fields.string()
    environment = []
    while fields.left:
        environment.append(fields.string())
    return NewSession(request, command, want_tty, want_x11, want_agent, subsystem, escape, term, tuple(environment))


def _body(message: Message) -> bytes:
    if isinstance(message, Hello):
        pairs = (part for pair in message.extensions for part in pair)
        return _NUMBER.pack(message.version) + b"".join(map(_string, pairs))
    if isinstance(message, NewSession):
        flags = (message.want_tty, message.want_x11, message.want_agent, message.subsystem)
        return (
            _NUMBER.pack(message.request)
            + _string(b"")
            + b"".join(map(_NUMBER.pack, (*flags, message.escape)))
            + b"".join(map(_string, (message.term, message.command, *message.environment)))
        )
    if isinstance(message, StdioForward):
        return _NUMBER.pack(message.request) + _string(b"") + _string(message.host) + _NUMBER.pack(message.port)
    if isinstance(message, (PermissionDenied, Failure)):
        return _NUMBER.pack(message.request) + _string(message.reason)
    if isinstance(message, ExitMessage):
        return _NUMBER.pack(message.session) + _NUMBER.pack(message.status)
    if isinstance(message, Alive):
        return _NUMBER.pack(message.request) + _NUMBER.pack(message.pid)
    if isinstance(message, SessionOpened):
        return _NUMBER.pack(message.request) + _NUMBER.pack(message.session)
    if isinstance(message, TtyAllocFail):
        return _NUMBER.pack(message.session)
    if isinstance(message, Unknown):
        return message.body
    return _NUMBER.pack(message.request)


def _string(data: bytes) -> bytes:
    return _NUMBER.pack(len(data)) + data
