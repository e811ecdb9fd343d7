"""What OpenSSH's options add up to for one host: the inventory's first, then ~/.ssh/config, then the defaults."""

from __future__ import annotations

import os
import re
import shlex
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agentless.runner.ssh.jumps import Jump, jump_of_command, parse_jumps, port_number
from agentless.runner.ssh.known_hosts import lookup_name

__all__ = ["Settings", "resolve"]

# ssh_config(5): the values that accept a key that is not known yet.
_LAX = ("accept-new", "no", "off", "ask")


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
    found: Mapping[str, str | Sequence[str] | None], *, name: str, default_user: str, accept_new: bool, home: Path
) -> Settings:
    """Settings from what the configuration says about `name`.

    Args:
        found: ssh_config's answer by lower-case keyword; of the inventory's options and the file's, the first said.
        name: the address that was asked for.
        default_user: where nothing names a user.
        accept_new: what was asked for; `StrictHostKeyChecking` is followed only where it is stricter.
        home: the user's home directory.

    Raises:
        ValueError: an option's value makes no sense; the message names both.
    """

    def text(keyword: str, default: str = "") -> str:
        value = found.get(keyword)
        return default if value is None else value if isinstance(value, str) else value[-1]

    def yes(keyword: str) -> bool:
        return text(keyword).lower() in ("yes", "true")

    host = text("hostname", name)
    port = port_number(text("port", "22"))
    user = text("user", default_user)
    alias = text("hostkeyalias")
    tokens = {"%%": "%", "%d": str(home), "%h": host, "%k": alias or name, "%n": name, "%p": str(port), "%r": user}
    local = socket.gethostname()
    tokens |= {"%u": default_user, "%l": local, "%L": local.partition(".")[0]}

    def paths(value: str) -> tuple[str, ...]:
        parts = shlex.split(value) if any(quote in value for quote in "\"'\\") else value.split()
        expanded = (_path(part, tokens, home) for part in parts)
        return tuple(part for part in expanded if part)

    user_files = paths(text("userknownhostsfile", "~/.ssh/known_hosts ~/.ssh/known_hosts2"))
    system = "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"
    listed = found.get("identityfile") or ()
    identities = tuple(
        dict.fromkeys(_path(file, tokens, home) for file in ([listed] if isinstance(listed, str) else listed))
    )
    identities = tuple(file for file in identities if file)
    certificates = found.get("certificatefile") or ()
    agent = text("identityagent")
    jumps, proxy_command = _way(found, tokens, host, port)
    strict = text("stricthostkeychecking", "accept-new").lower()
    return Settings(
        host=host,
        port=port,
        user=user,
        key_name=alias.lower() if alias else lookup_name(host, port),
        plain_name="" if alias else host.lower(),
        known_hosts=user_files + paths(text("globalknownhostsfile", system)),
        user_files=len(user_files),
        revoked_host_keys=tuple(Path(file) for file in paths(text("revokedhostkeys", "none"))),
        accept_new=accept_new and strict in _LAX,
        hash_names=yes("hashknownhosts"),
        identities=identities,
        certificates=paths(certificates) if isinstance(certificates, str) else tuple(certificates),
        default_identities=() if listed else tuple(str(home / ".ssh" / f"id_{kind}") for kind in _KINDS),
        identities_only=yes("identitiesonly"),
        agent=_agent(agent, tokens, home),
        methods=_methods(text),
        jumps=jumps,
        proxy_command=proxy_command,
        family=text("addressfamily", "any").lower(),
        bind=text("bindaddress") or None,
        host_key_algorithms=text("hostkeyalgorithms"),
        key_algorithms=text("pubkeyacceptedalgorithms") or text("pubkeyacceptedkeytypes"),
        kex_algorithms=text("kexalgorithms"),
        ciphers=text("ciphers"),
        macs=text("macs"),
    )


def _way(
    found: Mapping[str, str | Sequence[str] | None], tokens: Mapping[str, str], host: str, port: int
) -> tuple[tuple[Jump, ...], str | None]:
    """The hops to the host, or the command that reaches it: of the two keywords, the one that was said first.

    As with OpenSSH, `ProxyCommand none` stands against a later ProxyJump, but `ProxyJump none` against no command.
    """
    for keyword, value in found.items():
        if keyword not in ("proxyjump", "proxycommand") or not isinstance(value, str):
            continue
        value = _tokens(value, tokens)
        none = value.lower() == "none"
        if keyword == "proxyjump" and not none:
            file = found.get("configfile")
            # ssh hands -F on to the ssh that it starts for a jump, and nothing else.
            return parse_jumps(value, (("configfile", file),) if isinstance(file, str) else ()), None
        if keyword == "proxycommand":
            hop = None if none else jump_of_command(value, host, port)
            return ((hop,), None) if hop else ((), None if none else value)
    return (), None


_KINDS = ("ed25519", "ecdsa", "rsa", "ed25519_sk", "ecdsa_sk")
_METHODS = ("publickey", "keyboard-interactive", "password")


def _tokens(text: str, tokens: Mapping[str, str]) -> str:
    """Expand `%h` and the like (ssh_config(5), TOKENS); unknown ones stay."""
    return re.sub("%.", lambda token: tokens.get(token[0], token[0]), text)


def _path(text: str, tokens: Mapping[str, str], home: Path) -> str:
    """A file name with tokens and `~` expanded; empty for `none`."""
    if text.lower() == "none":
        return ""
    text = _tokens(text, tokens)
    if text == "~" or text.startswith("~/"):
        text = str(home) + text[1:]
    return os.path.expanduser(text)


def _agent(value: str, tokens: Mapping[str, str], home: Path) -> str | None:
    if not value or value == "SSH_AUTH_SOCK":
        return None
    if value.startswith("$"):
        return os.path.expandvars(value)
    return _path(value, tokens, home)


def _methods(text: Callable[..., str]) -> tuple[str, ...]:
    preferred = [method for method in text("preferredauthentications").lower().split(",") if method]
    allowed = {
        "publickey": text("pubkeyauthentication", "yes").lower() != "no",
        "password": text("passwordauthentication", "yes").lower() != "no",
        "keyboard-interactive": text(
            "kbdinteractiveauthentication", text("challengeresponseauthentication", "yes")
        ).lower()
        != "no",
    }
    return tuple(method for method in preferred or _METHODS if allowed.get(method))
