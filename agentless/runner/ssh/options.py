"""What OpenSSH's options add up to for one host: the inventory's first, then ~/.ssh/config, then the defaults."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Jump", "Settings", "resolve"]

# ssh_config(5): the values that accept a key that is not known yet.
_LAX = ("accept-new", "no", "off", "ask")


@dataclass(frozen=True, slots=True)
class Jump:
    """A hop of ProxyJump: a host as ~/.ssh/config knows it, and what was said about it on the spot."""

    host: str
    user: str | None = None
    port: int | None = None
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """How to connect to one host. Hashable: two hosts with equal settings of their bastion share it.

    Args:
        host, port, user: where to, and as whom.
        key_name: the name in known_hosts, `[host]:port` where the port is not 22, or HostKeyAlias.
        plain_name: the host's name without its port, for lines that leave it out; empty with HostKeyAlias.
        known_hosts: the user's files, the first of which `accept-new` writes to, then the system's.
        user_files: how many of `known_hosts` are the user's.
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
    port = _port(text("port", "22"))
    user = text("user", default_user)
    alias = text("hostkeyalias")
    tokens = {"%%": "%", "%d": str(home), "%h": host, "%k": alias or name, "%n": name, "%p": str(port), "%r": user}
    tokens["%u"] = default_user

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
    jump, command = text("proxyjump"), found.get("proxycommand")
    jumps = parse_jumps(jump, _jump_options(found))
    proxy_command = None
    if not jump and isinstance(command, str) and command.lower() != "none":
        hop = jump_of_command(command, host, port)
        if hop:
            jumps = (hop,)
        else:
            proxy_command = _tokens(command, tokens)
    strict = text("stricthostkeychecking", "accept-new").lower()
    return Settings(
        host=host,
        port=port,
        user=user,
        key_name=alias.lower() if alias else host.lower() if port == 22 else f"[{host.lower()}]:{port}",
        plain_name="" if alias else host.lower(),
        known_hosts=user_files + paths(text("globalknownhostsfile", system)),
        user_files=len(user_files),
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


_KINDS = ("ed25519", "ecdsa", "rsa", "ed25519_sk", "ecdsa_sk")
_METHODS = ("publickey", "keyboard-interactive", "password")


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise ValueError(f"Port {text!r} is not a port number")
    return int(text)


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


def _methods(text: object) -> tuple[str, ...]:
    assert callable(text)
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


def parse_jumps(text: str, options: tuple[tuple[str, str], ...] = ()) -> tuple[Jump, ...]:
    """The hops of `[user@]host[:port],…` or `ssh://…`, in the order in which they are visited; none for `none`.

    Raises:
        ValueError: a hop cannot be read.
    """
    if not text or text.lower() == "none":
        return ()
    jumps = []
    for hop in text.split(","):
        found = re.fullmatch(
            r"(?:ssh://)?(?:(?P<user>[^@]+)@)?(?:\[(?P<literal>[^]]+)\]|(?P<host>[^:]+|[^:]*:[^:]*:.*?))(?::(?P<port>\d+))?/?",
            hop.strip(),
        )
        if not found:
            raise ValueError(f"ProxyJump {hop!r} is not [user@]host[:port]")
        port = found["port"]
        jumps.append(Jump(found["literal"] or found["host"], found["user"], _port(port) if port else None, options))
    return tuple(jumps)


def _jump_options(found: Mapping[str, str | Sequence[str] | None]) -> tuple[tuple[str, str], ...]:
    """What the inventory says about the bastion of its `ProxyCommand="ssh -i KEY … -W %h:%p bastion"`."""
    file = found.get("proxyjumpidentityfile")
    return (("identityfile", file),) if isinstance(file, str) else ()


def jump_of_command(command: str, host: str, port: int) -> Jump | None:
    """The hop that `ssh … -W %h:%p [user@]bastion` goes by, so that hosts share one connection to it.

    Returns:
        None when the command is something else, or uses an option of ssh(1) that a hop can't express.
    """
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    if not words or os.path.basename(words.pop(0)) != "ssh":
        return None
    options: list[tuple[str, str]] = []
    target = forward = ""
    keywords = {"i": "identityfile", "p": "port", "l": "user"}
    while words:
        word = words.pop(0)
        if not word.startswith("-"):
            if target:
                return None
            target = word
            continue
        letters = word[1:]
        while letters and letters[0] in "46aAfgkKnNqstTvVxXyY":
            letters = letters[1:]
        if not letters:
            continue
        letter, value = letters[0], letters[1:] or (words.pop(0) if words else "")
        if letter == "W":
            forward = value
        elif letter in keywords:
            options.append((keywords[letter], value))
        elif letter == "o":
            keyword, _, setting = value.strip().replace("=", " ", 1).partition(" ")
            options.append((keyword.lower(), setting.strip()))
        else:
            return None
    if not target or forward not in ("%h:%p", "[%h]:%p", f"{host}:{port}", f"[{host}]:{port}"):
        return None
    try:
        hop = parse_jumps(target)[0]
    except (ValueError, IndexError):
        return None
    return Jump(hop.host, hop.user, hop.port, tuple(options))
