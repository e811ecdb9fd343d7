"""Which algorithms are offered: OpenSSH's options about them, and how a user's key of each type may sign."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

from agentless.openssh.certificates import CERT

__all__ = ["CIPHERS", "KEX", "MACS", "adjust", "signatures"]

# ssh_config(5) of OpenSSH 10: what KexAlgorithms, Ciphers and MACs are where nothing names them.
KEX = (
    "mlkem768x25519-sha256",
    "sntrup761x25519-sha512",
    "sntrup761x25519-sha512@openssh.com",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group-exchange-sha256",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group18-sha512",
    "diffie-hellman-group14-sha256",
)
CIPHERS = (
    "chacha20-poly1305@openssh.com",
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
)
MACS = (
    "umac-64-etm@openssh.com",
    "umac-128-etm@openssh.com",
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha1-etm@openssh.com",
    "umac-64@openssh.com",
    "umac-128@openssh.com",
    "hmac-sha2-256",
    "hmac-sha2-512",
    "hmac-sha1",
)

_SHA2 = ("rsa-sha2-512", "rsa-sha2-256")
_RSA = (*_SHA2, "ssh-rsa")
_PLAIN = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    *_SHA2,
)


def _certified(name: str) -> str:
    return name.removesuffix("@openssh.com") + CERT


# ssh_config(5), PubkeyAcceptedAlgorithms: what holds without it, and what it can add though ssh has dropped it.
_DEFAULT = (*map(_certified, _PLAIN), *_PLAIN)
_POSSIBLE = (*_DEFAULT, _certified("ssh-rsa"), "ssh-rsa", _certified("ssh-dss"), "ssh-dss")


def adjust(defaults: Sequence[str], spec: str, possible: Sequence[str]) -> tuple[str, ...]:
    """A list of algorithms after an OpenSSH option such as `+ssh-rsa`, `-ssh-*`, `^name` or a list of its own.

    Args:
        defaults: what is offered without the option.
        spec: the option's value; empty keeps the defaults.
        possible: all that this side can do; the rest of `spec` is passed over.
    """
    sign, names = (spec[0], spec[1:]) if spec[:1] in ("+", "-", "^") else ("", spec)
    named = [name.strip() for name in names.split(",") if name.strip()]
    chosen = [name for pattern in named for name in possible if fnmatch.fnmatchcase(name, pattern)]
    if not spec:
        return tuple(defaults)
    if sign == "-":
        return tuple(name for name in defaults if name not in chosen)
    mixed = {"+": [*defaults, *chosen], "^": [*chosen, *defaults]}.get(sign, chosen)
    return tuple(dict.fromkeys(mixed))


def signatures(type_: str, spec: str) -> tuple[str, ...]:
    """The algorithms by which a user's key may be offered, the preferred one first; none where it may not be.

    Args:
        type_: of the key or certificate; one that is not known here, such as a newer ssh's, is an
            algorithm by its own name.
        spec: PubkeyAcceptedAlgorithms.
    """
    certified = type_.endswith(CERT)
    names: tuple[str, ...] = (type_,)
    if type_.removesuffix(CERT) == "ssh-rsa":
        # RFC 8332: one RSA key makes signatures of several kinds.
        names = tuple(map(_certified, _RSA)) if certified else _RSA
    new = (type_,) if type_ not in _POSSIBLE else ()
    accepted = adjust((*_DEFAULT, *new), spec, (*_POSSIBLE, *new))
    return tuple(name for name in accepted if name in names)
