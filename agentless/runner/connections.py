"""The connections that are kept: what there is, and letting go of it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from agentless.errors import HostError, InventoryError, TargetError
from agentless.model.connections import Connections, KeptConnection
from agentless.model.endpoint import Endpoint
from agentless.openssh.settings import Settings
from agentless.runner.parts import Parts
from agentless.transport.keeper.greeting import held, let_go
from agentless.transport.keeper.messages import HeldAll

__all__ = ["close", "kept"]


def kept(parts: Parts, target: str | None = None) -> Connections:
    """The connections that the next operation would ride; with a target or a `limit`, those to its hosts.

    Those of the keeper, and the living masters of ssh that the inventory's hosts, or the bastions before them, have.
    """
    everything, ways = _connections(held()), _ways(parts, target)
    chosen = [one for one in everything.connections if ways is None or (one.user, one.host, one.port) in ways]
    return Connections(everything.keeper, (*chosen, *_masters(parts, target)))


def _masters(parts: Parts, target: str | None) -> Iterator[KeptConnection]:
    try:
        endpoints = parts.selection.endpoints(target)
    except (InventoryError, TargetError):
        # Whom a keeper has connections to can be told without an inventory.
        return
    # Many hosts share a bastion, whose master is asked once.
    living = cache(parts.connector.masters.living)
    names: dict[tuple[Path, Settings], list[str]] = {}
    for name, settings in _settings(parts, endpoints):
        hop: Settings | None = settings
        while hop is not None:
            if (path := living(hop)) is not None:
                names.setdefault((path, hop), []).append(name)
                break
            hop = hop.bastion
    for (path, hop), led_to in names.items():
        yield KeptConnection("master", tuple(led_to), hop.user, hop.host, hop.port, socket=os.fspath(path))


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
    all_settings = _settings(parts, parts.selection.endpoints(target))
    return {(settings.user, settings.host, settings.port): None for _, settings in all_settings}


def _settings(parts: Parts, endpoints: Mapping[str, Endpoint]) -> Iterator[tuple[str, Settings]]:
    """How each host is connected to over ssh, without those that nothing can be kept for."""
    for name, endpoint in endpoints.items():
        if endpoint.local or endpoint.problem is not None:
            continue
        with suppress(HostError):
            yield name, parts.connector.resolver.settings(endpoint)


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
