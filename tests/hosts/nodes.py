"""Many hosts on one machine, as root: each its own network, processes, host name, home, caches, /etc and boot id."""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from tests.hosts.client import Client, make_key
from tests.hosts.killing import kill
from tests.hosts.needs import need
from tests.hosts.sshd import crowds, find_sshd
from tests.hosts.waiting import patience, until

# Each set of nodes takes a slot: a number that is in its names and its network. The lock is held by the process that
# cleans up, so a slot is free only when nothing of its last owner is left.
SLOTS = Path("/var/tmp/agentless-test-nodes")

# 198.18.0.0/15 is set aside for tests of network devices (RFC 2544), so it clashes with nobody's real network.
SLOT_COUNT = 512

# Deleting a network space leaves its links to the kernel's leisure; deleting a link is done at once.
SWEEP = """
slot=$1 disk=$2
spaces=$(ip netns list 2>/dev/null | awk '{ print $1 }' | grep "^al$slot-")
for space in $spaces; do
    round=0
    while pids=$(ip netns pids "$space" 2>/dev/null) && [ -n "$pids" ] && [ $round -lt 100 ]; do
        kill -9 $pids 2>/dev/null
        round=$((round + 1))
    done
    ip netns del "$space"
done
for link in /sys/class/net/al"$slot"v* /sys/class/net/al"$slot"br; do
    [ ! -e "$link" ] || ip link del "${link##*/}"
done 2>/dev/null
awk -v disk="$disk/" 'index($2, disk) == 1 { print $2 }' /proc/mounts | xargs -r umount -l
rm -rf "$disk"
exit 0
"""

# PID 1 of a node. Its working directory is the node's disk, from where the mounts that hide it can still be made.
INIT = """
set -e
name=$1 sshd=$2 cron=$3
hostname "$name"
if ! mount -t overlay overlay -o "lowerdir=/etc,upperdir=$PWD/etc,workdir=$PWD/etc.work" /etc 2>/dev/null; then
    [ -d etc.whole ] || { cp -a /etc etc.whole; cp -a etc/. etc.whole; }
    mount --bind etc.whole /etc
fi
rm -f /etc/crontab /etc/cron.d/* /etc/nologin
mount --bind boot_id /proc/sys/kernel/random/boot_id
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p -m 755 /run/sshd /run/lock
mount --bind root /root
mount --bind home /home
mount --bind log /var/log
mount --bind spool /var/spool
mount --bind cache /var/cache
mount --bind lib /var/lib
mount --bind tmp /tmp
mount --bind vartmp /var/tmp
cd /
[ "$cron" = no ] || cron
exec "$sshd" -D -E /var/log/sshd.log -f /etc/ssh/node_config
"""

SSHD_CONFIG = """
HostKey /etc/ssh/node_key
AuthorizedKeysFile /etc/ssh/node_authorized_keys
StrictModes no
UsePAM no
UseDNS no
PidFile none
PermitRootLogin yes
PasswordAuthentication yes
KbdInteractiveAuthentication no
LogLevel VERBOSE
"""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class User:
    """An account on every node. Its password, where it has one, is for `sudo`, `su` and password logins."""

    name: str
    shell: str = "/bin/bash"
    password: str = ""


