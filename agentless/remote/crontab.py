"""Our line in the user's crontab: it stands first, and every other line stays as it is."""
# ruff: noqa: SIM105 (contextlib costs an import)

import fcntl
import os
import subprocess
import sys

from . import disk, wire

MARK = b"# agentless"
PLACES = ("/usr/bin", "/usr/local/bin", "/bin", "/usr/sbin", "/opt/homebrew/bin")
CODE = "import sys;sys.path.insert(0,sys.argv[1]);from remote.tick import main;main(sys.argv[2])"
# A tick whose files are gone can't tell it itself.
OR_TELL = "logger -t agentless 'the schedule does not fire; to see why: agentless schedule status' >/dev/null 2>&1 "


class CrontabError(Exception):
    """The crontab is out of reach: kind, message, hint."""

    def __init__(self, kind: str, message: str, hint: str) -> None:
        Exception.__init__(self, message)
        self.problem = (kind, message, hint)


def line(helper: str, state_dir: str) -> bytes:
    """What cron shall start each minute; `helper` is the directory that the helper is in."""
    words = [sys.executable, "-I", "-S", "-B", "-c", CODE, helper, state_dir]
    text = " ".join("'%s'" % word.replace("'", "'\\''") for word in words)
    text = "* * * * * %s >/dev/null 2>&1 || %s" % (text, OR_TELL)
    # cron takes % for a newline (crontab(5)), however it is quoted.
    if "%" in text or "\n" in text:
        hint = "set agentless_state_dir, or ansible_python_interpreter, to a path without it"
        raise CrontabError("crontab", "a crontab cannot hold a percent sign: %s" % text, hint)
    return os.fsencode(text) + MARK


def lock() -> None:
    """Keep other state directories of this user from the crontab until this process ends."""
    try:
        fcntl.flock(os.open(os.path.expanduser("~"), os.O_RDONLY), fcntl.LOCK_EX)
    except OSError:
        # No home, or one on a file system that has no locks: the crontab is looked at once more after it was written.
        pass


def read() -> "bytes | None":
    """The user's crontab as it stands; None where there is none."""
    code, out, stderr = _call(["-l"], b"")
    if code == 0:
        return out
    if "no crontab" in stderr or "No such file" in stderr:
        return None
    raise _refused(stderr)


def write(text: "bytes | None") -> None:
    """Replace the user's crontab; None removes it."""
    code, _, stderr = _call(["-r"] if text is None else ["-"], text or b"")
    if code:
        raise _refused(stderr)


def without(text: bytes, root: str, host: "str | None") -> bytes:
    """A crontab without our line, wherever and however often it stands; the arguments are those of `ours`."""
    return b"".join(each for each in text.splitlines(True) if not _is_ours(each, root, host))


def ours(text: "bytes | None", root: str, host: "str | None") -> "list[bytes]":
    """The lines that start a tick of this node directory, or of the same inventory host in another one.

    Its state directory may have been another before; what another host has for this user stays.
    """
    return [each.rstrip(b"\n") for each in (text or b"").splitlines(True) if _is_ours(each, root, host)]


def _is_ours(each: bytes, root: str, host: "str | None") -> bool:
    # Whatever somebody made of its end, who wanted to see what it prints.
    if b"from remote.tick import main" not in each or b"/schedule/helper/" not in each:
        return False
    other = os.fsdecode(each.partition(b"/schedule/helper/")[0].rpartition(b"'")[2])
    if other == root:
        return True
    pushed = disk.load(other + "/schedule/entries.json")
    return pushed is not None and pushed.get("host") == host


def _refused(stderr: str) -> CrontabError:
    if "not allowed" in stderr:
        hint = "root lets the user in with /etc/cron.allow, or by taking its name out of /etc/cron.deny"
        return CrontabError("cron-denied", stderr, hint + "; or give the entry `runs_on: controller`")
    if "newline" in stderr:
        hint = "its last line has no end, so that cron takes none of them: (crontab -l; echo) | crontab -"
        return CrontabError("crontab", stderr, hint)
    return CrontabError("crontab", stderr or "crontab failed and said nothing", "run `crontab -l` there as this user")


def _call(words: "list[str]", text: bytes) -> "tuple[int, bytes, str]":
    env = dict(os.environ, LC_ALL="C")
    for place in (env.get("PATH") or "").split(":") + list(PLACES):
        path = place + "/crontab"
        if place and os.access(path, os.X_OK):
            break
    else:
        hint = "install cron (Debian: cron, Fedora: cronie), or give the entry `runs_on: controller`"
        raise CrontabError("no-crontab", "there is no crontab command on this host", hint)
    pipe = subprocess.PIPE
    process = subprocess.Popen([path] + words, stdin=pipe, stdout=pipe, stderr=pipe, env=env, cwd="/")
    out, err = process.communicate(text)
    return process.returncode, out, err.decode("utf-8", "replace").strip()[: wire.WHOLE]
