"""`--outdir DIR`: what each host printed, in a file for each host and stream."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from agentless import files
from agentless.cli.screen import Screen
from agentless.digests import sha256
from agentless.errors import CacheError, UsageError
from agentless.model.states import HostResult
from agentless.report.text import gap

__all__ = ["OutputFiles", "file_name"]

_CASELESS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._-+@:,=")
_AS_THEY_ARE = _CASELESS | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
# What file systems take is 255 bytes, with `.stdout` behind.
_NAME_MAX = 200


def file_name(host: str, *, caseless: bool = False) -> str:
    """A host's name as the beginning of a file name: no two hosts have the same, and none leads elsewhere.

    Every byte that is no ASCII letter, digit or one of `._-+@:,=` is written as `%2F`; so is a dot or dash at the
    beginning. Of a name that is too long, the end is a digest.

    Args:
        caseless: where the file system takes `Web1` and `web1` for one name, capitals are written so, too.
    """
    kept = _CASELESS if caseless else _AS_THEY_ARE
    name = "".join(
        chr(byte) if chr(byte) in kept else f"%{byte:02X}" for byte in host.encode("utf-8", "surrogateescape")
    )
    if name[:1] in ("", ".", "-"):
        name = f"%{ord(name[0]):02X}{name[1:]}" if name else "%"
    if len(name) > _NAME_MAX:
        # No name has `%-` otherwise.
        name = f"{name[: _NAME_MAX - 34]}%-{sha256(name.encode()).hexdigest()[:32]}"
    return name


class OutputFiles:
    """The files of one job, each written in one step when its host is done.

    A file of a host that is there already is replaced; that of a host which gave nothing back is removed, so that none
    is taken for what this job printed. Other files stay.

    Args:
        directory: where they lie; made where it is missing.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._caseless = _is_caseless(directory)
        self._written: set[str] = set()
        self._failure: str | None = None

    @classmethod
    def given(cls, directory: Path | None) -> OutputFiles | None:
        """That of a command line.

        Raises:
            UsageError: it cannot be written to, which is said before anything is sent.
        """
        if directory is None:
            return None
        try:
            directory.mkdir(exist_ok=True)
        except FileExistsError:
            raise UsageError(f"--outdir {directory}: it is no directory") from None
        except FileNotFoundError:
            missing = "it cannot be made" if directory.parent.is_dir() else f"there is no directory {directory.parent}"
            raise UsageError(f"--outdir {directory}: {missing}") from None
        except (OSError, ValueError) as error:
            raise UsageError(f"--outdir {directory}: {getattr(error, 'strerror', None) or error}") from None
        if not os.access(directory, os.W_OK | os.X_OK):
            raise UsageError(f"--outdir {directory}: it cannot be written to")
        return cls(directory)

    def write(self, host: str, result: HostResult) -> None:
        """Write the files of a host that is done; what fails is told by `end`."""
        output = result.output
        if output is None or host in self._written:
            return
        self._written.add(host)
        for stream, pieces in (("stdout", output.out.pieces()), ("stderr", output.err.pieces())):
            self._replace(self._path(host, stream), pieces)

    def _path(self, host: str, stream: str) -> Path:
        return self._directory / f"{file_name(host, caseless=self._caseless)}.{stream}"

    def _replace(self, path: Path, pieces: Iterable[bytes]) -> None:
        try:
            files.replace_file_by(path, pieces, sync=False)
        except OSError as error:
            self._failure = self._failure or f"{path}: {error.strerror or error}"
        except CacheError as error:
            self._failure = self._failure or f"{path}: {error.message}"

    def end(self, screen: Screen, jid: str, results: Iterable[tuple[str, HostResult]]) -> None:
        """Write what was not written yet, and warn of files that lack something.

        Raises:
            UsageError: a file could not be written.
        """
        for host, result in results:
            self.write(host, result)
            output = result.output
            if output is None:
                for stream in ("stdout", "stderr"):
                    with contextlib.suppress(OSError):
                        self._path(host, stream).unlink()
                continue
            dropped = {"stdout": output.stdout_truncated, "stderr": output.stderr_truncated}
            for stream, count in dropped.items():
                if count:
                    screen.warn(f"{self._path(host, stream)}: {gap(stream, count)}")
        if self._failure is not None:
            raise UsageError(
                f"--outdir: {self._failure}", f"Nothing else is lost: agentless jobs lookup {jid} --outdir DIR"
            )


def _is_caseless(directory: Path) -> bool:
    """Whether the file system of a directory takes capitals and small letters for the same, as macOS's does."""
    try:
        from tempfile import NamedTemporaryFile

        with NamedTemporaryFile(prefix=".agentless-", dir=directory) as probe:
            path = Path(probe.name)
            return path.with_name(path.name.swapcase()).exists()
    except OSError:
        # What cannot be written there is told when it is.
        return False
