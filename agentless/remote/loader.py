"""Travels with each call: finds the state directory and the helper in it, and runs it.

Arguments: LC_CTYPE, this text, that of unpack.py, nonce, SHA-256 and size of the payload, bytes of its files, state
directory (base64), the JID where this is a run, lengths of request and sections, the request (base64, `-` where it
comes on stdin). Python 3.4 must be able to compile it; comments do not travel.

Each call compiles this text, so it is short: what it cannot vouch for is left to unpack.py, which tells why, or mends it.

What it runs is what lies in a directory that has the payload's SHA-256 for a name, so nobody else may have put it there:
no other user can write to, or rename in, any directory on the way, and every file is this user's own.
"""

# ruff: noqa
# mypy: ignore-errors
import sys

if sys.version_info < (3, 6):
    sys.exit(97)
import marshal, os, gc

# What runs for some milliseconds leaves nothing to collect.
gc.disable()

_, locale, _, unpack, nonce, sha, size, total, state, jid, length, sections, request = sys.argv
umask, me = os.umask(0o77), os.geteuid()


def say(text):
    os.write(1, ("\x1e%s %d 0\n%s" % (nonce, len(text), text)).encode())


def alien(s):
    return s.st_uid != me or s.st_mode & 0o22 or s.st_mode >> 12 not in (4, 8)


def shared(s):
    # A link's mode says nothing, a sticky directory keeps what is in it, a user's private group is the user.
    m = s.st_mode
    if m >> 12 == 10 or m & 0o1000:
        m = 0
    group = m & 16 and __import__("grp").getgrgid(s.st_gid)[::3]
    return s.st_uid not in (0, me) or m & 2 or group and group != (passwd()[0], [])


def passwd(name=""):
    import pwd

    return pwd.getpwnam(name) if name else pwd.getpwuid(me)


def open_to(path):
    """The directory on the way to `path` in which another user could exchange something."""
    for p in path, os.path.realpath(path):
        while p != "/":
            p = os.path.dirname(p)
            if os.path.lexists(p) and shared(os.lstat(p)):
                return p


def place():
    path = os.fsdecode(binascii.a2b_base64(state))
    if path[:1] == "~":
        name, _, path = path[1:].partition("/")
        path = passwd(name)[5] + "/" + path
    if path:
        return os.path.abspath(path)
    base = passwd()[5] + "/." if me else "/var/"
    # Nobody's home is made here.
    os.stat(base)
    # Where former versions had it, something may run, or cron may start it from there.
    old = os.path.isdir(base + "cache/agentless")
    return base + ("cache" if old else "local/state" if me else "lib") + "/agentless"


def inside(p):
    s = os.lstat(p)
    if alien(s):
        raise OSError(0, "another user's")
    if s.st_mode >> 12 == 4:
        return sum([inside(p + "/" + f) for f in os.listdir(p)])
    return s.st_size * (p[-3:] == ".py")


def whole():
    try:
        # A power cut may leave less than was written.
        return inside(root) >= int(total)
    except OSError:
        return 0


def load():
    name = "%s/%s-%x" % (root, sys.implementation.cache_tag, sys.hexversion)
    try:
        fd = os.open(name, os.O_RDONLY)
    except OSError:
        # As on the first call of each Python.
        sys.path.insert(0, root)
        __import__("remote.bundle").bundle.make(root, name)
    else:
        boot, rooms = marshal.loads(os.read(fd, 1 << 13))
        names = {}
        exec(boot, names)
        names["install"](root, rooms, fd)
    # Python 3.6 to 3.11 leave cut bytecode on a disk that is full, and can't read it again.
    v = os.statvfs(root)
    sys.dont_write_bytecode = v.f_bavail * v.f_frsize < 1 << 20
    return __import__("remote.serve").serve.main


def take(n):
    data = b""
    while len(data) < n:
        got = os.read(0, n - len(data))
        data += got or sys.exit(98)
    return data


main = fresh = 0
try:
    path = place()
    root = path + "/helper/" + sha
    if not (open_to(root) or alien(os.lstat(path)) or alien(os.lstat(path + "/helper"))) and whole():
        main = load()
except Exception:
    # What it was comes up again there.
    pass
if not main:
    exec(binascii.a2b_base64(unpack))
elif request == "-" or sections != "0":
    say('{"t":"ready"}')
main(
    path,
    nonce,
    locale,
    umask,
    fresh,
    binascii.a2b_base64(request) if request != "-" else take(int(length)),
    int(sections),
)
