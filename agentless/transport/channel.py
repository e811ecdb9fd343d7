"""The protocols of connections: a `Connector` makes a `Link` to a host, and the link a `Channel` for each command."""

from __future__ import annotations

from typing import Protocol

from agentless.errors import Unreachable
from agentless.model.endpoint import Endpoint

__all__ = ["EXIT_WAIT", "NO_SESSION", "PIECE", "Channel", "Connector", "Link", "printable", "slow"]

NO_SESSION = "sshd's log there tells why: MaxSessions, limits of PAM, PermitRootLogin forced-commands-only?"
"""What to do where a host lets us log in, and gives no session."""

PIECE = 256 * 1024
"""Bytes of output that a channel gives at once, at the most."""
EXIT_WAIT = 5.0
"""Seconds for which a channel waits for the exit status once both streams have ended."""


class Channel(Protocol):
    """A running command with separate stdin, stdout and stderr."""

    def send(self, data: bytes, timeout: float) -> None:
        """Send all of `data` to the command's stdin.

        Raises:
            BrokenPipeError: the command has ended or closed its stdin; its output can still be received.
            Unreachable: `connection-lost`, also when it took nothing for `timeout` seconds.
        """

    def recv(self, timeout: float) -> tuple[int, bytes] | None:
        """Wait up to `timeout` seconds for output of either stream.

        Returns:
            (1 | 2, data) for a piece of stdout or stderr, at most `PIECE` bytes; (0, b"") when both have ended;
            None when nothing came in time.

        Raises:
            Unreachable: `connection-lost`.
        """

    def exit_status(self) -> int | None:
        """The command's exit status, waited for up to `EXIT_WAIT` seconds; None when it has none, as after a signal."""

    def close(self) -> None:
        """Let go of the command without waiting for it."""


class Link(Protocol):
    """A connection to a host, logged in as `user`; a context manager that closes it."""

    user: str

    def __enter__(self) -> Link:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def exec(self, line: str, *, pty: bool = False, once: bool = False) -> Channel:
        """Run `line` by the login shell.

        Args:
            pty: give it a raw terminal without echo, where stderr joins stdout.
            once: it must not be started a second time; else a link that finds no answer may send it once more, over
                another connection.

        Raises:
            NoSession: it refuses, or breaks the connection, before it knew what to run.
            Unreachable: `connect-timeout` (no answer), or `connection-lost`.
        """

    def close(self) -> None:
        """Disconnect without waiting for the other side."""


class Connector(Protocol):
    """Makes connections; shared by all threads of a process."""

    def connect(self, endpoint: Endpoint) -> Link:
        """Connect and log in within the endpoint's `connect_timeout`.

        Raises:
            Unreachable: with the kind of the step that failed.
            Refused: the inventory leaves no way to it (`Endpoint.problem`).
        """

    def step(self, line: str) -> None:
        """Say what is done now on the way to a host's answer; nobody needs to listen."""
        return

    def close(self) -> None:
        """Let go of what the connections share, such as those to bastions."""


def printable(text: str) -> str:
    """Text from a host, made harmless and short."""
    return "".join(character if character.isprintable() else "?" for character in text)[:300]


def slow(host: str, what: str, hint: str = "Is the host overloaded? a longer `connect_timeout` helps.") -> Unreachable:
    """The error of a step that was not done in time."""
    return Unreachable("connect-timeout", f"{host}: it {what} in time", hint)
