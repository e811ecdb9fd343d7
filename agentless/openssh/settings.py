"""What OpenSSH's options add up to for one host: the inventory's first, then ~/.ssh/config, then the defaults."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agentless.openssh.jumps import Jump, Way, jump_of_command, parse_jumps, way
from agentless.openssh.known_hosts import lookup_name
from agentless.openssh.tokens import OF_COMMANDS, expand, expand_path, table
from agentless.openssh.words import port_number

__all__ = ["Settings", "resolve"]

# ssh_config(5): the values that accept a key that is not known yet.
_LAX = ("accept-new", "no", "off", "false", "ask")
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
        accept_new: whether an unknown host's key is taken.
        hash_names: whether names are written hashed.
        identities: private key files (or `.pub` files of keys in the agent) that were asked for, in order.
        certificates: certificates that were asked for.
        default_identities: keys that ssh tries where none was asked for.
        identities_only: leave alone the agent's keys that no file names.
        agent: the agent's socket; None takes the environment's, empty none.
        methods: the authentication methods that may be tried, of `publickey`, `password`, `keyboard-interactive`.
        jumps: the hops before the host, the first one first.
        proxy_command: a command to reach the host through, tokens expanded.
        family, bind: AddressFamily, BindAddress.
        host_key_algorithms, key_algorithms, kex_algorithms, ciphers, macs: as written; empty where not said.
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
    hash_names: bool
    identities: tuple[str, ...]
    certificates: tuple[str, ...]
    default_identities: tuple[str, ...]
    identities_only: bool
    agent: str | None
    methods: tuple[str, ...]
    jumps: tuple[Jump, ...]
    proxy_command: str | None
    family: str
    bind: str | None
    host_key_algorithms: str
    key_algorithms: str
    kex_algorithms: str
    ciphers: str
    macs: str


def resolve(
    found: Mapping[str, Sequence[str]], *, name: str, default_user: str, accept_new: bool, home: Path
) -> Settings:
    """Settings from what the configuration says about `name`.

    Args:
        found: what `SshConfig.lookup` says.
        name: the address that was asked for.
        default_user: where nothing names a user.
        accept_new: what was asked for; `StrictHostKeyChecking` is followed only where it is stricter.
        home: the user's home directory.

    Raises:
        ValueError: an option's value makes no sense; the message names both.
    """

    def text(keyword: str, default: str = "") -> str:
        return found[keyword][0] if keyword in found else default

    def yes(keyword: str) -> bool:
        return text(keyword).lower() in _YES

    def paths(keyword: str, default: Sequence[str] = ()) -> tuple[str, ...]:
        expanded = (expand_path(file, tokens, str(home)) for file in found.get(keyword, default))
        return tuple(dict.fromkeys(file for file in expanded if file))

    host = text("hostname", name)
    port = port_number(text("port", "22"))
    user = text("user", default_user)
    alias = text("hostkeyalias")
    route = way(found)
    tokens = table(
        home=str(home),
        local_user=default_user,
        name=name,
        host=host,
        port=port,
        user=user,
        alias=alias or name,
        jump=route.bastion,
    )
    user_files = paths("userknownhostsfile", _USER_FILES)
    system_files = tuple(
        os.path.expanduser(file) for file in found.get("globalknownhostsfile", _SYSTEM_FILES) if file.lower() != "none"
    )
    asked_for = "identityfile" in found
    jumps, proxy_command = _way(route, found, {token: tokens[token] for token in OF_COMMANDS}, host, port)
    return Settings(
        host=host,
        port=port,
        user=user,
        key_name=alias.lower() if alias else lookup_name(host, port),
        plain_name="" if alias else host.lower(),
        known_hosts=user_files + system_files,
        user_files=len(user_files),
        revoked_host_keys=tuple(Path(file) for file in paths("revokedhostkeys")),
        accept_new=accept_new and text("stricthostkeychecking", "accept-new").lower() in _LAX,
        hash_names=yes("hashknownhosts"),
        identities=paths("identityfile"),
        certificates=paths("certificatefile"),
        default_identities=() if asked_for else tuple(str(home / ".ssh" / f"id_{kind}") for kind in _KINDS),
        identities_only=yes("identitiesonly"),
        agent=_agent(text("identityagent"), tokens, str(home)),
        methods=_methods(text),
        jumps=jumps,
        proxy_command=proxy_command,
        family=text("addressfamily", "any").lower(),
        bind=text("bindaddress") or None,
        host_key_algorithms=text("hostkeyalgorithms"),
        key_algorithms=text("pubkeyacceptedalgorithms"),
        kex_algorithms=text("kexalgorithms"),
        ciphers=text("ciphers"),
        macs=text("macs"),
    )


def _way(
    route: Way, found: Mapping[str, Sequence[str]], tokens: Mapping[str, str], host: str, port: int
) -> tuple[tuple[Jump, ...], str | None]:
    """The hops to the host, or the command that reaches it."""
    value = expand(route.value, tokens)
    if route.keyword == "proxyjump":
        # ssh hands -F on to the ssh that it starts for a jump, and nothing else.
        return parse_jumps(value, tuple(("configfile", file) for file in found.get("configfile", ()))), None
    if route.keyword == "proxycommand":
        hop = jump_of_command(value, host, port)
        return ((hop,), None) if hop else ((), value)
    return (), None


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
