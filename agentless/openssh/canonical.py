"""The name of a host in full: ssh_config(5)'s CanonicalizeHostname and what belongs to it."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable

from agentless.errors import Unreachable
from agentless.openssh.conditions import Facts
from agentless.openssh.jumps import way
from agentless.openssh.names import FAMILIES
from agentless.openssh.syntax import patterns

__all__ = ["NameLookup", "canonical", "wanted"]

# Looks a name up in an AddressFamily (`any`, `inet`, `inet6`), and answers with the name that its CNAMEs lead to, or
# with None where there is no such name. Raises Unreachable where no answer comes in time.
NameLookup = Callable[[str, str], "str | None"]


def wanted(facts: Facts) -> bool:
    """Whether CanonicalizeHostname is on."""
    return facts.first("canonicalizehostname", "no").lower() not in ("no", "false")


def canonical(facts: Facts, look_up: NameLookup) -> str:
    """HostName, or the name, as ssh takes it into use: an address in its usual form, a name in lower case, and in full
    where the configuration wants that.

    Args:
        facts: after the first pass over the configuration.

    Raises:
        ValueError: HostName makes no sense.
        Unreachable: CanonicalizeFallbackLocal is off and no domain has the name, or the resolver does not answer.
    """
    name = facts.hostname
    family = facts.first("addressfamily", "any").lower()
    with contextlib.suppress(OSError, UnicodeError):
        # As bytes: of text, Python loads what it takes to spell a name in IDNA, to no end for an address.
        encoded = name.encode()
        infos = socket.getaddrinfo(encoded, None, FAMILIES.get(family, 0), socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
        if len(infos) == 1:
            return socket.getnameinfo(infos[0][4], socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)[0]
    if ":" in name or "%" in name:
        return name
    name = name.lower()
    # A name that a proxy or a bastion will look up is left alone, unless even that is wanted.
    if not wanted(facts) or not (way(facts.options).direct or facts.first("canonicalizehostname").lower() == "always"):
        return name
    full = _in_a_domain(name, facts, family, look_up)
    if full is None and facts.options.get("canonicalizepermittedcnames", ("none",))[0].lower() != "none":
        target = look_up(name, family)
        full = target and _followed(name, target, facts)
    return full or name


def _in_a_domain(name: str, facts: Facts, family: str, look_up: NameLookup) -> str | None:
    """The first of CanonicalDomains that has the name; None where none has, or where it has dots enough already."""
    if name.endswith("."):
        tried = [name]
    elif name.count(".") > int(facts.first("canonicalizemaxdots", "1")):
        return None
    else:
        domains = facts.options.get("canonicaldomains", ())
        tried = [f"{name}.{domain.lower()}." for domain in domains if domain.lower() != "none"]
    for full in tried:
        target = look_up(full, family)
        if target is not None:
            return _followed(full.rstrip("."), target, facts)
    if facts.first("canonicalizefallbacklocal", "yes").lower() in ("no", "false"):
        hint = "None of CanonicalDomains in ~/.ssh/config has it, and CanonicalizeFallbackLocal is off."
        raise Unreachable("resolve", f"{name}: there is no such name", hint)
    return None


def _followed(name: str, target: str, facts: Facts) -> str:
    """Where its CNAME leads, if CanonicalizePermittedCNAMEs lets it."""
    for rule in facts.options.get("canonicalizepermittedcnames", ()):
        source, _, aim = rule.lower().partition(":") if rule != "*" else ("*", "", "*")
        if patterns(source.split(","))(name) and patterns(aim.split(","))(target):
            return target
    return name
