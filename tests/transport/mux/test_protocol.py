"""Messages of the multiplexing protocol: what one side packs the other reads, hostile bytes end it, and ssh agrees."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentless.transport.mux.descriptors import receive_descriptor
from agentless.transport.mux.protocol import (
    LONGEST,
    VERSION,
    Alive,
    AliveCheck,
    ExitMessage,
    Failure,
    Hello,
    Malformed,
    Message,
    NewSession,
    PermissionDenied,
    Reader,
    SessionOpened,
    StdioForward,
    TtyAllocFail,
    Unknown,
    pack,
    unpack,
)
from tests.hosts import need, patience

numbers = st.integers(0, 2**32 - 1)
strings = st.binary(max_size=40)
messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(Hello, numbers),
    st.builds(NewSession, numbers, strings, st.booleans(), strings, st.lists(strings, max_size=3).map(tuple)),
    st.builds(AliveCheck, numbers),
    st.builds(PermissionDenied, numbers, strings),
    st.builds(Failure, numbers, strings),
    st.builds(ExitMessage, numbers, numbers),
    st.builds(Alive, numbers, numbers),
    st.builds(SessionOpened, numbers, numbers),
    st.builds(TtyAllocFail, numbers),
    st.builds(Unknown, st.integers(0x20000000, 0x2000FFFF), strings),
)


def read(data: bytes, sizes: Iterator[int]) -> list[Message]:
    """The messages of these bytes, of which at most the next of `sizes` are read at a time."""
    reader, found, at = Reader(), [], 0
    while at < len(data):
        piece = data[at : at + min(reader.needed, next(sizes))]
        at += len(piece)
        message = reader.feed(piece)
        if message is not None:
            found.append(message)
    return found


@given(st.lists(messages, max_size=5), st.lists(st.integers(1, 50), min_size=1))
def test_what_is_packed_is_read_however_it_is_cut(sent: list[Message], sizes: list[int]) -> None:
    assert read(b"".join(map(pack, sent)), itertools.cycle(sizes)) == sent


@given(messages, st.integers(0, 200))
def test_a_message_that_was_cut_off_is_malformed(message: Message, missing: int) -> None:
    packet = pack(message)[4:]
    with contextlib.suppress(Malformed):
        unpack(packet[: max(0, len(packet) - missing)])


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_malformed(data: bytes) -> None:
    with contextlib.suppress(Malformed):
        unpack(data)


@pytest.mark.parametrize("length", [0, 3, LONGEST + 1, 2**32 - 1])
def test_a_length_that_no_message_has_is_malformed_before_anything_is_read(length: int) -> None:
    with pytest.raises(Malformed):
        Reader().feed(struct.pack(">I", length))


@pytest.mark.parametrize(
    "body", [b"", b"\0\0\0", struct.pack(">I", 2**32 - 1) + b"x", struct.pack(">II", 1, 2**31) + b"reason"]
)
def test_a_field_that_is_longer_than_its_message_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        unpack(struct.pack(">I", Failure.kind) + body)


def test_a_reader_asks_for_no_byte_beyond_the_message() -> None:
    reader = Reader()
    assert reader.needed == 4
    assert reader.feed(struct.pack(">I", 8)) is None
    assert reader.needed == 8
    assert reader.feed(struct.pack(">II", AliveCheck.kind, 7)) == AliveCheck(7)
    assert reader.needed == 4
    with pytest.raises(ValueError, match="more than"):
        reader.feed(b"12345")


def test_a_message_that_the_other_side_would_not_take_is_not_sent() -> None:
    with pytest.raises(ValueError, match="over 262144"):
        pack(NewSession(1, b"x" * LONGEST))
    with pytest.raises(ValueError, match="32 bits"):
        pack(AliveCheck(2**32))


def test_an_unknown_request_can_be_answered_by_its_number() -> None:
    unknown = unpack(struct.pack(">III", 0x1000000F, 5, 0))
    assert isinstance(unknown, Unknown)
    assert unknown.request == 5


def test_what_only_a_client_says_to_a_master_is_an_unknown_request_here() -> None:
    forward = unpack(pack(StdioForward(6, b"web1", 22))[4:])
    assert isinstance(forward, Unknown)
    assert forward.kind == StdioForward.kind
    assert forward.request == 6
    assert forward.body == struct.pack(">II I4sI", 6, 0, 4, b"web1", 22)


class Served(threading.Thread):
    """A server of one session at `path`: it notes what the client says, writes to its stdout, and ends it with 7."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self.heard: list[Message] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._listener.settimeout(patience(30))

    def run(self) -> None:
        with self._listener, self._listener.accept()[0] as sock:
            sock.settimeout(patience(30))
            # With an extension, as OpenSSH's own server has.
            sock.sendall(pack(Unknown(Hello.kind, struct.pack(">II4sI1s", VERSION, 4, b"info", 1, b"0"))))
            reader = Reader()
            while data := sock.recv(reader.needed):
                message = reader.feed(data)
                if message is None:
                    continue
                self.heard.append(message)
                if isinstance(message, AliveCheck):
                    sock.sendall(pack(Alive(message.request, 1)))
                elif isinstance(message, NewSession):
                    stdin, stdout, stderr = (receive_descriptor(sock) for _ in range(3))
                    sock.sendall(pack(SessionOpened(message.request, 3)))
                    os.write(stdout, b"out " + os.read(stdin, 100))
                    os.write(stderr, b"err")
                    for descriptor in (stdin, stdout, stderr):
                        os.close(descriptor)
                    sock.sendall(pack(ExitMessage(3, 7)))
                    return


def test_ssh_itself_talks_to_a_server_of_these_words(tmp_path: Path) -> None:
    need("ssh")
    served = Served(tmp_path / "s")
    served.start()
    done = subprocess.run(
        ["ssh", "-F", "none", "-S", str(tmp_path / "s"), "nobody@host.invalid", "a command"],
        input=b"in",
        capture_output=True,
        timeout=patience(30),
        check=False,
    )
    served.join(patience(30))
    assert (done.returncode, done.stdout, done.stderr) == (7, b"out in", b"err")
    hello, alive, session = served.heard
    assert hello == Hello()
    assert isinstance(alive, AliveCheck)
    assert isinstance(session, NewSession)
    assert (session.command, session.want_tty) == (b"a command", False)