class Node:
    """One host; made by `Nodes`.

    Attributes:
        name: its inventory name and its host name.
        address, address6: where its sshd listens, port 22.
        public_host_key: `ssh-ed25519 AAAA…`.
        pid: its PID 1, as this machine's PID; 0 while it is down.
    """

    def __init__(self, nodes: Nodes, number: int) -> None:
        self._nodes = nodes
        self.name = f"node{number}"
        self.address = f"{nodes.network}.{number + 1}"
        # In its usual form, as ssh writes it into known_hosts.
        self.address6 = str(ipaddress.ip_address(f"fd18:{nodes.slot:x}::{number + 1:x}"))
        self._space = f"al{nodes.slot}-{number}"
        self._link = f"al{nodes.slot}v{number}"
        self._mac = f"02:12:{nodes.slot >> 8:02x}:{nodes.slot & 255:02x}:{number >> 8:02x}:{number & 255:02x}"
        self._disk = nodes.disk / self.name
        self._process: subprocess.Popen[bytes] | None = None
        self._logged = 0
        self.pid = 0

    # --- power -------------------------------------------------------------------------------------------------------
    def power_on(self) -> None:
        """Boot, with a new boot id; returns when sshd accepts connections."""
        self._boot()
        self._wait_for_sshd()

    def power_off(self) -> None:
        """As when the power goes: every process is gone at once. The disk stays, /run doesn't."""
        os.kill(self.pid, 9)
        assert self._process is not None
        self._process.wait(timeout=patience(20))
        self.pid = 0

    def reboot(self) -> None:
        """Power off, and on again with a new boot id."""
        self.power_off()
        self.power_on()

    @property
    def boot_id(self) -> str:
        return (self._disk / "boot_id").read_text().strip()

    # --- network -----------------------------------------------------------------------------------------------------
    def cut(self) -> None:
        """Cut the network: packets vanish, nobody is told."""
        _ip(f"link set dev {self._link} down")

    def heal(self) -> None:
        """Mend what `cut` and `hide` did."""
        _ip(f"link set dev {self._link} up")
        _ip(f"route del blackhole {self._nodes.network}.1", space=self._space, check=False)

    def hide(self) -> None:
        """Leave it reachable from the other nodes only, as behind a bastion."""
        _ip(f"route replace blackhole {self._nodes.network}.1", space=self._space)

    def kill_sshd_sessions(self) -> int:
        """Kill (SIGKILL) the sshd processes of all connections, but not the listener; return how many there were."""
        sessions = [pid for pid, name in self.processes() if name.startswith("sshd") and pid != self.pid]
        return len(kill(sessions))

    # --- inside ------------------------------------------------------------------------------------------------------
    def processes(self) -> list[tuple[int, str]]:
        """What runs on the node: this machine's PIDs, and the processes' names."""
        listed = subprocess.run(["ip", "netns", "pids", self._space], check=True, capture_output=True, text=True)
        found = []
        for pid in listed.stdout.split():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                name = Path(f"/proc/{pid}/comm").read_text().strip()
                # nsenter's and unshare's own processes are in the node's network, but not on the node.
                if name not in ("unshare", "nsenter"):
                    found.append((int(pid), name))
        return found

    @property
    def sshd_log(self) -> str:
        """What its sshd has logged, at level VERBOSE."""
        return (self._disk / "log/sshd.log").read_text(errors="replace")

    def path(self, path: str) -> Path:
        """A path of the node, as this machine sees it; only while the node is up."""
        return Path(f"/proc/{self.pid}/root") / path.lstrip("/")

    def run(
        self, command: str, *, user: str = "root", check: bool = True, seconds: float = 60.0, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command on the node, not through SSH; `check` raises when it fails."""
        home = "/root" if user == "root" else f"/home/{user}"
        switch = [] if user == "root" else ["runuser", "-u", user, "--"]
        return subprocess.run(
            ["nsenter", "-t", str(self.pid), "-m", "-u", "-i", "-n", "-p", "--"]
            + ["env", "-i", f"PATH={PATH}", f"HOME={home}", f"USER={user}", f"LOGNAME={user}", *switch]
            + ["/bin/sh", "-c", command],
            **{
                "stdin": subprocess.DEVNULL,
                "capture_output": True,
                "text": True,
                "check": check,
                "timeout": patience(seconds),
                **options,
            },
        )

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file of root's on the node, such as /etc/sudoers.d/ada (0o440) or /etc/doas.conf."""
        file = self.path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    @contextlib.contextmanager
    def small_disk(self, path: str, size: str = "1m", *, full: bool = False) -> Iterator[None]:
        """Mount an empty file system of this size over a directory of the node; `full` leaves no byte free."""
        self.run(f"mkdir -p {path} && mount -t tmpfs -o size={size},mode=755 tmpfs {path}")
        try:
            if full:
                self.fill(path)
            yield
        finally:
            self.run(f"umount -l {path}")

    def fill(self, path: str) -> None:
        """Take all room that is left on the file system of a directory (of a `small_disk`), with `path`/filler."""
        self.run(f"dd if=/dev/zero of={path}/filler bs=4k 2>/dev/null; :")

    # --- making ------------------------------------------------------------------------------------------------------
    def links(self) -> list[str]:
        """The lines for `ip -batch` that wire it to the bridge."""
        return [
            f"netns add {self._space}",
            f"link add {self._link} type veth peer name eth0 address {self._mac} netns {self._space}",
            f"link set dev {self._link} master al{self._nodes.slot}br up",
            # Without these a cut network would soon be noticed: a neighbour that doesn't answer is "no route to host".
            f"neigh replace {self.address} lladdr {self._mac} dev al{self._nodes.slot}br nud permanent",
        ]

    def install(self, accounts: Mapping[str, str]) -> None:
        """Make its disk; `accounts` are files of /etc by name."""
        for name in ("root", "home", "log", "spool/cron/crontabs", "cache", "lib", "etc/ssh", "etc.work"):
            (self._disk / name).mkdir(parents=True)
        (self._disk / "root").chmod(0o700)
        for name in ("tmp", "vartmp"):
            (self._disk / name).mkdir()
            (self._disk / name).chmod(0o1777)
        with contextlib.suppress(LookupError):
            shutil.chown(self._disk / "spool/cron/crontabs", group="crontab")
        (self._disk / "spool/cron/crontabs").chmod(0o1730)
        for user in self._nodes.users:
            home = self._disk / "home" / user.name
            home.mkdir(mode=0o700)
            os.chown(home, self._nodes.uid(user), self._nodes.uid(user))
        etc = self._disk / "etc"
        for name, text in accounts.items():
            (etc / name).write_text(text)
            (etc / name).chmod(0o640 if "shadow" in name else 0o644)
            if "shadow" in name:
                with contextlib.suppress(LookupError):
                    shutil.chown(etc / name, group="shadow")
        (etc / "hostname").write_text(self.name + "\n")
        (etc / "hosts").write_text(f"127.0.0.1 localhost\n::1 localhost\n{self.address} {self.name}\n")
        (etc / "ssh/node_config").write_text(
            self._nodes.sshd_config + SSHD_CONFIG + crowds(self._nodes.sshd_config) + "\n"
        )
        (etc / "ssh/node_authorized_keys").write_text(self._nodes.client.public_key + "\n")
        self.public_host_key = make_key(etc / "ssh/node_key")

    def start(self) -> None:
        """Bring its side of the network up, and boot without waiting."""
        _ip(
            "link set dev lo up",
            f"addr add {self.address}/24 dev eth0",
            f"addr add {self.address6}/64 dev eth0 nodad",
            "link set dev eth0 up",
            space=self._space,
        )
        self._boot()

    def _boot(self) -> None:
        (self._disk / "boot_id").write_text(f"{uuid.uuid4()}\n")
        console = self._disk / "console"
        cron = "yes" if self._nodes.cron else "no"
        with console.open("w") as output:
            self._process = subprocess.Popen(
                ["nsenter", f"--net=/run/netns/{self._space}"]
                + ["unshare", "--pid", "--mount", "--uts", "--ipc", "--fork", "--kill-child", "--mount-proc"]
                + ["/bin/sh", "-c", INIT, "init", self.name, find_sshd(), cron],
                cwd=self._disk,
                env={"PATH": PATH},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _wait_for_sshd(self) -> None:
        process = self._process
        assert process is not None
        log = self._disk / "log/sshd.log"

        def listens() -> bool:
            if process.poll() is not None:
                raise RuntimeError(f"{self.name} did not boot: {(self._disk / 'console').read_text()}")
            return log.exists() and "Server listening on 0.0.0.0 " in log.read_text()[self._logged :]

        until(listens, f"sshd on {self.name} listens")
        self._logged = len(log.read_text())
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        self.pid = int(children[0])


class Nodes:
    """A context manager: N nodes, `nodes["node1"]` …, a client that can log in to them, and its inventory.

    Args:
        count: how many nodes, up to 250.
        users: accounts beside root on each of them; the client's key opens all.
        login: the inventory's `ansible_user`.
        cron: start cron on each, with crontabs of its own and none of the machine's.
        sshd_config: further lines, which win over ours.

    Names and networks are unique among all that run at once. Everything is removed at the end, also when the test
    run is killed: the process that cleans up waits for its stdin to end.
    """

    def __init__(
        self,
        count: int = 1,
        *,
        users: Sequence[User] = (),
        login: str = "root",
        cron: bool = False,
        sshd_config: str = "",
    ) -> None:
        need("root and an sshd")
        if not sys.platform.startswith("linux") or os.geteuid() != 0:
            pytest.skip("hosts in namespaces need root on Linux")
        for tool in ("ip", "nsenter", "unshare", "mount", *(["cron"] if cron else [])):
            if shutil.which(tool) is None:
                pytest.skip(f"hosts in namespaces need {tool}")
        find_sshd()
        if count > 250:
            raise ValueError("a set of nodes has one /24: 250 at most")
        self.count = count
        self.users = list(users)
        self.login = login
        self.cron = cron
        self.sshd_config = sshd_config + "\n"

    def uid(self, user: User) -> int:
        """The uid and gid of an account."""
        return 3001 + self.users.index(user)

    def __getitem__(self, name: str) -> Node:
        return self._nodes[name]

    def __iter__(self) -> Iterator[Node]:
        return iter(self._nodes.values())

    def __len__(self) -> int:
        return len(self._nodes)

    def __enter__(self) -> Nodes:
        lock = self._take_slot()
        try:
            self.network = f"198.{18 + self.slot // 256}.{self.slot % 256}"
            self.disk = SLOTS / str(self.slot)
            self._sweep(stdin=subprocess.DEVNULL).wait(patience(120))
            self._keeper = self._sweep(stdin=subprocess.PIPE, wait=True, pass_fds=(lock,))
        finally:
            os.close(lock)
        try:
            self._bring_up()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
        self._keeper.wait(timeout=patience(120))
        for node in getattr(self, "_nodes", {}).values():
            if node._process is not None:
                node._process.wait(timeout=patience(20))

    def _take_slot(self) -> int:
        SLOTS.mkdir(mode=0o700, exist_ok=True)
        for slot in range(SLOT_COUNT):
            lock = os.open(SLOTS / f"{slot}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                continue
            self.slot = slot
            return lock
        raise RuntimeError(f"all {SLOT_COUNT} slots under {SLOTS} are taken")

    def _sweep(self, *, wait: bool = False, **options: Any) -> subprocess.Popen[bytes]:
        script = ("cat >/dev/null\n" if wait else "") + SWEEP
        return subprocess.Popen(
            ["/bin/sh", "-c", script, "sweep", str(self.slot), str(self.disk)],
            env={"PATH": PATH},
            cwd="/",
            start_new_session=True,
            **options,
        )

    def _bring_up(self) -> None:
        self.client = Client(self.disk / "home")
        nodes = [Node(self, number) for number in range(1, self.count + 1)]
        self._nodes = {node.name: node for node in nodes}
        accounts = self._accounts()
        for node in nodes:
            node.install(accounts)
        bridge = f"al{self.slot}br"
        _ip(
            f"link add {bridge} type bridge",
            f"addr add {self.network}.1/24 dev {bridge}",
            f"addr add fd18:{self.slot:x}::1/64 dev {bridge} nodad",
            f"link set dev {bridge} up",
            *(line for node in nodes for line in node.links()),
        )
        for node in nodes:
            node.start()
        for node in nodes:
            node._wait_for_sshd()
        for user in self.users:
            if user.password:
                for node in nodes:
                    node.run("chpasswd", stdin=None, input=f"{user.name}:{user.password}\n")
        self.client.trust({node.address: node.public_host_key for node in nodes})
        self.client.trust({node.address6: node.public_host_key for node in nodes})
        self.client.write_inventory(
            {node.name: {"ansible_host": node.address, "ansible_user": self.login} for node in nodes}
        )

    def _accounts(self) -> dict[str, str]:
        """The account files of the machine with our users added; nobody's password is locked (`!`) or known."""
        files = {name: Path("/etc", name).read_text() for name in ("passwd", "group", "shadow")}
        shadow = [line.split(":") for line in files["shadow"].splitlines()]
        files["shadow"] = "".join(":".join([name, "*", *rest]) + "\n" for name, _, *rest in shadow)
        for user in self.users:
            uid = self.uid(user)
            files["passwd"] += f"{user.name}:x:{uid}:{uid}::/home/{user.name}:{user.shell}\n"
            files["group"] += f"{user.name}:x:{uid}:\n"
            files["shadow"] += f"{user.name}:*:19000:0:99999:7:::\n"
        return files


def _ip(*lines: str, space: str | None = None, check: bool = True) -> None:
    done = subprocess.run(
        ["ip", *(["-n", space] if space else []), "-batch", "-"],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
    )
    if check and done.returncode != 0:
        raise RuntimeError(f"ip: {done.stderr.strip()}: {lines}")
