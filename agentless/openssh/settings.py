"""Settings: how to connect to one host, made of what is given, then of ~/.ssh/config, then of the defaults."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from agentless.model.secret import Secret
from agentless.openssh.jumps import Jump, Way, jump_of_command, parse_jumps, way
from agentless.openssh.known_hosts import lookup_name
from agentless.openssh.names import check_host, check_user
from agentless.openssh.syntax import connect_timeout, port_number
from agentless.openssh.tokens import OF_COMMANDS, connection_hash, expand, expand_path, table
from agentless.values import dataclass

__all__ = ["CONNECT_TIMEOUT", "TURNS_CHECKING_OFF", "Settings", "moved", "resolve"]

# Seconds, where nothing says otherwise.
CONNECT_TIMEOUT = 10.0
# StrictHostKeyChecking (ssh_config(5)): with these, ssh connects even to a host whose key has changed.
TURNS_CHECKING_OFF = ("no", "off", "false")
_YES = ("yes", "true")
_NO = ("no", "false")


@dataclass(frozen=True, slots=True)
class Settings:
    """How to connect to one host. Hashable: two hosts with equal settings of their bastion share it.

    Args:
        host, port, user: where to, and as whom.
        key_name: the name in known_hosts, `[host]:port` where the port is not 22, or HostKeyAlias.
        plain_name: the host's name without its port, for lines that leave it out; empty with HostKeyAlias.
        known_hosts: the user's files, the first of which `accept-new` writes to, then the system's.
        user_files: how many of `known_hosts` are the user's.
        revoked_host_keys: files of keys that no host may show: public keys, a line each, or a KRL. While one cannot be
            read, every key is refused.
        accept_new: whether an unknown host's key is taken; a changed one never is.
        may_ask: whether a person may be asked to take it: nothing says that checking is strict. It is no part of how to
            connect.
        hash_names: whether names are written hashed.
        identities: private key files (or `.pub` files of keys in the agent) that are named, in order.
        certificates: certificates that are named.
        default_identities: keys that ssh tries where none is named.
        identities_only: leave alone the agent's keys that no file names.
        agent: the agent's socket; None takes the environment's, empty none.
        methods: the authentication methods that may be tried, of `publickey`, `password`, `keyboard-interactive`.
        password: for the methods that want one; None has none.
        jumps: the hops before the host as they are written, the first one first.
        bastion: the last of them; None where the host is reached directly, or by a command.
        proxy_command: a command to reach the host through, tokens expanded.
        control_paths: sockets at which a master of ssh may listen: that of ControlPath, and where it has `%C` and the
            host a ProxyJump, what releases of ssh before 9.6 make of it.
        masters_user: as whom ssh by itself logs in, where that is another user with the same `control_paths`: a master
            there may be theirs. Else empty.
        connect_timeout: seconds for every phase of connecting together.
        family, bind: AddressFamily, BindAddress.
        host_key_algorithms, key_algorithms, kex_algorithms, ciphers, macs: as written; empty takes the defaults.
    """

    host: str
    port: int
    user: str
    key_name: str
    plain_name: str
    known_hosts: tuple[str, ...]
    user_files: int
    revoked_host_keys: tuple[Path, ...]
    accept_new: bool
    may_ask: bool
    hash_names: bool
    identities: tuple[str, ...]
    certificates: tuple[str, ...]
    default_identities: tuple[str, ...]
    identities_only: bool
    agent: str | None
    methods: tuple[str, ...]
    password: Secret | None
    jumps: tuple[Jump, ...]
    bastion: Settings | None
    proxy_command: str | None
    control_paths: tuple[str, ...]
    masters_user: str
    connect_timeout: float
    family: str
    bind: str | None
    host_key_algorithms: str
    key_algorithms: str
    kex_algorithms: str
    ciphers: str
    macs: str


def resolve(
    options: Mapping[str, Sequence[str]],
    given: Jump,
    *,
    local_user: str,
    home: Path,
    host_key_checking: str | None = None,
) -> Settings:
    """Settings from what is given and what the configuration says; its bastion is for the caller to find.

    Args:
        options: what `SshConfig.lookup` returns.
        given: the host, and what stands above every file.
        local_user: who runs this, and logs in where nothing names a user.
        host_key_checking: `strict` or `accept-new`; None follows StrictHostKeyChecking, else it is `strict`.

    Raises:
        ValueError: an option's value makes no sense; the message names both.
    """

    def text(keyword: str, default: str = "") -> str:
        return options[keyword][0] if keyword in options else default

    def yes(keyword: str) -> bool:
        return text(keyword).lower() in _YES

    def paths(files: Sequence[str]) -> tuple[str, ...]:
        expanded = (expand_path(file, tokens, str(home)) for file in files)
        return tuple(dict.fromkeys(file for file in expanded if file))

    host = check_host(text("hostname", given.host))
    port = given.port or port_number(text("port", "22"))
    user_by_itself = text("user", local_user)
    user = check_user(given.user or user_by_itself)
    alias = text("hostkeyalias")
    route = way(options)
    if "%k" in route.value:
        check_host(alias)
    tokens_of = partial(
        table,
        home=str(home),
        local_user=local_user,
        name=given.host,
        host=host,
        port=port,
        alias=alias or given.host,
        jump=route.bastion,
    )
    tokens = tokens_of(user=user)
    user_files = paths(options.get("userknownhostsfile", _USER_FILES))
    system_files = tuple(
        os.path.expanduser(file)
        for file in options.get("globalknownhostsfile", _SYSTEM_FILES)
        if file.lower() != "none"
    )
    identities = (*given.key_files, *options.get("identityfile", ()))
    control_path = text("controlpath", "none")
    control_paths = _control_paths(control_path, tokens, str(home))
    shared = (
        bool(control_paths)
        and user != user_by_itself
        and control_paths == _control_paths(control_path, tokens_of(user=user_by_itself), str(home))
    )
    jumps, proxy_command = _way(route, given.config_file, {token: tokens[token] for token in OF_COMMANDS}, host, port)
    checking = host_key_checking or text("stricthostkeychecking", "ask").lower()
    return Settings(
        host=host,
        port=port,
        user=user,
        key_name=alias.lower() if alias else lookup_name(host, port),
        plain_name="" if alias else host.lower(),
        known_hosts=user_files + system_files,
        user_files=len(user_files),
        revoked_host_keys=tuple(Path(file) for file in paths(options.get("revokedhostkeys", ()))),
        accept_new=checking == "accept-new" or checking in TURNS_CHECKING_OFF,
        may_ask=checking == "ask",
        hash_names=yes("hashknownhosts"),
        identities=paths(identities),
        certificates=paths(options.get("certificatefile", ())),
        default_identities=() if identities else tuple(str(home / ".ssh" / f"id_{kind}") for kind in _KINDS),
        identities_only=yes("identitiesonly"),
        agent=_agent(text("identityagent"), tokens, str(home)),
        methods=_methods(text),
        password=None,
        jumps=jumps,
        bastion=None,
        proxy_command=proxy_command,
        control_paths=control_paths,
        masters_user=user_by_itself if shared else "",
        connect_timeout=connect_timeout(text("connecttimeout", "none")) or CONNECT_TIMEOUT,
        family=text("addressfamily", "any").lower(),
        bind=text("bindaddress") or None,
        host_key_algorithms=text("hostkeyalgorithms"),
        key_algorithms=text("pubkeyacceptedalgorithms"),
        kex_algorithms=text("kexalgorithms"),
        ciphers=text("ciphers"),
        macs=text("macs"),
    )


def moved(settings: Settings, home: str, to: str) -> Settings:
    """The settings as another process has them, whose home is another one: files below `home` are those below `to`."""
    if home == to:
        return settings

    def path(file: str) -> str:
        return to + file[len(home) :] if file.startswith(f"{home}/") else file

    def paths(files: Sequence[str]) -> tuple[str, ...]:
        return tuple(map(path, files))

    return replace(
        settings,
        known_hosts=paths(settings.known_hosts),
        revoked_host_keys=tuple(Path(path(str(file))) for file in settings.revoked_host_keys),
        identities=paths(settings.identities),
        certificates=paths(settings.certificates),
        default_identities=paths(settings.default_identities),
        agent=settings.agent and path(settings.agent),
        control_paths=paths(settings.control_paths),
        bastion=settings.bastion and moved(settings.bastion, home, to),
    )


def _way(
    route: Way, config_file: str | None, tokens: Mapping[str, str], host: str, port: int
) -> tuple[tuple[Jump, ...], str | None]:
    """The hops to the host, or the command that reaches it."""
    value = expand(route.value, tokens)
    if route.keyword == "proxyjump":
        # ssh hands -F on to the ssh that it starts for a jump, and nothing else.
        return parse_jumps(value, config_file), None
    if route.keyword == "proxycommand":
        hop = jump_of_command(value, host, port)
        return ((hop,), None) if hop else ((), value)
    return (), None


def _control_paths(value: str, tokens: Mapping[str, str], home: str) -> tuple[str, ...]:
    former = connection_hash(*(tokens[token] for token in ("%l", "%h", "%p", "%r")))
    paths = (expand_path(value, table, home) for table in (tokens, {**tokens, "%C": former}))
    return tuple(dict.fromkeys(path for path in paths if path))


_USER_FILES = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
_SYSTEM_FILES = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
_KINDS = ("ed25519", "ecdsa", "rsa", "ed25519_sk", "ecdsa_sk")
_METHODS = ("publickey", "keyboard-interactive", "password")


def _agent(value: str, tokens: Mapping[str, str], home: str) -> str | None:
    if not value or value == "SSH_AUTH_SOCK":
        return None
    if value.startswith("$") and not value.startswith("${"):
        socket = os.path.expandvars(value)
        return "" if socket == value else socket
    return expand_path(value, tokens, home)


def _methods(text: Callable[..., str]) -> tuple[str, ...]:
    preferred = [method for method in text("preferredauthentications").lower().split(",") if method]
    allowed = {
        "publickey": text("pubkeyauthentication", "yes").lower() not in _NO,
        "password": text("passwordauthentication", "yes").lower() not in _NO,
        "keyboard-interactive": text("kbdinteractiveauthentication", "yes").lower() not in _NO,
    }
    return tuple(method for method in preferred or _METHODS if allowed.get(method))
