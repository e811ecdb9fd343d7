"""The connections that are kept for the next command, as `connections` gives them back: frozen values, pure."""

from __future__ import annotations

from typing import Any

from agentless.model.times import Moment, iso
from agentless.values import dataclass

__all__ = ["Connections", "KeptConnection"]


@dataclass(frozen=True, slots=True)
class KeptConnection:
    """A connection that commands ride.

    Args:
        kind: `keeper`, or `master` for one of ssh's own.
        names: of the hosts in the inventory, under which commands asked for it.
        user, host, port: whom it is logged in as, and where.
        via: the bastion's host, or `ProxyCommand`; None where it is direct, or not known.
        since: when it was made, in Unix seconds; None is not known.
        sessions: how many commands ride it; None is not known.
        in_use: whether commands ride it, or connections lead through it.
        closes_in: seconds until it is closed if nobody comes; None while it is in use, or not known.
        socket: where a master listens.
    """

    kind: str
    names: tuple[str, ...]
    user: str
    host: str
    port: int
    via: str | None = None
    since: float | None = None
    sessions: int | None = None
    in_use: bool | None = None
    closes_in: float | None = None
    socket: str | None = None

    since_at = Moment("since")

    def to_json(self) -> dict[str, Any]:
        """One connection.

        Keys:
            kind (string): `keeper`, or `master` for one of ssh's own.
            names (list of strings): of the hosts in the inventory, under which commands asked for it.
            user (string): whom it is logged in as.
            host (string): where.
            port (integer): where.
            via (string or null): the bastion's host, or `ProxyCommand`.
            since (time or null): when it was made.
            sessions (integer or null): how many commands ride it.
            in_use (boolean or null): whether commands ride it, or connections lead through it.
            closes_in (number or null): seconds until it is closed if nobody comes.
            socket (string or null): where a master listens.
        """
        return {
            "kind": self.kind,
            "names": list(self.names),
            "user": self.user,
            "host": self.host,
            "port": self.port,
            "via": self.via,
            "since": iso(self.since),
            "sessions": self.sessions,
            "in_use": self.in_use,
            "closes_in": None if self.closes_in is None else round(self.closes_in, 1),
            "socket": self.socket,
        }


@dataclass(frozen=True, slots=True)
class Connections:
    """`connections`: what is kept, and by which process; after `connections close`, what was let go of.

    Args:
        keeper: its PID; None where none runs.
    """

    keeper: int | None
    connections: tuple[KeptConnection, ...]

    @property
    def exit_code(self) -> int:
        """0."""
        return 0

    def to_json(self) -> dict[str, Any]:
        """What is kept; after `connections close`, what was let go of.

        Keys:
            keeper (integer or null): the PID of the process that keeps them.
            connections (list of objects): each as below.
        """
        return {"keeper": self.keeper, "connections": [one.to_json() for one in self.connections]}
