"""What the operating system knows of processes, and the few calls that differ: /proc on Linux, else ps(1).

Start times are opaque texts, compared for equality only: field 22 of /proc/PID/stat, proc(5), or `lstart` of ps in UTC.
"""

import gc
import os

from . import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LINUX = os.uname().sysname == "Linux"
# More than most of what is read, and what /proc gives at once.
PAGE = 4096
BOOT_ID = "/proc/sys/kernel/random/boot_id"


class ProcessRow:
    """One row of the process table. `state` is ps's first letter: R S D T Z and so on."""

    __slots__ = ("pgid", "pid", "ppid", "sid", "start", "state")

    def __init__(self, pid: int, ppid: int, pgid: int, sid: int, start: str, state: str) -> None:
        self.pid = pid
        self.ppid = ppid
        self.pgid = pgid
        self.sid = sid
        self.start = start
        self.state = state

    @property
    def dead(self) -> bool:
        return self.state in "ZXx"


def read(path: str, limit: int = 1 << 16) -> bytes:
    """At most `limit` bytes of a small file; of a pipe in its place, what is there."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        # Room for the whole limit is memory that the kernel has to find and take back again: 10 us, of which a look
        # at all processes has hundreds.
        data = os.read(fd, min(limit, PAGE))
        return data if len(data) < PAGE else data + os.read(fd, limit - PAGE)
    finally:
        os.close(fd)


class ProcTable:
    """The process table as Linux's /proc shows it (under hidepid, only the user's own)."""

    def boot_id(self) -> str:
        return read(BOOT_ID).decode("ascii").strip()

    def process(self, pid: int) -> "ProcessRow | None":
        """One process, or None where there is none or it is hidden."""
        try:
            line = read("/proc/%d/stat" % pid)
        except OSError:
            return None
        # The command's name is in parentheses and may hold anything, parentheses too.
        fields = line[line.rfind(b")") + 2 :].split()
        if len(fields) < 20:
            return None
        return ProcessRow(
            pid, int(fields[1]), int(fields[2]), int(fields[3]), fields[19].decode("ascii"), fields[0].decode("ascii")
        )

    def table(self) -> "dict[int, ProcessRow]":
        """Every process that can be seen, by PID."""
        rows = {}
        for name in os.listdir("/proc"):
            if name.isdigit():
                row = self.process(int(name))
                if row is not None:
                    rows[row.pid] = row
        return rows

    def holds(self, pid: int, files: "set[tuple[int, int]]") -> bool:
        """Whether a process has one of these files open, by device and inode; True where that cannot be seen."""
        folder = "/proc/%d/fd/" % pid
        try:
            for name in os.listdir(folder):
                info = os.stat(folder + name)
                if (info.st_dev, info.st_ino) in files:
                    return True
        except FileNotFoundError:
            # It has ended, or closed that one: at the next look.
            return os.path.isdir(folder)
        except PermissionError:
            return True
        return False

    def uid(self, pid: int) -> "int | None":
        """The effective user of a process."""
        try:
            for line in read("/proc/%d/status" % pid).split(b"\n"):
                if line.startswith(b"Uid:"):
                    return int(line.split()[2])
        except OSError:
            # It is gone, or hidden.
            pass
        return None

    def jobs(self) -> "dict[str, set[str]]":
        """The JIDs that this user's live processes carry in their environment, with the files that these write to."""
        jobs = {}  # type: dict[str, set[str]]
        me = os.geteuid()
        for name in os.listdir("/proc"):
            try:
                if name.isdigit() and os.stat("/proc/" + name).st_uid == me:
                    data = b"\0" + read("/proc/%s/environ" % name, 1 << 21)
                    jid = data.partition(b"\0AGENTLESS_JID=")[2][:20].decode("ascii", "replace")
                    if wire.is_jid(jid):
                        jobs.setdefault(jid, set()).update(os.readlink("/proc/%s/fd/%d" % (name, fd)) for fd in (1, 2))
            except OSError:
                # It has ended meanwhile, or closed these.
                continue
        return jobs

    def machine_id(self) -> str:
        return ""

    def tagged(self, pids: "list[int]", tag: bytes) -> "list[int]":
        """Those of these processes that were started with `tag` (NAME=VALUE) in their environment."""
        return [pid for pid in pids if self._is_tagged(pid, tag)]

    def _is_tagged(self, pid: int, tag: bytes) -> bool:
        try:
            return (b"\0" + tag + b"\0") in b"\0" + read("/proc/%d/environ" % pid, 1 << 21)
        except OSError:
            return False


