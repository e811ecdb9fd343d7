"""known_hosts files, parsed once into an index (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import field
from pathlib import Path

from agentless.digests import sha256
from agentless.openssh.syntax import patterns
from agentless.values import dataclass

__all__ = ["KnownHosts", "KnownKey", "UnknownHostKey", "fingerprint", "lookup_name", "remembers"]

CERT_AUTHORITY = "@cert-authority"
REVOKED = "@revoked"
_APPEND_WAIT = 10.0


def fingerprint(key: bytes) -> str:
    """The SHA256 fingerprint of a public key blob, as OpenSSH prints it."""
    return "SHA256:" + base64.b64encode(sha256(key).digest()).decode("ascii").rstrip("=")


def lookup_name(host: str, port: int) -> str:
    """The name under which a host stands in known_hosts: `host`, or `[host]:port` where the port is not 22."""
    host = host.lower()
    return host if port == 22 else f"[{host}]:{port}"


@dataclass(frozen=True, slots=True)
class KnownKey:
    """One line: where it stands, `marker` (empty, `@cert-authority` or `@revoked`), key type, and key in base64."""

    file: str
    line: int
    marker: str
    type: str
    text: str

    @property
    def key(self) -> bytes:
        """The public key blob; empty where the line is torn, and holds none of the type that it names."""
        try:
            blob = base64.b64decode(self.text, validate=True)
        except ValueError:
            return b""
        type_ = self.type.encode("utf-8", "surrogateescape")
        return blob if blob[:4] == len(type_).to_bytes(4, "big") and blob[4 : 4 + len(type_)] == type_ else b""

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class UnknownHostKey:
    """The key that a host has just proved to hold, and that nothing says anything about.

    Args:
        address: the host's name in known_hosts.
        type: `ssh-ed25519` or the like.
        blob: the public key.
    """

    address: str
    type: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.blob)


@dataclass(slots=True)
class _File:
    """The index of one file: by name, by pattern, and hashed names, which must be tried one by one."""

    path: str
    stamp: tuple[int, int, int] | None = None
    names: dict[str, list[KnownKey]] = field(default_factory=dict)
    patterns: list[tuple[Callable[[str], bool], KnownKey]] = field(default_factory=list)
    hashed: list[tuple[bytes, bytes, KnownKey]] = field(default_factory=list)

    def read(self) -> None:
        self.stamp = _stamp(self.path)
        try:
            with open(self.path, encoding="utf-8", errors="surrogateescape") as lines:
                for number, line in enumerate(lines, 1):
                    self.add(number, line)
        except FileNotFoundError:
            return

    def add(self, number: int, line: str) -> None:
        fields = line.split(None, 4)
        if not fields or fields[0][0] == "#":
            return
        marker = ""
        if fields[0][0] == "@":
            marker = fields.pop(0).lower()
        if len(fields) < 3 or (marker and marker not in (CERT_AUTHORITY, REVOKED)):
            return
        hosts, type_, text = fields[0], fields[1], fields[2]
        entry = KnownKey(self.path, number, marker, type_, text)
        if hosts.startswith("|1|"):
            try:
                salt, digest = (base64.b64decode(part, validate=True) for part in hosts[3:].split("|"))
            except ValueError:
                return
            self.hashed.append((salt, digest, entry))
        elif any(character in hosts for character in "*?!"):
            self.patterns.append((patterns(hosts.lower().split(",")), entry))
        else:
            for name in hosts.lower().split(","):
                self.names.setdefault(name, []).append(entry)

    def find(self, name: str) -> Iterator[KnownKey]:
        yield from self.names.get(name, ())
        yield from (entry for matches, entry in self.patterns if matches(name))
        wanted = name.encode("utf-8", "surrogateescape")
        if self.hashed:
            # It loads OpenSSL.
            import hmac

            yield from (entry for salt, digest, entry in self.hashed if hmac.digest(salt, wanted, "sha1") == digest)


def _stamp(path: str) -> tuple[int, int, int] | None:
    """What changes with a file's content."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def remembers(file: str) -> bool:
    """Whether a line that is added to the file is there afterwards: /dev/null, which inventories name, keeps none."""
    path = Path(file)
    return path.is_file() if path.exists() else not path.is_relative_to("/dev")


class KnownHosts:
    """The lines of several files that speak about a host; reads each file once, however many hosts ask.

    Thread safe. Lines that cannot be read are passed over, as OpenSSH does: they make no host known.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: dict[str, _File] = {}
        self._entries: dict[tuple[str, str], tuple[KnownKey, ...]] = {}

    def find(self, files: Iterable[str], name: str) -> tuple[KnownKey, ...]:
        """All lines of `files` whose hosts field selects `name` (see `lookup_name`), whatever their marker.

        Raises:
            OSError: a file is there and cannot be read, so that nobody knows whom it revokes.
        """
        entries: list[KnownKey] = []
        for file in files:
            key = (file, name)
            with self._lock:
                if file not in self._files:
                    index = _File(file)
                    index.read()
                    self._files[file] = index
                if key not in self._entries:
                    self._entries[key] = tuple(entry for entry in self._files[file].find(name) if entry.key)
                entries += self._entries[key]
        return tuple(entries)

    def append(self, files: Sequence[str], name: str, type_: str, key: bytes, *, hashed: bool) -> tuple[KnownKey, ...]:
        """Add a host that none of `files` knows to the first of them, under a lock that other processes honour.

        Returns:
            The lines that speak about `name` once the lock is held and the file read again: the new line alone, or
            what another process was quicker to write, which the caller has to judge like any other.
        """
        from filelock import FileLock  # 50 ms, which those who only read need not spend

        path = Path(files[0])
        text = base64.b64encode(key).decode("ascii")
        if path.exists() and not path.is_file():
            # Whoever names /dev/null wants nothing remembered.
            return (KnownKey(files[0], 0, "", type_, text),)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with FileLock(f"{path}.lock", timeout=_APPEND_WAIT, mode=0o600):
            self.forget(files)
            known = self.find(files, name)
            if any(not entry.marker or entry.key == key for entry in known):
                return known
            hosts = _hash(name) if hashed else name
            line = f"{hosts} {type_} {text}\n"
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                size = os.fstat(descriptor).st_size
                torn = size and os.pread(descriptor, 1, size - 1) != b"\n"
                os.write(descriptor, (("\n" if torn else "") + line).encode("utf-8", "surrogateescape"))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            self.forget(files)
            return self.find(files, name)

    def changed(self, files: Iterable[str]) -> bool:
        """Whether one of these files is another since it was read; those are read anew then."""
        with self._lock:
            other = [file for file in files if file in self._files and self._files[file].stamp != _stamp(file)]
        self.forget(other)
        return bool(other)

    def forget(self, files: Iterable[str]) -> None:
        """Read these files anew at the next look-up."""
        with self._lock:
            for file in files:
                self._files.pop(file, None)
            self._entries = {key: entries for key, entries in self._entries.items() if key[0] not in files}


def _hash(name: str) -> str:
    import hmac

    salt = os.urandom(20)
    digest = hmac.digest(salt, name.encode("utf-8", "surrogateescape"), "sha1")
    return f"|1|{base64.b64encode(salt).decode('ascii')}|{base64.b64encode(digest).decode('ascii')}"
