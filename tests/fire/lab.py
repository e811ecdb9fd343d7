"""The laboratory: three hosts and two controllers, each on a disk that can be filled, and what the hosts know."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.hosts import Client, Node, Nodes, User, until

HOST_COUNT = 3
DISK_SIZE = "24m"
ACCOUNT = User("ada")
# Each start and each end of a job leaves a line here: not by way of its output, and on a disk that is never full.
ORACLE = "/var/tmp/oracle"


@dataclass(frozen=True, slots=True)
class Process:
    """A process of a host: its PID and its parent's on this machine, and the JID in its environment, if any."""

    pid: int
    parent: int
    jid: str
    command: str


class Lab:
    """A context manager: hosts `node1` … and the homes of two controllers.

    Attributes:
        nodes: the hosts; jobs run there as `ada`, whose home is on the small disk.
        controllers: private homes, each on a small disk; both may log in to all hosts.
    """

    def __enter__(self) -> Lab:
        self._stack = contextlib.ExitStack()
        with contextlib.ExitStack() as made:
            self.nodes = made.enter_context(Nodes(HOST_COUNT, users=[ACCOUNT], login=ACCOUNT.name))
            self._disks: list[Path] = []
            made.callback(self._unmount)
            self.controllers = [self._controller(number) for number in (1, 2)]
            for node in self.nodes:
                node.power_off()
                self._give_disk(node)
                node.power_on()
            self._stack = made.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _mount(self, disk: Path) -> Path:
        disk.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_SIZE},mode=755", "tmpfs", str(disk)], check=True)
        self._disks.append(disk)
        return disk

    def _unmount(self) -> None:
        for disk in self._disks:
            subprocess.run(["umount", "-l", str(disk)], check=True)

    def _controller(self, number: int) -> Client:
        client = Client(self._mount(self.nodes.disk / f"controller{number}") / "home")
        client.trust({node.address: node.public_host_key for node in self.nodes})
        hosts = {node.name: {"ansible_host": node.address, "ansible_user": ACCOUNT.name} for node in self.nodes}
        client.write_inventory(hosts)
        for node in self.nodes:
            with (self.nodes.disk / node.name / "etc/ssh/node_authorized_keys").open("a") as file:
                file.write(client.public_key + "\n")
        return client

    def _give_disk(self, node: Node) -> None:
        home = self._mount(self.nodes.disk / node.name / "home") / ACCOUNT.name
        home.mkdir(mode=0o700)
        oracle = self.oracle(node)
        oracle.mkdir()
        for path in (home, oracle):
            os.chown(path, self.nodes.uid(ACCOUNT), self.nodes.uid(ACCOUNT))

    # --- disks -------------------------------------------------------------------------------------------------------
    def disk_of(self, owner: Node | Client) -> Path:
        """The small disk that a host's homes, or a controller's home, lie on."""
        return owner.home.parent if isinstance(owner, Client) else self.nodes.disk / owner.name / "home"

    def fill(self, owner: Node | Client) -> None:
        """Take all room that is left on a small disk."""
        subprocess.run(
            ["dd", "if=/dev/zero", f"of={self.disk_of(owner) / 'filler'}", "bs=4k"], capture_output=True, check=False
        )

    def free(self, owner: Node | Client) -> None:
        """Give back what `fill` took."""
        (self.disk_of(owner) / "filler").unlink(missing_ok=True)

    # --- what the hosts know -----------------------------------------------------------------------------------------
    def oracle(self, node: Node) -> Path:
        """The host's directory of marks; reachable while it is down as well."""
        return self.nodes.disk / node.name / "vartmp" / Path(ORACLE).name

    def marks(self, node: Node, what: str, jid: str) -> int:
        """How often the job left a mark (`starts` or `ends`) on the host."""
        file = self.oracle(node) / what
        return file.read_text().split().count(jid) if file.exists() else 0

    def processes(self, node: Node) -> Iterator[Process]:
        """The processes of `ada` on a host."""
        for pid, name in node.processes():
            with contextlib.suppress(OSError):
                if os.stat(f"/proc/{pid}").st_uid != self.nodes.uid(ACCOUNT):
                    continue
                environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
                jid = next((item[14:] for item in environ if item.startswith(b"AGENTLESS_JID=")), b"").decode()
                stat = Path(f"/proc/{pid}/stat").read_text()
                yield Process(pid, int(stat.rpartition(")")[2].split()[1]), jid, name)

    def supervisors(self, node: Node) -> list[int]:
        """The PIDs of processes that have a job's first process as a child."""
        found = list(self.processes(node))
        bearing = {process.pid for process in found if process.jid}
        return sorted({process.parent for process in found if process.jid and process.parent not in bearing})

    def helpers(self, node: Node) -> list[int]:
        """The PIDs of our Python processes on a host, supervisors included."""
        return [process.pid for process in self.processes(node) if process.command.startswith("python")]

    def left_of(self, node: Node, jid: str) -> list[Process]:
        """What of a job's tree is alive."""
        return [process for process in self.processes(node) if process.jid == jid]

    # --- healing -----------------------------------------------------------------------------------------------------
    def heal(self) -> None:
        """All hosts up and reachable, all disks with room."""
        for controller in self.controllers:
            self.free(controller)
        for node in self.nodes:
            self.free(node)
            if not node.pid:
                node.power_on()
            node.heal()

    def quiet(self) -> None:
        """Wait until no process of ours is left on any host; whoever is left is named by the error."""
        for node in self.nodes:
            until(partial(self._is_quiet, node), f"no helper or supervisor is left on {node.name}", seconds=60)

    def _is_quiet(self, node: Node) -> bool:
        return not self.helpers(node)

    def forget(self) -> None:
        """Remove the hosts' and the controllers' records, so that long runs fit on the small disks."""
        for node in self.nodes:
            shutil.rmtree(self.disk_of(node) / ACCOUNT.name / ".local", ignore_errors=True)
            for mark in self.oracle(node).iterdir():
                mark.unlink()
        for controller in self.controllers:
            shutil.rmtree(controller.home / ".cache", ignore_errors=True)


def document(text: str) -> dict[str, Any]:
    """The one JSON document that a command printed."""
    value = json.loads(text)
    assert isinstance(value, dict), text
    return value