class PsTable:
    """The process table as ps(1) shows it (macOS, BSD). There are no session ids: the process group stands for them."""

    columns = "pid=,ppid=,pgid=,state=,lstart="

    def holds(self, pid: int, files: "set[tuple[int, int]]") -> bool:
        """Whether a process has one of these files open; that cannot be seen here."""
        return True

    def boot_id(self) -> str:
        for name in ("kern.bootsessionuuid", "kern.boot_id", "kern.boottime"):
            text = _output(["sysctl", "-n", name]).strip()
            if text:
                return text
        return read(BOOT_ID).decode("ascii").strip()

    def _rows(self, select: "list[str]") -> "dict[int, ProcessRow]":
        rows = {}
        for line in _output(["ps", "-o", self.columns] + select).split("\n"):
            part = line.split()
            if len(part) >= 9:
                pid, ppid, pgid = int(part[0]), int(part[1]), int(part[2])
                rows[pid] = ProcessRow(pid, ppid, pgid, pgid, " ".join(part[4:9]), part[3][0])
        return rows

    def process(self, pid: int) -> "ProcessRow | None":
        return self._rows(["-p", str(pid)]).get(pid)

    def table(self) -> "dict[int, ProcessRow]":
        return self._rows(["-ax"])

    def uid(self, pid: int) -> "int | None":
        text = _output(["ps", "-o", "uid=", "-p", str(pid)]).strip()
        return int(text) if text.isdigit() else None

    def jobs(self) -> "dict[str, set[str]]":
        """The JIDs that this user's live processes carry in their environment; which files these write to, ps hides."""
        words = _output(["ps", "-xEww", "-o", "command="]).split()
        jids = {word[14:] for word in words if word.startswith("AGENTLESS_JID=")}
        return {jid: set() for jid in jids if wire.is_jid(jid)}

    def machine_id(self) -> str:
        return _output(["sysctl", "-n", "kern.uuid"]).strip() or _output(["sysctl", "-n", "kern.hostuuid"]).strip()

    def tagged(self, pids: "list[int]", tag: bytes) -> "list[int]":
        # One ps for all, since each takes a while; another for who seems to be one, since a process makes its line:
        # what stands behind a line's end in its environment may look like the line of another.
        word = " " + tag.decode("ascii") + " "
        lines = [line for line in _output(["ps", "-axEww", "-o", "pid=,command="]).split("\n") if word in line + " "]
        seeming = {line.split()[0] for line in lines}
        return [
            pid
            for pid in pids
            if str(pid) in seeming and word in _output(["ps", "-Eww", "-o", "command=", "-p", str(pid)]) + " "
        ]


def _output(argv: "list[str]") -> str:
    import subprocess

    env = dict(os.environ, TZ="UTC", LC_ALL="C")
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env
        )
    except OSError:
        return ""
    return done.stdout.decode("utf-8", "replace")


table = ProcTable() if os.path.exists("/proc/self/stat") else PsTable()  # type: ProcTable | PsTable


def collect() -> None:
    """Collect garbage from here on, which the loader has switched off, of what is made from here on.

    To look through all that is loaded would write to each of its pages, and a fork shares those.
    """
    if hasattr(gc, "freeze"):
        gc.freeze()  # novm
    gc.enable()


def space() -> str:
    """What the PIDs of this process belong to: a boot, and on Linux a PID namespace (containers share the boot)."""
    try:
        return table.boot_id() + " " + os.readlink("/proc/self/ns/pid")
    except OSError:
        return table.boot_id()


def alive(pid: "Any", start: "Any", boot: "Any") -> "ProcessRow | None":
    """The process of this PID if it is alive and the one that was meant: PID, start time and boot all agree."""
    if not isinstance(pid, int) or pid <= 1 or boot != table.boot_id():
        return None
    row = table.process(pid)
    return row if row is not None and row.start == start and not row.dead else None


