"""Our line in the user's crontab: it stands first, and every other line stays as it is."""

import os
import subprocess
import sys

from . import wire

MARK = b"# agentless"
PLACES = ("/usr/bin", "/usr/local/bin", "/bin", "/usr/sbin", "/opt/homebrew/bin")
CODE = "import sys;sys.path.insert(0,sys.argv[1]);from remote.tick import main;main(sys.argv[2])"


class Refusal(Exception):
    """The crontab is out of reach: kind, message, hint."""

    def __init__(self, kind: str, message: str, hint: str) -> None:
        Exception.__init__(self, message)
        self.said = (kind, message, hint)


def line(helper: str, state_dir: str) -> bytes:
    """What cron shall start each minute.

    Args:
        helper: the directory that the helper is in.
        state_dir: the state directory.
    """
    words = [sys.executable, "-I", "-S", "-B", "-c", CODE, helper, state_dir]
    text = "* * * * * %s >/dev/null 2>&1 " % " ".join("'%s'" % word.replace("'", "'\\''") for word in words)
    # cron takes % for a newline (crontab(5)), however it is quoted.
    if "%" in text or "\n" in text:
        hint = "set agentless_state_dir, or ansible_python_interpreter, to a path without it"
        raise Refusal("crontab", "a crontab cannot hold a percent sign: %s" % text, hint)
    return os.fsencode(text) + MARK


def read() -> "bytes | None":
    """The user's crontab as it stands; None where there is none."""
    code, out, said = _call(["-l"], b"")
    if code == 0:
        return out
    if "no crontab" in said or "No such file" in said:
        return None
    raise _refused(said)


def write(text: "bytes | None") -> None:
    """Replace the user's crontab; None removes it."""
    code, _, said = _call(["-r"] if text is None else ["-"], text or b"")
    if code:
        raise _refused(said)


def without(text: bytes) -> bytes:
    """A crontab without our line, wherever and however often it stands."""
    return b"".join(each for each in text.splitlines(True) if not _is_ours(each))


def ours(text: "bytes | None") -> "list[bytes]":
    return [each.rstrip(b"\n") for each in (text or b"").splitlines(True) if _is_ours(each)]


def _is_ours(each: bytes) -> bool:
    # Whatever somebody made of its end, who wanted to see what it prints.
    return b"from remote.tick import main" in each and b"/schedule/helper/" in each


def _refused(said: str) -> Refusal:
    if "not allowed" in said:
        hint = "root lets the user in with /etc/cron.allow, or by taking its name out of /etc/cron.deny"
        return Refusal("cron-denied", said, hint + "; or give the entry `runs_on: controller`")
    if "newline" in said:
        hint = "its last line has no end, so that cron takes none of them: (crontab -l; echo) | crontab -"
        return Refusal("crontab", said, hint)
    return Refusal("crontab", said or "crontab failed and said nothing", "run `crontab -l` there as this user")


def _call(words: "list[str]", text: bytes) -> "tuple[int, bytes, str]":
    env = dict(os.environ, LC_ALL="C")
    for place in (env.get("PATH") or "").split(":") + list(PLACES):
        path = place + "/crontab"
        if place and os.access(path, os.X_OK):
            break
    else:
        hint = "install cron (Debian: cron, Fedora: cronie), or give the entry `runs_on: controller`"
        raise Refusal("no-crontab", "there is no crontab command on this host", hint)
    pipe = subprocess.PIPE
    process = subprocess.Popen([path] + words, stdin=pipe, stdout=pipe, stderr=pipe, env=env, cwd="/")
    out, err = process.communicate(text)
    return process.returncode, out, err.decode("utf-8", "replace").strip()[: wire.WHOLE]
