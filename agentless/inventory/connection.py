"""From a host's `ansible_*` variables, and what the command line adds, to an Endpoint."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from dataclasses import field

from agentless.inventory.variables import Variables
from agentless.model.endpoint import INTERPRETER, Become, Endpoint
from agentless.model.problem import Problem
from agentless.model.secret import Secret
from agentless.openssh.arguments import SshArgs, parse
from agentless.openssh.names import check_host, check_user
from agentless.openssh.settings import TURNS_CHECKING_OFF
from agentless.values import dataclass

__all__ = ["Defaults", "Overrides", "resolve"]

_SSH = frozenset({"ssh", "smart", "paramiko", "paramiko_ssh"})
_SSH_ELSEWHERE = frozenset({"community.general.paramiko", "ansible.netcommon.libssh"})
_METHODS = ("sudo", "su", "doas")
_DISCOVER = frozenset({"auto", "auto_silent", "auto_legacy", "auto_legacy_silent"})
_UNHONOURED = frozenset(
    {
        "ansible_become_exe",
        "ansible_become_flags",
        "ansible_private_key",
        "ansible_private_key_passphrase",
        "ansible_ssh_executable",
        "ansible_ssh_pkcs11_provider",
        "ansible_ssh_private_key",
        "ansible_ssh_private_key_passphrase",
        "ansible_sudo_exe",
        "ansible_sudo_flags",
    }
)


@dataclass(frozen=True, slots=True)
class Defaults:
    """What is said for every host by the environment, ansible.cfg and the configuration file: it counts where neither
    variables nor the command line say anything.

    Args:
        check_host_keys: Ansible's `host_key_checking`.
        transport: the connection plugin.
        python: the interpreter, or one of Ansible's words for finding one.
    """

    user: str | None = None
    port: int | None = None
    key_file: str | None = None
    become: bool = False
    become_user: str | None = None
    become_method: str | None = None
    connect_timeout: float | None = None
    check_host_keys: bool | None = None
    ssh_args: str | None = None
    ssh_common_args: str | None = None
    ssh_extra_args: str | None = None
    transport: str | None = None
    python: str | None = None


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the command line and the prompts say for every host, and what counts where they say nothing.

    As with Ansible, variables of the inventory are stronger; `host_key_checking` alone is stronger than the inventory.

    Args:
        ssh_common_args: of the command line; `ansible_ssh_common_args` of the inventory stands above it.
        become: `-b`; a host whose inventory says `ansible_become: false` stays itself. None leaves it to the defaults.
        password, become_password: the answers to `-k` and `-K`.
        connect_timeout: seconds; None leaves it to the inventory, then to ~/.ssh/config.
        host_key_checking: `strict` or `accept-new`; None leaves it to the inventory, then to ~/.ssh/config.
        defaults: never stand in for a variable that cannot be resolved: that would be another user without a word.
    """

    user: str | None = None
    key_file: str | None = None
    become: bool | None = None
    become_user: str | None = None
    become_method: str | None = None
    ssh_common_args: str | None = None
    password: Secret | None = None
    become_password: Secret | None = None
    connect_timeout: float | None = None
    host_key_checking: str | None = None
    defaults: Defaults = field(default_factory=Defaults)

    @property
    def sender(self) -> tuple[str | None, str]:
        """As whom a job is sent: the login user, or None, and `METHOD:USER` where it becomes another, else empty."""
        become = self.defaults.become if self.become is None else self.become
        method = self.become_method or self.defaults.become_method or "sudo"
        user = self.become_user or self.defaults.become_user or "root"
        return self.user or self.defaults.user, f"{method}:{user}" if become else ""