def is_process(pid: "Any", start: "Any", boot: "Any") -> bool:
    """Whether it is `alive`."""
    return alive(pid, start, boot) is not None


def user_name(uid: "int | None") -> str:
    """The name of a user, the number where passwd has none."""
    if uid is None:
        return "?"
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


_functions = {}  # type: dict[str, Any]


def prepare() -> None:
    """Load what a supervisor calls, ahead of its fork: each shared page that the fork writes to has to be copied."""
    _functions["prctl"] = _found("prctl", "i", "q", "q", "q", "q") if LINUX else None


def _found(name: str, *types: str) -> "Any":
    try:
        return _function(name, *types)
    except (ImportError, OSError, AttributeError):
        # A Python that was built without libffi, or a C library that has no such function.
        return None


def _function(name: str, *types: str) -> "Any":
    # The ctypes package costs 6 ms; what it is made of is enough for a call with integers.
    try:
        import _ctypes

        class Int(_ctypes._SimpleCData):  # type: ignore[type-arg]
            _type_ = "i"

        class Long(_ctypes._SimpleCData):  # type: ignore[type-arg]
            _type_ = "q"

        class Function(_ctypes.CFuncPtr):
            _flags_ = _ctypes.FUNCFLAG_CDECL | _ctypes.FUNCFLAG_USE_ERRNO
            _restype_ = Int

        kinds = {"i": Int, "q": Long}
        library = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]
        function = Function(_ctypes.dlsym(library, name))
        function.argtypes = [kinds[t] for t in types]
        return function
    except (ImportError, AttributeError, TypeError):
        import ctypes

        function = getattr(ctypes.CDLL(None, use_errno=True), name)
        function.argtypes = [{"i": ctypes.c_int, "q": ctypes.c_longlong}[t] for t in types]
        return function


def become_subreaper() -> bool:
    """Adopt orphaned descendants (prctl(2), PR_SET_CHILD_SUBREAPER); False where that cannot be."""
    if "prctl" not in _functions:
        prepare()
    prctl = _functions["prctl"]
    return prctl is not None and prctl(36, 1, 0, 0, 0) == 0


def punch(fd: int, start: int, end: int) -> bool:
    """Give the file's blocks from `start` to `end` back to the file system; False where it cannot do that."""
    fallocate = _found("fallocate64", "i", "i", "q", "q") if LINUX else None
    # FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, fallocate(2); fallocate64 takes 64 bits on every machine.
    return fallocate is not None and fallocate(fd, 3, start, end - start) == 0


def children() -> "list[int]":
    """The PIDs of this process's own children, without a walk; empty where the kernel does not tell."""
    me = os.getpid()
    try:
        return [int(pid) for pid in read("/proc/%d/task/%d/children" % (me, me)).split()]
    except (OSError, ValueError):
        # Cut in the middle of a number, at worst.
        return []


def ooms() -> "int | None":
    """How many processes the kernel has killed for want of memory since boot; None where it does not tell."""
    try:
        for line in read("/proc/vmstat").split(b"\n"):
            if line.startswith(b"oom_kill "):
                return int(line.split()[1])
    except OSError:
        # There is no such file in some containers, and not on other systems.
        pass
    return None


def lift_file_size() -> "int | None":
    """Let files grow as far as this user may let them; return how far, None where that is not bounded.

    `ssh host command` would print into a pipe, and no `ulimit -f` would end it; here its output is a file.
    """
    # As a rule there is no limit, and the module that lifts one costs half a millisecond.
    try:
        if b"\nMax file size             unlimited            unlimited " in read("/proc/self/limits"):
            return None
    except OSError:
        # Another system than Linux.
        pass
    import resource

    limit = resource.RLIMIT_FSIZE
    _, hard = resource.getrlimit(limit)
    try:
        resource.setrlimit(limit, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except (ValueError, OSError):
        # Only root may lift the hard one.
        resource.setrlimit(limit, (hard, hard))
        return hard
    return None
