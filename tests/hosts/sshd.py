"""A real OpenSSH sshd on loopback, started by whoever runs the tests, with many inventory names on it."""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType

import pytest

from tests.hosts.client import Client, make_key
from tests.hosts.needs import need
from tests.hosts.waiting import patience, until

MARK = "AGENTLESS_TEST_SSHD"

# Debian's bash reads ~/.bashrc in sessions of sshd unless it is nested. These sessions are the real user's, and what
# that file does (pyenv takes a lock there, and waits a minute for a lost one) is not what is tested.
NO_BASHRC = "SHLVL=1"

# sshd takes at most 16 ListenAddress lines.
ADDRESSES_PER_SSHD = 16

# Ends with its stdin, so also when the test run is killed: first the servers, then their sessions, then whatever
# carries the mark that every session of these servers was given. Whoever wants the directory kept, says so.
WATCHER = """
mark=$1; sshd=$2; directory=$3; shift 3
pids=
for config in "$@"; do "$sshd" -D -E "$config.log" -f "$config" & pids="$pids $!"; done
said=$(cat)
for pid in $pids; do
    kill -9 "$pid" $(ps -A -o pid=,ppid= | awk -v parent="$pid" '$2 == parent { print $1 }') 2>/dev/null
done
for round in 1 2 3 4 5 6 7 8 9 10; do
    left=$(grep -l -a "$mark" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3)
    [ -n "$left" ] || break
    kill -9 $left 2>/dev/null
done
[ "$said" = keep ] || rm -rf "$directory"
exit 0
"""


def find_sshd() -> str:
    """The server's path; skips the test where there is none."""
    need("an sshd")
    path = shutil.which("sshd", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/usr/local/sbin"]))
    if path is None:
        pytest.skip("no sshd on this machine")
    return path


class Sshd:
    """A context manager: N inventory names on sshds of the current user, each with a state directory of its own.

    Args:
        hosts: how many names, `host1` … `hostN`.
        addresses: how many distinct loopback addresses they are spread over (more than 1 needs Linux).
        config: further sshd_config lines, which win over ours.
    """

    def __init__(self, hosts: int = 1, *, addresses: int = 1, config: str = "") -> None:
        if addresses > 1 and not sys.platform.startswith("linux"):
            pytest.skip("only Linux has all of 127.0.0.0/8 on loopback")
        self._sshd = find_sshd()
        self._extra = config
        self.addresses = [f"127.0.{i // 250}.{i % 250 + 1}" for i in range(addresses)]
        self.names = [f"host{i}" for i in range(1, hosts + 1)]
        self.user = getpass.getuser()

    def __enter__(self) -> Sshd:
        self.directory = Path(tempfile.mkdtemp(prefix="agentless-sshd-"))
        self.mark = f"{MARK}={secrets.token_hex(8)}"
        self.client = Client(self.directory / "home")
        self.host_key = self.directory / "host_key"
        self.public_host_key = make_key(self.host_key)
        (self.directory / "authorized_keys").write_text(self.client.public_key + "\n")
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        for _ in range(5):
            if self._listen():
                break
        else:
            raise RuntimeError(f"sshd did not start:\n{self.log()}")
        hosts: dict[str, dict[str, object]] = {}
        for i, name in enumerate(self.names):
            hosts[name] = {
                "ansible_host": self.addresses[i % len(self.addresses)],
                "ansible_port": self.port,
                "ansible_user": self.user,
                "ansible_ssh_private_key_file": str(self.client.key),
                "agentless_state_dir": str(self.state_dir(name)),
            }
        self.client.trust({f"[{address}]:{self.port}": self.public_host_key for address in self.addresses})
        self.client.write_inventory(hosts)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._watcher.returncode is None:
            self._end()
        shutil.rmtree(self.directory, ignore_errors=True)

    def state_dir(self, name: str) -> Path:
        """Where the helper of this name keeps its state."""
        return self.directory / "state" / name

    def log(self) -> str:
        """What the servers logged so far, at level VERBOSE."""
        return "".join(path.read_text() for path in sorted(self.directory.glob("*.log")))

    def logins(self) -> int:
        """How many connections were authenticated so far."""
        return len(re.findall(r"Accepted \S+ for ", self.log()))

    def commands(self) -> int:
        """How many exec channels were opened so far."""
        return self.log().count("Starting session: command")

    @property
    def watcher(self) -> int:
        """The PID of the servers' parent."""
        return self._watcher.pid

    def stop(self) -> None:
        """End the servers and all their sessions; connecting is refused from now on."""
        self._end(b"keep")

    def start(self) -> None:
        """After `stop`: start servers anew, at the same addresses and port."""
        if not self._listen(self.port):
            raise RuntimeError(f"sshd did not start again:\n{self.log()}")

    def _end(self, last_words: bytes = b"") -> None:
        assert self._watcher.stdin is not None
        self._watcher.stdin.write(last_words)
        self._watcher.stdin.close()
        self._watcher.wait(timeout=patience(30))

    def _listen(self, port: int | None = None) -> bool:
        self.port = port or free_port()
        (self.directory / "state").mkdir(exist_ok=True)
        configs = []
        for first in range(0, len(self.addresses), ADDRESSES_PER_SSHD):
            listen = "".join(
                f"ListenAddress {address}:{self.port}\n"
                for address in self.addresses[first : first + ADDRESSES_PER_SSHD]
            )
            config = self.directory / f"sshd{first // ADDRESSES_PER_SSHD}"
            config.write_text(self._extra + "\n" + listen + self._config())
            config.with_name(config.name + ".log").write_text("")
            configs.append(str(config))
        self._watcher = subprocess.Popen(
            ["/bin/sh", "-c", WATCHER, "watcher", self.mark, self._sshd, str(self.directory), *configs],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        until(lambda: self._settled(len(self.addresses)), "sshd listens")
        if self.log().count("Server listening on") == len(self.addresses):
            return True
        self.stop()
        return False

    def _settled(self, addresses: int) -> bool:
        log = self.log()
        return log.count("Server listening on") + log.count("Bind to port") >= addresses or "fatal" in log

    def _config(self) -> str:
        return f"""
HostKey {self.host_key}
AuthorizedKeysFile {self.directory}/authorized_keys
StrictModes no
UsePAM {"yes" if _locked(self.user) else "no"}
UseDNS no
PidFile none
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
LogLevel VERBOSE
SetEnv {self.mark} {NO_BASHRC}
{crowds(self._extra)}
"""


def crowds(config: str) -> str:
    """`MaxStartups` for many logins at once, unless `config` sets it: of this one sshd takes the last value."""
    return "" if "maxstartups" in config.lower() else "MaxStartups 1000"


def _locked(user: str) -> bool:
    """Whether sshd without PAM would refuse the account even with a key: a root sshd looks for `!` in shadow(5)."""
    if os.geteuid() != 0 or not os.path.exists("/etc/shadow"):
        return False
    with open("/etc/shadow") as file:
        return any(line.startswith(f"{user}:!") for line in file)


def free_port() -> int:
    """A TCP port that was free on loopback a moment ago.

    It is none of those that the kernel takes for clients (from 32768 on, or higher), so that no connection of another
    test has it while its server is stopped.
    """
    while True:
        port = 15000 + secrets.randbelow(17000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
