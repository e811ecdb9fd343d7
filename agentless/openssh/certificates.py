"""OpenSSH's certificates (PROTOCOL.certkeys), as far as they can be judged without cryptography."""

from __future__ import annotations

import struct

from agentless.openssh.syntax import patterns
from agentless.values import dataclass

__all__ = ["CERT", "HostCertificate", "split_string", "type_of"]

CERT = "-cert-v01@openssh.com"
_HOST_CERTIFICATE = 2


@dataclass(frozen=True, slots=True)
class HostCertificate:
    """An OpenSSH certificate (PROTOCOL.certkeys): who signed which key for which hosts, and until when.

    Args:
        signed: the bytes that `signature` covers.
        critical: the critical options, none of which is defined for hosts.
    """

    kind: int
    key_id: str
    principals: tuple[str, ...]
    after: int
    before: int
    critical: bytes
    authority: bytes
    signed: bytes
    signature: bytes
    plain: bytes

    @classmethod
    def read(cls, blob: bytes) -> HostCertificate:
        """Raises ValueError when `blob` is no certificate."""
        try:
            name, rest = split_string(blob)
            _, rest = split_string(rest)
            numbers = b""
            for _ in range(_KEY_FIELDS[name.decode("ascii")]):
                number, rest = split_string(rest)
                numbers += struct.pack(">I", len(number)) + number
            _, kind = struct.unpack(">QI", rest[:12])
            key_id, rest = split_string(rest[12:])
            principals, rest = split_string(rest)
            after, before = struct.unpack(">QQ", rest[:16])
            critical, rest = split_string(rest[16:])
            _, rest = split_string(rest)
            _, rest = split_string(rest)
            authority, rest = split_string(rest)
            signed = blob[: len(blob) - len(rest)]
            signature, rest = split_string(rest)
            names = []
            while principals:
                principal, principals = split_string(principals)
                names.append(principal.decode("utf-8"))
        except (struct.error, KeyError, UnicodeDecodeError) as problem:
            raise ValueError("not an OpenSSH certificate") from problem
        if rest:
            raise ValueError("a certificate with something behind its signature")
        type_ = name.removesuffix(CERT.encode("ascii"))
        plain = struct.pack(">I", len(type_)) + type_ + numbers
        return cls(
            kind,
            key_id.decode("utf-8", "replace"),
            tuple(names),
            after,
            before,
            critical,
            authority,
            signed,
            signature,
            plain,
        )

    def fault(self, name: str, now: float) -> str:
        """Why it does not stand for the host `name` at the time `now`; empty when it does (its signature aside)."""
        if self.kind != _HOST_CERTIFICATE:
            return "it is a user's certificate, not a host's"
        if not self.after <= now < self.before:
            return "it is expired" if now >= self.before else "it is not valid yet"
        if self.critical:
            return "it has critical options, which are not understood"
        principals = ",".join(principal for principal in self.principals if "!" not in principal)
        if not patterns(principals.lower().split(","))(name):
            return f"it is for {', '.join(self.principals) or 'no host at all'}"
        return ""


# Strings or mpints between the nonce and the serial number.
_KEY_FIELDS = {
    f"ssh-ed25519{CERT}": 1,
    f"ssh-rsa{CERT}": 2,
    f"ecdsa-sha2-nistp256{CERT}": 2,
    f"ecdsa-sha2-nistp384{CERT}": 2,
    f"ecdsa-sha2-nistp521{CERT}": 2,
}


def split_string(data: bytes) -> tuple[bytes, bytes]:
    """The string that the bytes begin with (RFC 4251, section 5), and what follows; raises struct.error."""
    (length,) = struct.unpack(">I", data[:4])
    if len(data) < 4 + length:
        raise struct.error("too short")
    return data[4 : 4 + length], data[4 + length :]


def type_of(blob: bytes) -> str:
    """The type that a public key blob names."""
    return split_string(blob)[0].decode("ascii", "replace")
