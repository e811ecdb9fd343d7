"""What the verbs work with: settings, hosts, job cache, connections; each part is made when it is first needed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from agentless import config as configuration
from agentless.cache import JobCache
from agentless.config import Config
from agentless.errors import AgentlessError
from agentless.inventory import Overrides, ansible_cfg
from agentless.inventory.ansible_cfg import AnsibleSettings
from agentless.inventory.layers import defaults, vault
from agentless.inventory.search import Sources, search
from agentless.inventory.selection import Selection
from agentless.model.endpoint import Endpoint
from agentless.model.new_key import NewKey
from agentless.model.requests import Caller
from agentless.model.secret import Secret
from agentless.runner.recorded import recorded
from agentless.values import dataclass

# Listing jobs is not to wait for what contacts hosts.
if TYPE_CHECKING:
    from concurrent.futures import Executor

    from agentless.runner.contact import Contact, Watch
    from agentless.runner.dispatcher import Dispatcher
    from agentless.runner.spread import Spread
    from agentless.transport.host_connector import HostConnector
    from agentless.transport.keeper.client import KeeperClient

__all__ = ["Parts"]


@dataclass(frozen=True, eq=False)
class Parts:
    """The parts of one fleet, which its verbs share.

    Args:
        config: the configuration.
        given: what the caller said about connections.
        inventories: those that the caller named; None looks for one.
        limit, extra_vars, vault_ids, ask, warn, note, watch, trust, step: as of `Fleet`.
        forks: calls in flight at once; None leaves it to the settings.
        spread: where hosts are contacted from; None leaves it to the configuration.
        executor: contacts hosts instead of that.
        keep: seconds for which connections are kept after their last use; 0 keeps none.
    """

    config: Config
    given: Overrides
    inventories: Sources | None
    limit: str | None
    forks: int | None
    extra_vars: Sequence[str]
    vault_ids: Sequence[str]
    ask: Callable[[str], Secret | None]
    warn: Callable[[str], None]
    note: Callable[[str], None]
    watch: Watch
    keep: float
    trust: Callable[[Sequence[NewKey]], bool] | None = None
    spread: str | None = None
    executor: Executor | None = None
    step: Callable[[str], None] = lambda line: None

    @cached_property
    def user(self) -> str:
        """Who acts here."""
        return configuration.account()[0]

    @property
    def controller(self) -> str:
        """`USER@CONTROLLER`, in whose name hosts are asked; the controller's own fires draw their splays for it."""
        return f"{self.user}@{os.uname().nodename}"

    @cached_property
    def ansible(self) -> AnsibleSettings:
        """Ansible's own settings; raises ConfigError."""
        return ansible_cfg.load(configuration.environment(), Path())

    @cached_property
    def selection(self) -> Selection:
        """The hosts of a target."""
        if self.config.source:
            self.note(f"configuration: {self.config.source}")
        return Selection(
            self._sources,
            replace(self.given, defaults=defaults(self.ansible, self.config)),
            self.limit,
            lambda word: recorded(self.cache, word),
            self.warn,
            vault(self.ansible, self.vault_ids, self.ask),
            self.extra_vars,
            self.ansible,
            self.note,
            self.ask,
        )

    def _sources(self) -> Sources:
        if self.inventories is not None:
            return self.inventories
        environ, users = configuration.environment(), configuration.config_dir()
        return search(environ, Path(), self.ansible, self.config.inventory, users)

    @cached_property
    def cache(self) -> JobCache:
        """The jobs that this controller knows."""
        return JobCache(
            configuration.cache_dir() / "jobs",
            keep_jobs=self.config.keep_jobs,
            max_bytes=self.config.max_cache_size,
            returners=self.config.returner,
            warn=self.warn,
        )

    def _keeper(self) -> KeeperClient | None:
        if self.keep <= 0:
            self.note("connections are not kept for the next command: `keep=60` and the like keep them")
            return None
        from agentless.transport.keeper.client import KeeperClient

        return KeeperClient(
            self.keep,
            ask=self.ask,
            warn=self.warn,
            explain=self.note,
            note=self.note,
            environ=configuration.environment(),
        )

    @cached_property
    def connector(self) -> HostConnector:
        """Connects to hosts."""
        from agentless.transport.host_connector import HostConnector

        return HostConnector(ask=self.ask, warn=self.warn, keeper=self._keeper(), note=self.note, step=self.step)

    @cached_property
    def contact(self) -> Contact:
        """Asks hosts."""
        from agentless.runner.contact import Contact

        forks = self.forks or self.ansible.forks or self.config.forks
        meet: Callable[[Mapping[str, Endpoint]], None] = lambda endpoints: None  # noqa: E731
        # Workers on other machines have known hosts of their own.
        if self.trust is not None and not self.spreading.remote:
            from agentless.runner.first_contact import FirstContact

            meet = FirstContact(self.connector, forks, self.watch, self.trust).meet
        return Contact(
            self.connector,
            self.cache,
            forks,
            Caller(self.controller, self.config.keep_returns, self.config.keep_bytes),
            self.config.output_cap,
            self.selection.learned,
            self.selection.sent_alike,
            self.watch,
            meet=meet,
            spread=self.spreading,
        )

    @cached_property
    def spreading(self) -> Spread:
        """Carries calls out in other processes."""
        from agentless.runner.spread import Spread

        return Spread(self.spread or self.config.spread, self.executor, ask=self.ask, warn=self.warn)

    @cached_property
    def dispatcher(self) -> Dispatcher:
        """Sends jobs."""
        from agentless.runner.dispatcher import Dispatcher

        return Dispatcher(self.contact, self.selection, self.user, self.check_returners, self.config.keep_sent)

    # --- returners ---
    def check_returners(self, names: Sequence[str]) -> None:
        """Find out before a job is sent whether it can be said where its returns go; nobody is contacted.

        Args:
            names: besides those that get every job.

        Raises:
            UsageError: a name is unknown or given twice, or what says how its returner is reached cannot be read.
        """
        every = {*self.config.check_returners(names), *self.config.returner}
        if not every:
            return
        from agentless.returners.delivery import check

        for name in every:
            check(self.config.returners[name], configuration.environment())

    def deliver(self) -> None:
        """Hand over to returners what they have not had, where hosts were contacted; who takes nothing is told."""
        if "contact" not in self.__dict__:
            return
        config, environ = self.config, configuration.environment()
        source = config.source or "the configuration"
        try:
            # As a rule there are none, and what pays them is not loaded.
            if next(self.cache.debts(), None) is None:
                return
            from agentless.returners.delivery import ReturnDelivery

            ReturnDelivery(self.cache, config.returners, source, environ, self.warn, self.note).run()
        except AgentlessError as error:
            self.warn(f"nothing was handed over to returners: {error.message}")

    def close(self) -> None:
        """Let go of connections; what needs one afterwards opens it anew."""
        connector = self.__dict__.pop("connector", None)
        spreading = self.__dict__.pop("spreading", None)
        for part in ("contact", "dispatcher"):
            self.__dict__.pop(part, None)
        if spreading is not None:
            spreading.close()
        if connector is not None:
            connector.close()
