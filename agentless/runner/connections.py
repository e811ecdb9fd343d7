"""The connections that are kept: what there is, and letting go of it."""

from __future__ import annotations

from agentless.errors import HostError
from agentless.model.results import Connections, KeptConnection
from agentless.runner.parts import Parts
from agentless.transport.keeper.client import held, let_go
from agentless.transport.keeper.words import HeldAll

__all__ = ["close", "kept"]


def kept(parts: Parts) -> Connections:
    """The connections that are kept for the next operation; with a `limit`, those to its hosts."""
    everything, ways = _connections(held()), _ways(parts, None)
    if ways is None:
        return everything
    chosen = tuple(one for one in everything.connections if (one.user, one.host, one.port) in ways)
    return Connections(everything.keeper, chosen)


def close(parts: Parts, target: str | None) -> Connections:
    """Let go of what is kept for the hosts of a target, or of all; return what was let go of.

    What is under way goes on to its end. Masters are ssh's, and stay.
    """
    ways = _ways(parts, target)
    return _connections(let_go(None if ways is None else tuple(ways)))


def _ways(parts: Parts, target: str | None) -> dict[tuple[str, str, int], None] | None:
    """User, host and port of each host of a target; None where nothing narrows them, and no inventory is needed."""
    if target is None and parts.limit is None:
        return None
    ways: dict[tuple[str, str, int], None] = {}
    for endpoint in parts.selection.endpoints(target).values():
        if endpoint.local or endpoint.problem is not None:
            continue
        try:
            settings = parts.connector.resolver.settings(endpoint)
        except HostError:
            # Nothing can be kept for it.
            continue
        ways[settings.user, settings.host, settings.port] = None
    return ways


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
