"""Keys that no host may show any more: the files of RevokedHostKeys, text or KRL (ssh-keygen(1))."""

from __future__ import annotations

import base64
import binascii
import contextlib
import shutil
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

from agentless.errors import Unreachable
from agentless.openssh.certificates import HostCertificate
from agentless.openssh.known_hosts import fingerprint

__all__ = ["RevokedKeys"]

_KRL = b"SSHKRL\n\0"
_ASKING_TAKES = 5.0


class RevokedKeys:
    """What the files say; each text is read once, however many hosts ask. Thread safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._texts: dict[Path, dict[bytes, int] | None] = {}

    def refuse(self, files: Sequence[Path], name: str, shown: tuple[str, bytes], parts: Sequence[bytes]) -> None:
        """Refuse what a host shows when a file lists it, or when a file can't be read: nobody knows whom that lists.

        Args:
            files: of RevokedHostKeys.
            shown: type and blob of the key or certificate.
            parts: blobs of the plain key, and of the authority where it is a certificate.

        Raises:
            Unreachable: `host-key`.
        """
        for file in files:
            try:
                lines = self._lines(file)
                revoked = next((part for part in parts if part in lines), None) if lines is not None else None
                if lines is None and _is_in_krl(file, shown):
                    revoked = parts[0]
            except (OSError, ValueError, subprocess.SubprocessError) as problem:
                why = getattr(problem, "strerror", None) or problem
                raise Unreachable(
                    "host-key",
                    f"{name}: nobody knows whether its key is revoked: {file} cannot be read: {why}",
                    "Mend that file, or RevokedHostKeys in ~/.ssh/config.",
                ) from None
            if revoked is not None:
                where = f"{file}:{lines[revoked]}" if lines else str(file)
                raise Unreachable(
                    "host-key",
                    f"{name}: its key {fingerprint(revoked)} is revoked by {where} (RevokedHostKeys)",
                    "Give the host a new key; whoever stole this one can pose as the host.",
                )

    def _lines(self, file: Path) -> dict[bytes, int] | None:
        """The line of each key in a text; None for a KRL."""
        with self._lock:
            if file not in self._texts:
                data = file.read_bytes()
                self._texts[file] = None if data.startswith(_KRL) else _keys(data)
            return self._texts[file]


def _keys(data: bytes) -> dict[bytes, int]:
    """Raises ValueError at a line that is no public key, as ssh does: it was meant to say something."""
    keys: dict[bytes, int] = {}
    for number, line in enumerate(data.splitlines(), 1):
        fields = line.split(None, 2)
        if not fields or fields[0].startswith(b"#"):
            continue
        try:
            blob = base64.b64decode(fields[1], validate=True)
        except (IndexError, binascii.Error):
            blob = b""
        if blob[4 : 4 + len(fields[0])] != fields[0]:
            raise ValueError(f"line {number} is no public key")
        with contextlib.suppress(ValueError):
            # Of a certificate, it is the key that is listed.
            blob = HostCertificate.read(blob).plain
        keys.setdefault(blob, number)
    return keys


def _is_in_krl(file: Path, shown: tuple[str, bytes]) -> bool:
    """Whether a KRL lists the key, or what certified it: serials and key ids are ssh-keygen's business."""
    tool = shutil.which("ssh-keygen")
    if tool is None:
        raise ValueError("it is a KRL, and there is no ssh-keygen here to ask")
    line = f"{shown[0]} {base64.b64encode(shown[1]).decode('ascii')}\n"
    command = [tool, "-Q", "-f", str(file), "/dev/stdin"]
    process = subprocess.run(command, input=line, capture_output=True, text=True, timeout=_ASKING_TAKES, check=False)
    if process.returncode not in (0, 1):
        raise ValueError(process.stderr.strip()[-300:] or f"ssh-keygen -Q ended with {process.returncode}")
    return process.returncode == 1
