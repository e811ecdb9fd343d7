"""The connections that are kept: what there is, and letting go of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from agentless.errors import HostError
from agentless.model.endpoint import Endpoint
from agentless.model.results import Connections, KeptConnection
from agentless.openssh.settings import Settings
from agentless.transport.keeper.client import held, let_go
from agentless.transport.keeper.words import HeldAll

__all__ = ["close", "kept"]

_Way = tuple[str, str, int]


def kept(ways: Mapping[_Way, str] | None) -> Connections:
    """What is kept for these users, hosts and ports, or all; `ways` has the inventory's name of each."""
    everything = _connections(held())
    if ways is None:
        return everything
    chosen = tuple(one for one in everything.connections if (one.user, one.host, one.port) in ways)
    return Connections(everything.keeper, chosen)


def close(ways: Mapping[_Way, str] | None) -> Connections:
    """Let go of what is kept; the arguments are those of `kept`.

    What is under way goes on to its end. Masters are ssh's, and stay.
    """
    return _connections(let_go(None if ways is None else tuple(ways)))


def ways(endpoints: Mapping[str, Endpoint], settings: Callable[[Endpoint], Settings]) -> dict[_Way, str]:
    """User, host and port of each host that there is a way to, with its name."""
    by_way: dict[_Way, str] = {}
    for name, endpoint in endpoints.items():
        if endpoint.local or endpoint.problem is not None:
            continue
        try:
            resolved = settings(endpoint)
        except HostError:
            # Nothing can be kept for it.
            continue
        by_way[resolved.user, resolved.host, resolved.port] = name
    return by_way


def _connections(everything: HeldAll | None) -> Connections:
    if everything is None:
        return Connections(None, ())
    listed = (
        KeptConnection(
            "keeper",
            one.names,
            one.user,
            one.host,
            one.port,
            one.via,
            one.since,
            one.sessions,
            one.in_use,
            one.closes_in,
        )
        for one in everything.connections
    )
    return Connections(everything.pid, tuple(listed))
