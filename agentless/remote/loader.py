"""Travels with each call: finds the state directory and the helper in it, asks for the helper where it is missing, runs it.

Arguments: LC_CTYPE, this text, nonce, SHA-256 and size of the payload, bytes of its files, state directory (base64), the
JID where this is a run, lengths of request and sections, the request (base64, `-` where it comes on stdin). Python 3.4
must be able to compile it; comments do not travel.

What it runs is what lies in a directory that has the payload's SHA-256 for a name, so nobody else may have put it there:
no other user can write to, or rename in, any directory on the way, and every file is this user's own.
"""

# ruff: noqa
# mypy: ignore-errors
import sys

if sys.version_info < (3, 6):
    sys.exit(97)
import errno, os, pwd

_, locale, _, nonce, sha, size, total, state, jid, asked, sections, request = sys.argv
umask, me = os.umask(0o77), os.geteuid()
# errno of a directory that is refused here, and of a full disk.
BAD = 0, errno.ENOSPC, errno.EDQUOT


def say(text):
    os.write(1, ("\x1e%s %d 0\n%s" % (nonce, len(text), text)).encode())


def refuse(kind, text, hint=""):
    import json

    hint += "set agentless_state_dir"
    say(json.dumps(dict(t="refused" if jid != "-" else "error", jid=jid, kind=kind, message=text, hint=hint)))
    say('{"t":"end"}')
    sys.exit()


def take(n):
    data = b""
    while len(data) < n:
        got = os.read(0, n - len(data))
        data += got or sys.exit(98)
    return data


def alien(s):
    return s.st_uid != me or s.st_mode & 0o22 or s.st_mode >> 12 not in (4, 8)


def shared(s):
    # A link's mode says nothing, a sticky directory keeps what is in it, a user's private group is the user.
    m = s.st_mode
    if m >> 12 == 10 or m & 0o1000:
        m = 0
    group = m & 16 and __import__("grp").getgrgid(s.st_gid)[::3]
    return s.st_uid not in (0, me) or m & 2 or group and group != (pwd.getpwuid(me)[0], [])


def make(path):
    for p in path, os.path.realpath(path):
        while p != "/":
            p = os.path.dirname(p)
            if os.path.lexists(p) and shared(os.lstat(p)):
                raise OSError(0, "another user can write " + p)
    os.makedirs(path, exist_ok=True)
    if alien(os.lstat(path)):
        raise OSError(0, "it's a link, another user's, or open to others")
    return path


def home(name):
    return (pwd.getpwnam(name) if name else pwd.getpwuid(me))[5]


def whole():
    n = 0
    for d, ds, fs in os.walk(root):
        for f in ["."] + ds + fs:
            s = os.lstat(d + "/" + f)
            if alien(s):
                return 0
            n += s.st_size * (f[-3:] == ".py")
    # A power cut may leave less than was written.
    return n >= int(total)


def load():
    # Python 3.6 to 3.11 leave cut bytecode on a disk that is full, and can't read it again.
    v = os.statvfs(root)
    sys.dont_write_bytecode = v.f_bavail * v.f_frsize < 1 << 20
    sys.path.insert(0, root)
    return __import__("remote.serve").serve.main


state = os.fsdecode(binascii.a2b_base64(state))
try:
    if state[:1] == "~":
        name, _, state = state[1:].partition("/")
        state = home(name) + "/" + state
    if state:
        state = make(os.path.abspath(state))
    else:
        try:
            base, state = (home("") + "/.", "local/state") if me else ("/var/", "lib")
            # Nobody's home is made here.
            os.stat(base)
            # Where former versions had it, something may run, or cron may start it from there.
            if os.path.isdir(base + "cache/agentless"):
                state = "cache"
            state = make(base + state + "/agentless")
        except (OSError, KeyError) as e:
            if getattr(e, "errno", 1) in BAD:
                raise
            state = make("/var/tmp/agentless-%d" % me)
    root = make(state + "/helper") + "/" + sha
    new = root + ".%d" % os.getpid()
    main = 0
    if whole():
        try:
            main = load()
        except Exception:
            os.rename(root, new + ".old")
            for n in list(sys.modules):
                if n[:6] == "remote":
                    del sys.modules[n]
    fresh = not main
    if fresh:
        say('{"t":"need"}')
        data = take(int(size))
        import hashlib, shutil, zlib

        if hashlib.sha256(data).hexdigest() != sha:
            refuse("payload", "the helper came damaged")
        try:
            os.makedirs(new + "/remote")
            for name, text in eval(zlib.decompress(data)).items():
                with open(new + "/remote/" + name, "wb") as f:
                    f.write(text)
                    f.flush()
                    os.fsync(f)
            try:
                os.rename(new, root)
            except OSError:
                # Incomplete: a cleaner was here. Or another call was faster.
                if not whole():
                    os.rename(root, new + ".old")
                    os.rename(new, root)
            main = load()
        finally:
            shutil.rmtree(new, True)
    elif request == "-" or sections != "0":
        say('{"t":"ready"}')
except (OSError, KeyError) as e:
    full = getattr(e, "errno", 0) in BAD[1:]
    refuse(
        "disk-full" if full else "state-dir",
        "state directory %s: %s" % (state, getattr(e, "strerror", e)),
        "make room on that file system, or " if full else "",
    )
main(
    state,
    nonce,
    locale,
    umask,
    fresh,
    binascii.a2b_base64(request) if request != "-" else take(int(asked)),
    int(sections),
)
