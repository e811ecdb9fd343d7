"""Paths as people write them, for `put` and `get`: from the home, over links that may be trusted; and what is wrong
with one."""

import errno
import os
import stat

LINKS_MAX = 40
# How names of files end that have not come whole, and how old a leftover is before it is taken away.
PART = b".agentless-part"
OLD = 60.0
FAILED_MAX = 20
KINDS = {
    errno.EACCES: "permission-denied",
    errno.EPERM: "permission-denied",
    errno.EROFS: "read-only",
    errno.ENOENT: "no-such-file",
    errno.ENOTDIR: "not-a-directory",
    errno.EISDIR: "is-a-directory",
    errno.ENOSPC: "disk-full",
    errno.EDQUOT: "disk-full",
    errno.EFBIG: "too-large",
    errno.ENAMETOOLONG: "name-too-long",
    errno.ELOOP: "link",
}
HINTS = {
    "permission-denied": "Log in as another user, or become one: -b.",
    "disk-full": "Make room on that file system.",
}


class Unfit(Exception):
    """What is there is not what a file could be written over, or read from. Args: kind, message, hint."""


def text(path: bytes) -> str:
    """A path as it travels: bytes that are no UTF-8 come back as they are."""
    return path.decode("utf-8", "surrogateescape")


def problem(e: Exception, path: bytes) -> "list[str]":
    """Kind, message and hint of what failed with a file."""
    if isinstance(e, Unfit):
        kind, message, hint = e.args
        return [kind, "%s: %s" % (text(path), message), hint]
    kind = KINDS.get(getattr(e, "errno", 0), "os-error")
    return [kind, "%s: %s" % (text(path), getattr(e, "strerror", None) or e), HINTS.get(kind, "")]


def expand(path: bytes) -> bytes:
    """An absolute path: `~` and `~NAME` are homes, and so is where a relative one begins; KeyError: no such user."""
    import pwd

    first, _, rest = path.partition(b"/")
    name = ""
    if first[:1] == b"~":
        name, path = text(first[1:]), rest
    home = os.fsencode((pwd.getpwnam(name) if name else pwd.getpwuid(os.geteuid())).pw_dir)
    return os.path.join(home, path)


def trusted(path: bytes) -> bytes:
    """Where a path leads that is written to. A link at its end is followed where root or the one who writes made it.

    What the kernel has in fs.protected_symlinks for sticky directories holds here for all: another user's link would
    say where root writes.
    """
    for _ in range(LINKS_MAX):
        try:
            info = os.lstat(path)
        except FileNotFoundError:
            return path
        if not stat.S_ISLNK(info.st_mode):
            return path
        if info.st_uid not in (0, os.geteuid()):
            hint = "Name what it leads to, or remove it."
            raise Unfit("link", "it is a link of another user (uid %d), which is not followed" % info.st_uid, hint)
        path = os.path.join(os.path.dirname(path), os.readlink(path))
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


class Failures:
    """What could not be copied: all are counted, the first ones are told."""

    def __init__(self) -> None:
        self.told = []  # type: list[list[str]]
        self.count = 0

    def add(self, e: Exception, path: bytes) -> None:
        self.count += 1
        if len(self.told) < FAILED_MAX:
            self.told.append([text(path)[:1000], *problem(e, path)])
