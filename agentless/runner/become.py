"""Become another user on the host: the command line of sudo, su and doas, and the dialogue with their prompts."""

from __future__ import annotations

import re
import shlex

from agentless.endpoint import Become
from agentless.errors import Unreachable

__all__ = ["Dialogue", "wrap"]

NEEDS_TTY = re.compile(rb"must have a tty|must be run from a terminal|a tty is required|no tty", re.IGNORECASE)
REFUSALS = re.compile(
    rb"try again|authentication failure|incorrect password|authentication failed|authorization failed", re.I
)
LAST_LINE = re.compile(rb"[^\r\n]*\Z")
# su and doas take no prompt of ours: theirs is what the output ends with, a colon and no line end.
ANY_PROMPT = re.compile(rb"(?:[:?>]|\xef\xbc\x9a) ?\Z")


def wrap(line: str, become: Become, mark: str) -> str:
    """The remote command line `line` (it starts with `exec `), run as `become.user`.

    Args:
        mark: a word of this call that sudo's prompt carries, so that no other output is taken for it.
    """
    inner = line.removeprefix("exec ")
    user = shlex.quote(become.user)
    if become.method == "sudo":
        ask = f"-S -p {shlex.quote(f'[{mark}] ')}" if become.password else "-n"
        outer = f"sudo -H {ask} -u {user} -- {inner}"
    elif become.method == "doas":
        outer = f"doas {'' if become.password else '-n '}-u {user} -- {inner}"
    elif become.method == "su":
        outer = f"su {user} -s /bin/sh -c {shlex.quote(inner)}"
    else:
        raise Unreachable(
            "become",
            f"become_method {become.method!r} is not known here",
            "Use sudo, su or doas (ansible_become_method).",
        )
    return f"exec {outer}"


class Dialogue:
    """What sudo, su or doas print before the helper speaks, and what they are answered with."""

    def __init__(self, become: Become, mark: str) -> None:
        self._become = become
        self._prompt = f"[{mark}] ".encode("ascii")
        self._said = bytearray()
        self._answered = 0

    def feed(self, data: bytes) -> bytes:
        """Take what was printed; return what to type, or nothing.

        Raises:
            Unreachable: kind `become`: the password is wrong, or one is asked for and none is known.
        """
        self._said += data
        if self._answered and REFUSALS.search(self._said):
            raise self.wrong_password()
        if not self._asked():
            return b""
        if self._answered:
            raise self.wrong_password()
        if self._become.password is None:
            raise self.no_password()
        self._answered = 1
        self._said.clear()
        return self._become.password.reveal().encode("utf-8") + b"\n"

    def _asked(self) -> bool:
        if self._become.method == "sudo" and self._prompt in self._said:
            return True
        last = LAST_LINE.search(self._said)
        return self._become.method != "sudo" and last is not None and bool(ANY_PROMPT.search(last[0]))

    def quiet(self) -> bytes:
        """Nothing was printed for a while: a prompt that is not the one asked for (PAM's own) is answered too."""
        last = LAST_LINE.search(self._said)
        if last is None or not ANY_PROMPT.search(last[0]):
            return b""
        if self._become.password is None:
            raise self.no_password()
        if self._answered:
            raise self.wrong_password()
        self._answered = 1
        self._said.clear()
        return self._become.password.reveal().encode("utf-8") + b"\n"

    @property
    def needs_tty(self) -> bool:
        return bool(NEEDS_TTY.search(self._said))

    def wrong_password(self) -> Unreachable:
        return Unreachable(
            "become",
            f"{self._become.method} refused the password for becoming {self._become.user}",
            "Give the right one with -K, or as ansible_become_password for this host.",
        )

    def no_password(self) -> Unreachable:
        return Unreachable(
            "become",
            f"{self._become.method} asks for a password to become {self._become.user}",
            "Give it with -K, or as ansible_become_password for this host.",
        )

    def ended(self, status: int | None) -> Unreachable:
        """The error for a method that ended before the helper spoke."""
        said = self._said.replace(self._prompt, b"").decode("utf-8", "replace").strip()
        if "password is required" in said or (self._become.method == "doas" and "Authorization required" in said):
            return self.no_password()
        if self._answered and REFUSALS.search(self._said):
            return self.wrong_password()
        return Unreachable(
            "become",
            f"{self._become.method} did not let us become {self._become.user}: {said or f'exit status {status}'}",
            f"Try on the host: {self._become.method} -u {self._become.user} id",
        )