def resolve(known: Variables, overrides: Overrides, warn: Callable[[str], None]) -> Endpoint:
    """The endpoint of one host; `Inventory.endpoint` says more."""
    known.check_vaults()
    connection = _connection(known, overrides.defaults.transport)
    if connection not in ("ssh", "local"):
        return Endpoint(name=known.host, address=known.host, problem=_no_way(known, connection))
    for unhonoured in sorted(_UNHONOURED & known.names()):
        warn(f"{unhonoured} of the inventory is not honoured")
    endpoint = Endpoint(
        name=known.host,
        address=known.host,
        local=connection == "local",
        python=_python(known, overrides.defaults.python),
        state_dir=known.directory("agentless_state_dir"),
        become=_become(known, overrides),
        spread_worker=known.text("agentless_spread_worker"),
    )
    return endpoint if endpoint.local else _with_ssh(endpoint, known, overrides, warn)


def _with_ssh(endpoint: Endpoint, known: Variables, overrides: Overrides, warn: Callable[[str], None]) -> Endpoint:
    """The same with what only SSH needs; a host on this machine is not stopped by what is wrong there."""
    defaults = overrides.defaults
    # The order of Ansible's command line, in which the first value of an option holds: ssh_args, the settings that
    # have a variable of their own, the other arguments.
    args = _ssh_args(known, overrides, warn)
    first = parse(args[0])
    late = parse(*args[1:])
    every = parse(*args)
    address, name_user = _address(known)
    user = known.text("ansible_user", "ansible_ssh_user", instead=overrides.user, option="`user`") or defaults.user
    user = first.user or user or late.user or name_user
    key_file = known.text(
        "ansible_private_key_file", "ansible_ssh_private_key_file", instead=overrides.key_file, option="`private_key`"
    )
    key_file = key_file or defaults.key_file
    key_files = [*first.key_files, *([key_file] if key_file else []), *late.key_files]
    timeout = first.connect_timeout or known.seconds("ansible_timeout", "ansible_ssh_timeout") or late.connect_timeout
    return dataclasses.replace(
        endpoint,
        address=address,
        port=first.port or known.number("ansible_port", "ansible_ssh_port") or defaults.port or late.port,
        user=user,
        password=known.secret(
            "ansible_password",
            "ansible_ssh_pass",
            "ansible_ssh_password",
            instead=overrides.password,
            option="`password`",
        ),
        key_files=tuple(os.path.expanduser(path) for path in key_files),
        options=every.options,
        config_file=every.config_file,
        connect_timeout=timeout or overrides.connect_timeout or defaults.connect_timeout,
        host_key_checking=overrides.host_key_checking or _host_key_checking(known, defaults, first, late, warn),
        problem=_unfit_names(known, address, user),
    )


def _unfit_names(known: Variables, address: str, user: str | None) -> Problem | None:
    """What ssh would refuse: such a name could run a command in ProxyCommand, or in `Match exec`, of ~/.ssh/config."""
    try:
        variable = known.written_as("ansible_host", "ansible_ssh_host")
        check_host(address)
        variable = known.written_as("ansible_user", "ansible_ssh_user")
        check_user(user or "")
    except ValueError as fault:
        error = known.error(variable, f"{known.host}: {fault}")
        return Problem("inventory", error.message, f"Mend {variable}, or the host's name in the inventory.")
    return None


def _ssh_args(known: Variables, overrides: Overrides, warn: Callable[[str], None]) -> tuple[str, str, str]:
    """`ssh_args`, `ssh_common_args` and `ssh_extra_args`, each as the host, the command line or the defaults say."""
    texts = []
    defaults = overrides.defaults
    for variable, given, default in (
        ("ansible_ssh_args", None, defaults.ssh_args),
        ("ansible_ssh_common_args", overrides.ssh_common_args, defaults.ssh_common_args),
        ("ansible_ssh_extra_args", None, defaults.ssh_extra_args),
    ):
        text = known.text(variable, instead=given, option="`ssh_common_args`" if given else "")
        origin = "ansible.cfg" if text is None else "the inventory"
        text = default or "" if text is None else text
        try:
            args = parse(text)
        except ValueError as error:
            raise known.error(variable, f"{variable} cannot be read: {error}") from None
        for ignored in args.ignored:
            warn(f"{ignored}: this ssh argument of {origin} is not honoured")
        texts.append(text)
    return texts[0], texts[1], texts[2]


