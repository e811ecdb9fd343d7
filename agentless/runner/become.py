"""Become another user on the host: the command line of sudo, su and doas, and the dialogue with their prompts."""

from __future__ import annotations

import re
import shlex
from functools import partial

from agentless.errors import HostError, Refused, Unreachable
from agentless.model.endpoint import Become
from agentless.model.secret import Secret
from agentless.regex import regex

__all__ = ["Dialogue", "wants_tty", "wrap"]

# The login shell has nothing to say after this line; before it, start-up files may print what looks like a prompt.
BEGIN = 'echo "become-$0" >&2; '
# sshd sets these for a terminal only, and the job shall not see how its method was asked.
HIDE_TTY = "unset SSH_TTY TERM; "
SU = 'case $(uname) in Linux) exec su -s /bin/sh "$1" -c "$2";; *) exec su "$1" -c "$2";; esac'
# The method leaves us in the login user's home, which the new user may not be allowed to enter. And sudo tells each
# process of the job the whole command in SUDO_COMMAND: kilobytes, and about us.
ENTER = (
    '[ -z "$SUDO_COMMAND" ] || SUDO_COMMAND=/bin/sh; '
    '(cd .) 2>/dev/null || { cd "${HOME:-/}" 2>/dev/null || cd /; unset OLDPWD; }; exec "$@"'
)

NEEDS_TTY = regex(rb"\btty\b|\bterminal\b", re.IGNORECASE)
# The words of sudo, su (PAM) and doas for a password that is wrong, and for one that is missing.
WRONG = regex(r"try again|incorrect password|authentication (?:failure|failed)|password .*incorrect", re.IGNORECASE)
MISSING = regex(r"password is required|(?:authentication|authorization) required", re.IGNORECASE)
UNKNOWN_USER = regex(r"unknown user|user \S+ does not exist|no passwd entry for|unknown login", re.IGNORECASE)
NOT_ALLOWED = regex(
    r"not in the sudoers|may not run sudo|not allowed to (?:run|execute)|operation not permitted", re.IGNORECASE
)
# sudo repeats the whole command, which is ours and long.
COMMAND = regex(r"not allowed to execute '.*' as", re.DOTALL)
# In other messages (`argv[5] mismatch, expected "…"`) as well: base64, of which nobody reads a line.
SENT = regex(r"[A-Za-z0-9+/=]{100,}")
# dash, bash and busybox under a rule that is NOEXEC, where the shell that sudo started cannot start anything.
NO_EXEC = regex(r"exec: .*/bin/sh: .*permission denied", re.IGNORECASE)
NO_SHELL = regex(r"account is currently not available", re.IGNORECASE)
LAST_LINE = regex(rb"[^\r\n]*\Z")
# su and doas take no prompt of ours: a line without an end that closes with a colon is one.
ANY_PROMPT = regex(rb"(?:[:?>]|\xef\xbc\x9a) ?\Z")
PASSWORD_PROMPT = regex(rb"password[^\r\n]*: ?\Z", re.IGNORECASE)
HEARD_MAX = 16 << 10
NOT_FOUND = (126, 127)
METHODS = ("sudo", "su", "doas")
unable = partial(Unreachable, "become")


def wants_tty(become: Become) -> bool:
    """Whether the method reads its password from a terminal only."""
    return become.method in ("doas", "su") and become.password is not None


def wrap(line: str, become: Become, mark: str, *, tty: bool) -> str:
    """The remote command line `line` (it starts with `exec `), run as `become.user`.

    The job starts where the method leaves it, which is the login user's home, or else in the new user's home, or else
    in `/`: the first that it can enter.

    Args:
        mark: a word of this call that sudo's prompt carries, so that no other output is taken for it.
        tty: the line will run on a terminal.

    Raises:
        Unreachable: kind `become`: no such method, or a password that no prompt can take.
    """
    if become.method not in METHODS:
        raise unable(
            f"become_method {become.method!r} is not known here",
            "Use sudo, su or doas (ansible_become_method).",
        )
    if become.password is not None and re.search(r"[\n\r\0]", become.password.reveal()):
        raise unable(
            f"the password for becoming {become.user} contains a line end or a NUL, which no prompt takes",
            "Look at where it comes from: a file that it was read from ends with a newline.",
        )
    inner = f"/bin/sh -c '{ENTER}' agentless {line.removeprefix('exec ')}"
    user = shlex.quote(become.user)
    begin = (HIDE_TTY if tty else "") + BEGIN
    if become.method == "su":
        return f"exec /bin/sh -c '{begin}{SU}' {mark} {user} {shlex.quote('exec ' + inner)}"
    if become.method == "sudo":
        # %p is the user whose password is wanted: root's or the target's under `rootpw` and `targetpw`.
        ask = f"-S -p '[{mark}:%p] '" if become.password is not None else "-n"
        outer = f"sudo -H {ask} -u {user} -- {inner}"
    else:
        outer = f"doas {'' if become.password is not None else '-n '}-u {user} -- {inner}"
    return f"exec /bin/sh -c '{begin}exec \"$@\"' {mark} {outer}"


