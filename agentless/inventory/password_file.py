"""Passwords out of files, as Ansible takes them: what the file holds, or what it prints where it is a program."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from agentless.model.secret import Secret

__all__ = ["NoPassword", "password_of"]

# A program may ask a keyring whose owner has to unlock it first.
_SECONDS = 120.0
_BYTES_MAX = 1 << 16


class NoPassword(Exception):
    """A file gives no password; the text says which file and why.

    Args:
        status: what the program ended with; None where it was none.
    """

    def __init__(self, text: str, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status


def password_of(path: Path, what: str, arguments: Sequence[str] = ()) -> Secret:
    """The password that a file holds, without the blanks around it, or that a program prints, without its line's end.

    Args:
        path: a file, a program, or a pipe such as `<(pass show web)` makes.
        what: whose password it is, for messages: `vault`, `become`.

    Raises:
        NoPassword: there is none.
    """
    path = path.expanduser()
    name = f"the {what} password file {path}"
    try:
        mode = path.stat().st_mode
    except OSError as error:
        reason = "is not there" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
        raise NoPassword(f"{name} {reason}") from None
    try:
        if stat.S_ISDIR(mode):
            raise NoPassword(f"{name} is a directory")
        if stat.S_ISREG(mode) and os.access(path, os.X_OK):
            password = _printed(path, f"the {what} password script {path}", arguments)
        else:
            with path.open("rb") as file:
                password = file.read(_BYTES_MAX).strip()
    except OSError as error:
        raise NoPassword(f"{name} cannot be read: {error.strerror}") from None
    if not password:
        raise NoPassword(f"{name} gives an empty password")
    return Secret(password.decode("utf-8", "surrogateescape"))


def _printed(path: Path, name: str, arguments: Sequence[str]) -> bytes:
    import subprocess

    argv = [str(path.absolute()), *arguments]
    try:
        process = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        raise NoPassword(f"{name} gave no answer within {_SECONDS:.0f} s") from None
    if process.returncode != 0:
        last_line = process.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise NoPassword(f"{name} ended with {process.returncode} {last_line}", process.returncode)
    return process.stdout.strip(b"\r\n")
