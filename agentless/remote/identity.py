"""Which directory under the state directory is this machine's: names are shared, and change.

<node>/node.json says whose a directory is: `space`, the boot and PID namespace of its last use; `local`, a random id in
a place that is not shared (/var/tmp); `machine`, of /etc/machine-id; `macs`, the network's hardware addresses. Clones
share the second and the third, unless they were made before the first contact; never the fourth on one network.
"""

import errno
import fcntl
import os

from . import disk, system

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FILE = "node.json"
# Of former versions, which knew a node by its name.
FORMER = "space.json"
SIOCGIFHWADDR = 0x8927


def find(state_dir: str) -> str:
    """The directory of this machine, made where there is none; it has the name that the machine had then.

    OSError where it cannot be made.
    """
    here = evidence()
    name = os.uname().nodename.replace("/", "_").lstrip(".")
    name = "node" if name in ("", "helper") else name
    path = state_dir + "/" + name
    number = 1
    while True:
        claims = []
        for each in sorted(os.listdir(state_dir)):
            each_path = state_dir + "/" + each
            if each[0] != "." and each != "helper" and not os.path.islink(each_path) and os.path.isdir(each_path):
                rank = _claim(each_path, each == name, here)
                if rank:
                    claims.append((rank, each != name, each_path))
        if claims:
            rank, _, path = min(claims)
            if rank > 1:
                mark(path, here)
            return path
        new = "%s/.new-%s" % (state_dir, os.urandom(4).hex())
        os.mkdir(new, 0o700)
        try:
            mark(new, here)
            os.rename(new, path)
            return path
        except OSError as e:
            disk.remove(new)
            if e.errno in disk.FULL or not os.path.lexists(path):
                raise
            # Another machine has this name, too; or another call of this one was faster, and will be found: all try the
            # same names in the same order, so that none makes a second directory beside it.
            number += 1
            path = "%s/%s.%d" % (state_dir, name, number)


def claimed(path: str) -> str:
    """A directory that is said to be this machine's, from before a boot; OSError where it is another's."""
    here = evidence()
    if not _claim(path, True, here):
        raise OSError(errno.EPERM, "these records are another machine's", path)
    mark(path, here)
    return path


def mark(path: str, here: "dict[str, Any] | None" = None) -> None:
    """Write down that a directory is this machine's."""
    here = here or evidence()
    if here["local"] is None:
        here["local"] = _settle((disk.load(path + "/" + FILE) or {}).get("local") or os.urandom(8).hex())
    disk.write(path + "/" + FILE, here)


def _claim(path: str, named: bool, here: "dict[str, Any]") -> int:
    """How sure it is that a directory is this machine's, 1 the surest; 0: it is another's."""
    kept = disk.load(path + "/" + FILE)
    if kept is None:
        same = (disk.load(path + "/" + FORMER) or {}).get("space") == here["space"]
        return 3 if same else 4 if named and not os.path.lexists(path + "/" + FILE) else 0
    if kept.get("space") == here["space"]:
        return 1
    return 2 if same_machine(kept, here) else 0


def same_machine(kept: "dict[str, Any]", here: "dict[str, Any]") -> bool:
    """Whether evidence from before a boot is of the same machine; where it is not certain, it is not."""
    old, new = set(kept.get("macs") or ()), set(here["macs"])
    same_id = bool(here["machine"]) and kept.get("machine") == here["machine"]
    if kept.get("local") and here["local"]:
        return kept["local"] == here["local"] and (bool(old & new) if old and new else same_id)
    # A cleaner was in /var/tmp, or it does not outlive a boot.
    return same_id and old == new


def evidence() -> "dict[str, Any]":
    """What tells this machine apart; `local` is None where it has not been written down yet."""
    try:
        machine = system.read("/etc/machine-id").decode("ascii", "replace").strip()
    except OSError:
        machine = system.table.machine_id()
    return {"space": system.space(), "local": _local_id(), "machine": machine, "macs": _macs()}


def _local() -> str:
    return "/var/tmp/agentless-%d/node" % os.geteuid()


def _local_id() -> "str | None":
    place = _local()
    try:
        for path in (os.path.dirname(place), place):
            s = os.lstat(path)
            if s.st_uid != os.geteuid() or s.st_mode & 0o22 or s.st_mode >> 12 == 10:
                return None
        os.utime(place, None)
    except OSError:
        return None
    return (disk.load(place) or {}).get("id")


def _settle(proposed: str) -> "str | None":
    """The local id, written down if there was none: calls at once come to the same. None where it cannot be written."""
    place = _local()
    new = "%s.%d" % (place, os.getpid())
    try:
        os.makedirs(os.path.dirname(place), exist_ok=True)
        disk.put(new, {"id": proposed})
        try:
            os.link(new, place)
        except OSError:
            # Another call was faster; or what is there is of no use, or nothing can be linked here.
            written = _local_id()
            if written:
                return written
            os.rename(new, place)
        return proposed
    except OSError:
        return None
    finally:
        if os.path.lexists(new):
            disk.remove(new)


def _macs() -> "list[str]":
    """Hardware addresses of the network that this process is in, of real devices where there are any."""
    try:
        # The socket module costs more than all of this.
        import _socket

        lines = system.read("/proc/net/dev").decode("ascii", "replace").split("\n")
        addresses = {}
        s = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM, 0)
        try:
            for line in lines[2:]:
                name = line.partition(":")[0].strip()
                if name:
                    request = name.encode().ljust(40, b"\0")
                    addresses[name] = fcntl.ioctl(s.fileno(), SIOCGIFHWADDR, request)[18:24].hex()
        finally:
            s.close()
    except (OSError, ImportError, AttributeError):
        return []
    real = [name for name in addresses if os.path.exists("/sys/class/net/%s/device" % name)]
    return sorted({addresses[name] for name in real or addresses} - {"0" * 12})
