"""First contact: the keys of all hosts that nobody knows are gathered, and a person is asked about them once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from agentless.errors import HostError
from agentless.model.endpoint import Endpoint
from agentless.model.new_key import NewKey
from agentless.openssh.known_hosts import UnknownHostKey
from agentless.openssh.settings import Settings
from agentless.runner.events import next_of

if TYPE_CHECKING:
    from agentless.runner.contact import Watch
    from agentless.transport.host_connector import HostConnector

__all__ = ["FirstContact"]

# Behind a bastion that was unknown there may be another: each is met with the question about it.
_ROUNDS = 4


class FirstContact:
    """Meets hosts before a command contacts them; each once.

    Args:
        connector: knows who is unknown, and sees keys.
        forks: hosts that are looked at at once.
        watch: as of `Contact`.
        trust: asked whether these keys are to be added; it is what `accept-new` means, and never about changed ones.
    """

    def __init__(
        self, connector: HostConnector, forks: int, watch: Watch, trust: Callable[[Sequence[NewKey]], bool]
    ) -> None:
        self._connector = connector
        self._forks = forks
        self._watch = watch
        self._trust = trust
        self._met: set[str] = set()

    def meet(self, endpoints: Mapping[str, Endpoint]) -> None:
        """Ask about the unknown machines on the way to these hosts, and write down those that are trusted.

        Whatever fails is left to who contacts the host, and says it then.
        """
        new = {name: endpoint for name, endpoint in endpoints.items() if name not in self._met}
        self._met |= new.keys()
        for _ in range(_ROUNDS):
            unknown: dict[tuple[object, ...], tuple[Settings, list[str]]] = {}
            for name, endpoint in new.items():
                settings = self._connector.unknown(endpoint)
                if settings is not None:
                    place = (settings.key_name, settings.host, settings.port, settings.known_hosts, settings.bastion)
                    unknown.setdefault(place, (settings, []))[1].append(name)
            if not unknown or not self._ask(list(unknown.values())):
                return

    def _ask(self, unknown: Sequence[tuple[Settings, list[str]]]) -> bool:
        """Whether any machine became known."""
        seen = self._look(unknown)
        if not seen:
            return False
        keys = [NewKey(hosts, key.address, key.type, key.fingerprint) for _, hosts, key in seen]
        if not self._trust(keys):
            return False
        for settings, _, key in seen:
            try:
                self._connector.trust(settings, key)
            except HostError:
                # Another key is known by now, or there is no room: the contact says so.
                continue
        return True

    def _look(
        self, unknown: Sequence[tuple[Settings, list[str]]]
    ) -> list[tuple[Settings, tuple[str, ...], UnknownHostKey]]:
        """The keys that they show, in the order of the hosts."""
        places = {hosts[0]: (settings, hosts) for settings, hosts in unknown}
        left = dict.fromkeys(places)
        to_see: SimpleQueue[str] = SimpleQueue()
        seen: SimpleQueue[tuple[str, UnknownHostKey | None]] = SimpleQueue()
        for name in places:
            to_see.put(name)

        def look() -> None:
            with suppress(Empty):
                while True:
                    name = to_see.get_nowait()
                    try:
                        key = self._connector.offered(places[name][0])
                    except Exception:  # noqa: BLE001  who contacts the host says what is wrong
                        key = None
                    seen.put((name, key))

        keys: dict[str, UnknownHostKey] = {}
        with self._watch(lambda: tuple(left), len(left)):
            for _ in range(min(self._forks, len(places))):
                # Nobody waits for them: who is interrupted is not to wait for hosts that are silent.
                threading.Thread(target=look, daemon=True).start()
            while left:
                name, offered = next_of(seen)
                del left[name]
                if offered is not None:
                    keys[name] = offered
        return [(settings, tuple(hosts), keys[name]) for name, (settings, hosts) in places.items() if name in keys]