class Dialogue:
    """What sudo, su or doas print before the helper speaks, and what they are answered with.

    Args:
        mark: the one that `wrap` was given.
        tty: on a terminal, the helper's answers come the same way as the prompts.
    """

    def __init__(self, become: Become, mark: str, *, tty: bool) -> None:
        self._become = become
        self.tty = tty
        self._begin = re.compile(rb"become-" + mark.encode("ascii") + rb"\r?\n")
        self._prompt = re.compile(rb"\[" + mark.encode("ascii") + rb":([^\]%]*)\] ")
        self._helper = b"\x1e" + mark.encode("ascii")
        self._heard = bytearray()
        self._begun = False
        self._answered = False
        self._whose = ""

    @property
    def begun(self) -> bool:
        """Whether the login shell has come as far as starting the method."""
        return self._begun

    @property
    def needs_tty(self) -> bool:
        """Whether the method ended because it wants a terminal."""
        return self._begun and not self.tty and not self._answered and bool(NEEDS_TTY.search(self._heard))

    def feed(self, data: bytes) -> Secret | None:
        """Take what was printed; return the password where it is to be typed now, with a line end.

        Raises:
            HostError: the password is wrong, or one is asked for and none is known.
        """
        self._heard += data
        if not self._begun:
            begin = self._begin.search(self._heard)
            if begin is None:
                del self._heard[:-HEARD_MAX]
                return None
            self._begun = True
            del self._heard[: begin.end()]
        if self._helper in self._heard:
            return None
        # The first words say what is wrong, the last ones may be a prompt.
        del self._heard[HEARD_MAX:-HEARD_MAX]
        own = list(self._prompt.finditer(self._heard))
        if own:
            if not self._answered:
                self._whose = own[0][1].decode("utf-8", "replace")
            return self._answer()
        if self._become.method != "sudo" and PASSWORD_PROMPT.search(self._last_line()):
            return self._answer()
        return None

    def quiet(self) -> Secret | None:
        """Nothing was printed for a while: a prompt in words that nobody foresaw (PAM's own) is one, too.

        Raises:
            HostError: as `feed`.
        """
        if self._begun and self._helper not in self._heard and ANY_PROMPT.search(self._last_line()):
            return self._answer()
        return None

    def _last_line(self) -> bytes:
        match = LAST_LINE.search(self._heard)
        return match[0] if match else b""

    def _answer(self) -> Secret | None:
        if self._answered:
            raise self._asked_again()
        if self._become.password is None:
            raise self._no_password()
        self._answered = True
        self._heard.clear()
        return self._become.password

    # --- errors ---
    def ended(self, status: int | None) -> HostError:
        """The error for a method that ended before the helper spoke."""
        method, user = self._become.method, self._become.user
        printed = self._printed()
        if status in NOT_FOUND and re.search(rf"\b{method}\b", printed):
            return unable(
                f"{method} is not installed on the host, or not in the PATH of a login without a terminal",
                "Install it, choose another become_method (ansible_become_method: sudo, su or doas), "
                "or log in as the user that the job needs.",
            )
        if UNKNOWN_USER.search(printed):
            return Refused(
                "no-such-user",
                f"there is no user {user} on the host ({printed})",
                "Look at `become_user`.",
            )
        if MISSING.search(printed) and not self._answered:
            return self._no_password()
        if self._answered and WRONG.search(printed):
            return self._wrong_password()
        if NOT_ALLOWED.search(printed):
            return unable(f"{method} does not allow it: {printed}", self._rule())
        if method == "sudo" and NO_EXEC.search(printed):
            return unable(
                f"sudo let us become {user}, and start nothing then: {printed}",
                "The rule in sudoers is NOEXEC, or `Defaults noexec` is set. A job needs `EXEC:` in its user's rule.",
            )
        if NO_SHELL.search(printed):
            return unable(
                f"{user} has no login shell, and su from a user that is not root insists on one: {printed}",
                f"Use become_method sudo for {user}.",
            )
        return unable(
            f"{method} did not let us become {user}: {printed or f'exit status {status}'}",
            "If it wants a password, give it as `become_password` or as ansible_become_password. To see what happens, "
            f"type on the host: {self._by_hand()}",
        )

    def silent(self, seconds: float) -> Unreachable:
        """The error for a method that neither answers nor ends within `seconds`."""
        printed = self._printed()
        after = "after the password" if self._answered else "and asked for no password"
        return unable(
            f"{self._become.method} hangs: it said nothing within {seconds:g} s, {after}"
            + (f"; it printed: {printed}" if printed else ""),
            f"Type on the host: {self._by_hand()}; a slow name service or PAM module is the usual cause.",
        )

    def _printed(self) -> str:
        """The method's own words, short enough for a message, without what was sent."""
        printed = self._prompt.sub(b"", bytes(self._heard)).decode("utf-8", "replace")
        printed = SENT.sub("…", COMMAND.sub("not allowed to execute /bin/sh as", printed))
        lines = [line.strip() for line in printed.splitlines()]
        return " / ".join(line for line in lines if line)[-500:]

    def _asked_again(self) -> Unreachable:
        if WRONG.search(self._printed()) or self._become.method != "sudo" or self._printed():
            return self._wrong_password()
        return unable(
            f"{self._become.method} asks for more than a password to become {self._become.user}",
            "A second factor cannot be given here: log in as that user, or allow the step without it (NOPASSWD).",
        )

    def _wrong_password(self) -> Unreachable:
        method = self._become.method
        whose = self._whose or (self._become.user if method == "su" else "the login user")
        return unable(
            f"{method} refused the password for becoming {self._become.user}: it wants that of {whose}",
            f"Give {whose}'s password as `become_password`, or as ansible_become_password of this host, which wins.",
        )

    def _no_password(self) -> Unreachable:
        return unable(
            f"{self._become.method} asks for a password to become {self._become.user}",
            "Give it as `become_password`, or as ansible_become_password for this host.",
        )

    def _rule(self) -> str:
        if self._become.method == "doas":
            return f"A line such as `permit USER as {self._become.user}` in /etc/doas.conf allows it."
        return (
            "The user needs a rule that allows /bin/sh, as for Ansible, such as "
            f"`USER ALL=({self._become.user}) ALL` in sudoers (visudo)."
        )

    def _by_hand(self) -> str:
        if self._become.method == "su":
            return f"su {self._become.user} -c id"
        return f"{self._become.method} -u {self._become.user} id"
