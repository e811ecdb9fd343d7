"""A host key that nobody knows yet, as a person is asked about it."""

from __future__ import annotations

from agentless.values import dataclass

__all__ = ["NewKey"]


@dataclass(frozen=True, slots=True)
class NewKey:
    """The key of a machine that no known_hosts file has a word about.

    Args:
        hosts: the inventory names that lead to it, or over it.
        address: its name in known_hosts, `[host]:port` where the port is not 22.
        type: `ssh-ed25519` or the like.
        fingerprint: as OpenSSH prints it, `SHA256:…`.
    """

    hosts: tuple[str, ...]
    address: str
    type: str
    fingerprint: str
