"""Is this the key of the host that we mean? Strict or accept-new, against known_hosts, certificates included."""

from __future__ import annotations

import base64
import shlex
import time
from collections.abc import Callable, Sequence

from filelock import Timeout

from agentless.errors import Unreachable
from agentless.openssh.certificates import CERT, HostCertificate, type_of
from agentless.openssh.known_hosts import (
    CERT_AUTHORITY,
    REVOKED,
    KnownHosts,
    KnownKey,
    UnknownHostKey,
    fingerprint,
    remembers,
)
from agentless.openssh.revoked import RevokedKeys
from agentless.openssh.settings import Settings

__all__ = ["HostKeys", "UnknownKey"]

Verify = Callable[[bytes, bytes, bytes], bool]


class UnknownKey(Unreachable):
    """No line speaks about the host that offers this key."""

    def __init__(self, offered: UnknownHostKey, message: str, hint: str) -> None:
        super().__init__("host-key", message, hint)
        self.offered = offered


class HostKeys:
    """The rule for the key of one host.

    Args:
        settings: the host's names, files and strictness.
        verify: (authority's key, signed bytes, signature) -> whether the signature is the authority's.
    """

    def __init__(self, settings: Settings, known: KnownHosts, revoked: RevokedKeys, verify: Verify) -> None:
        self._settings = settings
        self._known = known
        self._revoked = revoked
        self._verify = verify

    def algorithms(self, offered: Sequence[str]) -> tuple[str, ...]:
        """`offered` with the types of the known keys first, and certificates before all where an authority is known."""
        entries, vouching = self._entries()
        types = [entry.type for entry in (*entries, *vouching) if not entry.marker]
        known = [name for type_ in types for name in _SIGNATURES.get(type_, (type_,)) if name in offered]
        certificates = [name + CERT for name in offered if name != "ssh-rsa"]
        if not any(entry.marker == CERT_AUTHORITY for entry in entries):
            certificates = []
        return tuple(dict.fromkeys([*certificates, *known, *offered]))

    def check(self, blob: bytes) -> None:
        """Accept the key that the host has just proved to hold, or raise.

        Raises:
            Unreachable: `host-key`, with fingerprints, the line that contradicts, and what to type.
        """
        name, shown = self._settings.key_name, blob
        self._refuse_listed(blob)
        entries, vouching = self._entries()
        complaint = ""
        if type_of(blob).endswith(CERT):
            complaint, blob = self._certificate(blob, entries)
            if not complaint:
                return
        self._refuse_revoked(entries, blob)
        plain = [entry for entry in entries if not entry.marker]
        if any(entry.key == blob for entry in (*plain, *vouching)):
            return
        authorities = [entry for entry in entries if entry.marker == CERT_AUTHORITY]
        if not self._settings.accept_new and self._known.changed(self._settings.known_hosts):
            # Somebody has mended it since it was read, by a process that lives for a while.
            self.check(shown)
            return
        if plain:
            raise self._changed(blob, plain)
        if complaint or (authorities and self._settings.accept_new):
            why = complaint or "it offers a key without a certificate"
            where = ", ".join(entry.where for entry in authorities)
            raise _refused(
                f"{name} is to be vouched for by the certificate authority at {where}, but {why}",
                "Renew the host's certificate, or mend that line.",
            )
        if not self._settings.accept_new or not self._settings.user_files:
            raise self._unknown(blob)
        self._accept(blob)

    def _entries(self) -> tuple[tuple[KnownKey, ...], tuple[KnownKey, ...]]:
        """The lines that speak about the host, and those that may only vouch for it."""
        settings = self._settings
        try:
            entries = self._known.find(settings.known_hosts, settings.key_name)
            if not settings.plain_name or settings.plain_name == settings.key_name:
                return entries, ()
            # OpenSSH also takes a key that a line without a port has, but only as long as none names the port. Another
            # key there says nothing: it may be that of the sshd at port 22.
            without = self._known.find(settings.known_hosts, settings.plain_name)
        except OSError as problem:
            raise _refused(
                f"{settings.key_name}: {problem.filename} cannot be read: {problem.strerror}",
                "Make it readable, or name another: UserKnownHostsFile, GlobalKnownHostsFile.",
            ) from None
        marked = tuple(entry for entry in without if entry.marker)
        if any(not entry.marker for entry in entries):
            return entries + marked, ()
        return entries + marked, tuple(entry for entry in without if not entry.marker)

    def _refuse_listed(self, blob: bytes) -> None:
        """RevokedHostKeys."""
        files = self._settings.revoked_host_keys
        if files:
            parts = [blob]
            if type_of(blob).endswith(CERT):
                certificate = self._read(blob)
                parts = [certificate.plain, certificate.authority]
            self._revoked.refuse(files, self._settings.key_name, (type_of(blob), blob), parts)

    def _refuse_revoked(self, entries: Sequence[KnownKey], *blobs: bytes) -> None:
        for entry in entries:
            if entry.marker == REVOKED and entry.key in blobs:
                raise _refused(
                    f"{self._settings.key_name}: its key {fingerprint(entry.key)} is revoked at {entry.where}",
                    "Give the host a new key; whoever stole this one can pose as the host.",
                )

    def _certificate(self, blob: bytes, entries: Sequence[KnownKey]) -> tuple[str, bytes]:
        """Why a certificate does not convince (empty when it does), and the plain key in it."""
        certificate = self._read(blob)
        self._refuse_revoked(entries, certificate.plain, certificate.authority)
        authorities = [entry for entry in entries if entry.marker == CERT_AUTHORITY]
        if not any(entry.key == certificate.authority for entry in authorities):
            return f"its certificate is signed by another, {fingerprint(certificate.authority)}", certificate.plain
        fault = certificate.fault(self._settings.plain_name or self._settings.key_name, time.time())
        if not fault and not self._verify(certificate.authority, certificate.signed, certificate.signature):
            fault = "its signature is wrong"
        return f"of its certificate {certificate.key_id!r}, {fault}" if fault else "", certificate.plain

    def _read(self, blob: bytes) -> HostCertificate:
        try:
            return HostCertificate.read(blob)
        except ValueError as problem:
            raise _refused(f"{self._settings.key_name}: {problem}") from problem

    def _accept(self, blob: bytes) -> None:
        settings = self._settings
        files = settings.known_hosts[: settings.user_files]
        try:
            entries = self._known.append(files, settings.key_name, type_of(blob), blob, hashed=settings.hash_names)
        except (OSError, Timeout) as problem:
            raise _refused(
                f"{settings.key_name}: its key {fingerprint(blob)} is new and cannot be written down: {problem}",
                f"Make {files[0]} writable.",
            ) from problem
        self._refuse_revoked(entries, blob)
        if not any(entry.key == blob and not entry.marker for entry in entries):
            raise self._changed(blob, entries)

    def _changed(self, blob: bytes, entries: Sequence[KnownKey]) -> Unreachable:
        known = ", ".join(f"{entry.type} {fingerprint(entry.key)} at {entry.where}" for entry in entries[:4])
        files = dict.fromkeys(entry.file for entry in entries)
        remove = "; ".join(f"ssh-keygen -R {shlex.quote(self._settings.key_name)} -f {shlex.quote(f)}" for f in files)
        return _refused(
            f"the host key of {self._settings.key_name} has changed: it offers {type_of(blob)} {fingerprint(blob)}, "
            f"known is {known}",
            f"Somebody may be listening in. If the host was set up anew: {remove}",
        )

    def _unknown(self, blob: bytes) -> UnknownKey:
        settings = self._settings
        line = f"{settings.key_name} {type_of(blob)} {base64.b64encode(blob).decode('ascii')}"
        file = next(filter(remembers, settings.known_hosts[: settings.user_files]), None)
        if file is None:
            way = "name a file for its key with UserKnownHostsFile: now there is none that could remember it"
        else:
            way = f"echo {shlex.quote(line)} >> {shlex.quote(file)}"
        return UnknownKey(
            UnknownHostKey(settings.key_name, type_of(blob), blob),
            f"the host key of {settings.key_name} is not known: it offers {type_of(blob)} {fingerprint(blob)}",
            f"Compare it with `ssh-keygen -lf /etc/ssh/ssh_host_{_kind(type_of(blob))}_key.pub` on the host, then: "
            f"`host_key_checking=accept-new`, or: {way}",
        )


# RFC 8332: one ssh-rsa key makes signatures of several kinds. SHA-1 is last, and only where an option adds it.
_SIGNATURES = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")}


def _kind(type_: str) -> str:
    return "ecdsa" if type_.startswith("ecdsa") else type_.removeprefix("ssh-")


def _refused(message: str, hint: str = "") -> Unreachable:
    return Unreachable("host-key", message, hint)
