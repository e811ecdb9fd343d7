"""The Settings of each host: what inventory and command line give, with ~/.ssh/config and the defaults below."""

from __future__ import annotations

import errno
import functools
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from agentless.config import account
from agentless.errors import Refused, Unreachable
from agentless.model.endpoint import Endpoint
from agentless.openssh.config_file import SshConfig
from agentless.openssh.jumps import Jump
from agentless.openssh.names import canonical_name, check_host, check_user
from agentless.openssh.settings import CONNECT_TIMEOUT, TURNS_CHECKING_OFF, Settings, resolve

__all__ = ["Resolver"]

_NO_FILES = "none"


class Resolver:
    """Makes Settings of endpoints, one at a time as they are connected to. Thread safe.

    Files are read once, commands of `Match exec` run once, and a bastion is resolved once for all hosts behind it.

    Args:
        warn: shows a line about what the configuration asks for and is not done here.
        home: whose `.ssh` is read; the user's by default.
        system_config: the system's ssh_config, read after the user's.
    """

    def __init__(
        self,
        *,
        warn: Callable[[str], None] = lambda line: None,
        home: Path | None = None,
        system_config: Path = Path("/etc/ssh/ssh_config"),
    ) -> None:
        self._home = home or Path.home()
        self._user = account()[0]
        self._system_config = system_config
        self._warn = warn
        self._lock = threading.Lock()
        self._configs: dict[str | None, SshConfig] = {}
        self._bastions: dict[tuple[tuple[Jump, ...], str | None], Settings] = {}
        self._canonical: dict[tuple[str, str], str] = {}
        self._told_of_checking = False

    def settings(self, endpoint: Endpoint) -> Settings:
        """How to connect to a host: what the endpoint gives, then the configuration, then the defaults.

        Raises:
            Refused: `inventory`: what is given, or what the configuration says about the host, makes no sense.
            Unreachable: `resolve`, where names are to be canonicalized (ssh_config(5), CanonicalizeHostname).
        """
        deadline = time.monotonic() + (endpoint.connect_timeout or CONNECT_TIMEOUT)
        user, _, name = endpoint.address.rpartition("@")
        name = name[1:-1] if name[:1] == "[" and name[-1:] == "]" else name
        given = Jump(
            name,
            endpoint.user or user or None,
            endpoint.port,
            endpoint.key_files,
            endpoint.options,
            endpoint.config_file,
        )
        checking = endpoint.host_key_checking
        settings = self._with_bastion(self._of(given, checking, deadline), checking, deadline, ())
        timeout = endpoint.connect_timeout or settings.connect_timeout
        return replace(settings, password=endpoint.password, connect_timeout=timeout)

    def _of(self, given: Jump, checking: str | None, deadline: float) -> Settings:
        """The settings of a host or a hop; those of its own bastion are not looked up yet."""
        try:
            check_host(given.host)
            check_user(given.user or "")
            options = self._config(given.config_file).lookup(
                given.host,
                given.options,
                user=given.user,
                port=given.port,
                look_up=functools.partial(self._look_up, deadline=deadline),
            )
            settings = resolve(options, given, local_user=self._user, home=self._home, host_key_checking=checking)
        except (ValueError, OSError) as problem:
            file = given.config_file or f"{self._home}/.ssh/config"
            raise Refused(
                "inventory",
                f"{given.host}: its SSH options cannot be read: {problem}",
                f"Mend {file}, or what the inventory's ansible_ssh_common_args and the like say.",
            ) from problem
        if checking is None and options.get("stricthostkeychecking", ("",))[0].lower() in TURNS_CHECKING_OFF:
            self._tell_of_checking(given.host)
        return settings

    def _tell_of_checking(self, name: str) -> None:
        with self._lock:
            was_told, self._told_of_checking = self._told_of_checking, True
        if not was_told:
            self._warn(
                f"StrictHostKeyChecking is off for {name}, and perhaps for others: "
                "new keys are accepted here, changed ones are still refused"
            )

    def _config(self, file: str | None) -> SshConfig:
        """The user's configuration and the system's, or the one in their stead."""
        with self._lock:
            if file not in self._configs:
                files = [self._home / ".ssh" / "config", self._system_config]
                if file is not None:
                    files = [] if file == _NO_FILES else [Path(file).expanduser()]
                    if not all(path.exists() for path in files):
                        raise FileNotFoundError(errno.ENOENT, "there is no such file", file)
                self._configs[file] = SshConfig(files, self._home, self._user, self._warn)
            return self._configs[file]

    def _look_up(self, name: str, family: str, *, deadline: float) -> str | None:
        """Where a name leads, looked up once for all hosts behind one bastion."""
        key = (name, family)
        if key not in self._canonical:
            target = canonical_name(name, family, deadline)
            if target is None:  # perhaps only now
                return None
            self._canonical[key] = target
        return self._canonical[key]

    def _with_bastion(
        self, settings: Settings, checking: str | None, deadline: float, trail: tuple[tuple[Jump, ...], ...]
    ) -> Settings:
        """The settings with those of the hop that the host stands behind.

        Args:
            trail: the ways that are being resolved, of which each needs the next.
        """
        jumps = settings.jumps
        if not jumps:
            return settings
        if jumps in trail:
            raise Unreachable(
                "connect", f"bastion {jumps[-1].host} is reached through itself", "Mend ProxyJump in ~/.ssh/config."
            )
        bastion = self._bastions.get((jumps, checking))
        if bastion is None:
            *before, last = jumps
            if before:
                # As ssh starts another ssh for it, with `-J` for the hops before.
                last = replace(last, options=(("proxyjump", (",".join(map(str, before)),)),))
            bastion = self._of(last, checking, deadline)
            if not before and any(jump.host == last.host for jump in bastion.jumps):
                # A `Host *` block with ProxyJump speaks of the bastion too, which is not its own way to itself.
                bastion = replace(bastion, jumps=())
            if (bastion.host, bastion.port) != (settings.host, settings.port):
                bastion = self._with_bastion(bastion, checking, deadline, (*trail, jumps))
                self._bastions[jumps, checking] = bastion
        itself = (bastion.host, bastion.port) == (settings.host, settings.port)
        return settings if itself else replace(settings, bastion=bastion)