def _address(known: Variables) -> tuple[str, str | None]:
    """What to connect to, and the user that a name such as `ec2-user@203.0.113.7` carries: ssh reads it so."""
    address = known.text("ansible_host", "ansible_ssh_host") or known.host
    user, at, rest = address.rpartition("@")
    if rest.startswith("[") and rest.endswith("]"):
        rest = rest[1:-1]
    return rest, user if at and user else None


def _connection(known: Variables, default: str | None) -> str:
    """`ssh`, `local`, or the name of a plugin that nothing here stands in for."""
    connection = known.text("ansible_connection") or default or "ssh"
    plugin = connection.removeprefix("ansible.builtin.").removeprefix("ansible.legacy.")
    return "ssh" if plugin in _SSH or connection in _SSH_ELSEWHERE else plugin


def _no_way(known: Variables, connection: str) -> Problem:
    """One host of another kind shall not keep the others from being served: it is told as that host's problem."""
    error = known.error(
        "ansible_connection", f"ansible_connection {connection!r} of {known.host} is not supported: ssh and local are"
    )
    hint = f"Leave such hosts out of the target, by name or by their group: 'all:!{known.host}', 'all:!windows'."
    return Problem("inventory", error.message, hint)


def _python(known: Variables, default: str | None) -> str | None:
    variable = "ansible_python_interpreter"
    python = known.text(variable) or default
    if python is None or python in _DISCOVER:
        return None
    if not INTERPRETER.fullmatch(python):
        message = f"{variable} {python!r} of {known.host} holds characters that a login shell may change"
        raise known.error(variable, message, "Give it a link with a plain name, or leave it out: one is looked for.")
    return python


def _become(known: Variables, overrides: Overrides) -> Become | None:
    becomes = known.boolean("ansible_become")
    defaults = overrides.defaults
    if becomes is None:
        becomes = defaults.become if overrides.become is None else overrides.become
    if not becomes:
        return None
    method = known.text("ansible_become_method", instead=overrides.become_method) or defaults.become_method or "sudo"
    method = method.removeprefix("ansible.builtin.").removeprefix("community.general.")
    if method not in _METHODS:
        raise known.error("ansible_become_method", f"become method {method!r} is not supported: sudo, su and doas are")
    names = ("ansible_become_user", f"ansible_{method}_user")
    user = known.text(*names, instead=overrides.become_user, option="`become_user`")
    password = known.secret(
        "ansible_become_password",
        "ansible_become_pass",
        f"ansible_{method}_pass",
        instead=overrides.become_password,
        option="`become_password`",
    )
    user = user or defaults.become_user or "root"
    try:
        check_user(user)
    except ValueError:
        variable = known.written_as(*names)
        message = f"become user {user!r} of {known.host} is no name that {method} could be given"
        raise known.error(variable, message, f"Mend {variable}, or `become_user`.") from None
    return Become(method, user, password)


def _host_key_checking(
    known: Variables, defaults: Defaults, first: SshArgs, late: SshArgs, warn: Callable[[str], None]
) -> str | None:
    variable = known.boolean("ansible_host_key_checking", "ansible_ssh_host_key_checking")
    off = (defaults.check_host_keys if variable is None else variable) is False
    option = first.value("stricthostkeychecking") or ("no" if off else late.value("stricthostkeychecking")) or ""
    option = option.lower()
    if option in TURNS_CHECKING_OFF:
        origin = "ansible.cfg" if off and variable is None else "the inventory"
        warn(f"{origin} turns host key checking off: new keys are accepted here, changed ones are still refused")
        return "accept-new"
    if option == "accept-new":
        return option
    return "strict" if option or variable else None
