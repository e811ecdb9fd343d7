"""A second command within a minute: over connections that are kept, beside cold ones, ssh's masters and clush.

    python benchmarks/warm.py [HOSTS] [ROUNDS]

Everything is measured in turns in one run; medians of whole processes, except for the bare exec, which is what threads
in one process take for `python3 -I -S -c pass` on connections that are open already. clush has ControlPersist. Round
trips are counted by a proxy that delays, by cause and not by the clock; another one is a host 100 ms away. CPU is that
of the process and what it waited for, not of the keeper or of hosts. Runs from the top of the repository.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import paramiko

from agentless.transport.keeper.greeting import held
from agentless.transport.keeper.place import Place
from tests.hosts import Proxy, Sshd, until

COMMAND = "id -un"
BARE = "python3 -I -S -c pass"


class Controller:
    """Commands in the home of an sshd's client."""

    def __init__(self, sshd: Sshd) -> None:
        self.sshd = sshd
        self.place = Place(sshd.client.home / ".cache" / "agentless" / "connections")

    def run(self, target: str, *, keep: bool = True) -> Callable[[], object]:
        return lambda: self("run", target, "--keep", "10m" if keep else "0", "--", COMMAND)

    def __call__(self, *arguments: str) -> None:
        done = self.sshd.client.agentless(*arguments)
        if done.returncode != 0:
            raise SystemExit(f"{arguments[:3]} ended with {done.returncode}: {done.stderr[-2000:]}")

    def settle(self) -> None:
        """Wait until a session stands ready on each connection."""

        def settled() -> bool:
            running = held(self.place)
            return running is None or all(one.ready and not one.in_use for one in running.connections)

        until(settled, "sessions stand ready", seconds=60)

    def settle_hosts(self) -> None:
        """Hosts were made long ago: one that seems to have been emptied just now looks for jobs in all of /proc."""
        for name in self.sshd.names:
            for path in self.sshd.state_dir(name).glob("*"):
                os.utime(path, (0, 0))

    def end_keeper(self) -> None:
        running = held(self.place)
        if running is not None:
            os.kill(running.pid, signal.SIGKILL)

    def memory(self) -> tuple[int, int]:
        """Connections of the keeper, and its resident memory in KiB."""
        running = held(self.place)
        assert running is not None
        status = Path(f"/proc/{running.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
        return len(running.connections), int(line.split()[1])


def cpu() -> float:
    mine, others = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return mine.ru_utime + mine.ru_stime + others.ru_utime + others.ru_stime


def seconds(action: Callable[[], object]) -> tuple[float, float]:
    """Of the wall's clock, and of CPU."""
    began, used = time.monotonic(), cpu()
    action()
    return time.monotonic() - began, cpu() - used


def in_turns(
    rounds: int, actions: Mapping[str, Sequence[Callable[[], object]]]
) -> dict[str, list[tuple[float, float]]]:
    """What each action's last step took; the steps before it make it ready."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in actions}
    for _ in range(rounds):
        for name, (*ready, action) in actions.items():
            for step in ready:
                step()
            taken[name].append(seconds(action))
    return taken


def show(title: str, taken: Mapping[str, Sequence[tuple[float, float]]], beside: str) -> None:
    """Medians of wall and CPU, the best wall, and the medians of the ratios within a round."""
    print(f"\n{title:54} {'median':>8} {'best':>8} {'ratio':>7} {'CPU':>8} {'ratio':>7}")
    for name, figures in taken.items():
        walls, used = zip(*figures, strict=True)
        wall_ratio, cpu_ratio = (
            statistics.median(
                one[kind] / max(base[kind], 0.001) for one, base in zip(figures, taken[beside], strict=True)
            )
            for kind in (0, 1)
        )
        print(
            f"  {name:52} {statistics.median(walls):8.3f} {min(walls):8.3f} {wall_ratio:7.2f} "
            f"{statistics.median(used):8.3f} {cpu_ratio:7.2f}"
        )


def quiet(argv: Sequence[str], sshd: Sshd) -> Callable[[], object]:
    return lambda: subprocess.run(
        argv, env=sshd.client.environ, stdin=subprocess.DEVNULL, capture_output=True, check=True
    )


def one_host(controller: Controller, rounds: int) -> None:
    sshd = controller.sshd
    master = ["ssh", "-F", str(sshd.client.openssh_config), "-S", str(sshd.directory / "master")]
    subprocess.run([*master, "-fNM", "host1"], check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        controller.run("host1")()
        controller.settle_hosts()
        actions = {
            "agentless run, warm": [controller.settle, controller.run("host1")],
            "agentless run, cold": [controller.run("host1", keep=False)],
            "ssh -S, with a master": [quiet([*master, "host1", COMMAND], sshd)],
            "python -c 'import click'": [quiet([sys.executable, "-c", "import click"], sshd)],
        }
        show("One host, whole processes", in_turns(rounds, actions), "ssh -S, with a master")
    finally:
        subprocess.run([*master, "-O", "exit", "host1"], stderr=subprocess.DEVNULL)
        controller.end_keeper()


@contextlib.contextmanager
def open_connections(sshd: Sshd) -> Iterator[Callable[[], object]]:
    """Bare paramiko on connections that are open: runs a bare python3 on all, a thread each."""
    import threading

    key = paramiko.Ed25519Key.from_private_key_file(str(sshd.client.key))
    clients = []
    for number in range(len(sshd.names)):
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(paramiko.MissingHostKeyPolicy())
        client.connect(
            sshd.addresses[number % len(sshd.addresses)],
            sshd.port,
            sshd.user,
            pkey=key,
            allow_agent=False,
            look_for_keys=False,
        )
        clients.append(client)

    def run() -> None:
        threads = [threading.Thread(target=lambda one=one: one.exec_command(BARE)[1].read()) for one in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    yield run
    for client in clients:
        client.close()


def many_hosts(controller: Controller, hosts: int, rounds: int) -> None:
    sshd = controller.sshd
    controller.run("all")()
    controller.settle_hosts()
    with open_connections(sshd) as bare:
        actions: dict[str, list[Callable[[], object]]] = {
            "warm bare exec of python3": [bare],
            "agentless run, warm": [controller.settle, controller.run("all")],
        }
        if tool := shutil.which("clush", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}"):
            ssh = f"-F {sshd.client.openssh_config} -o ControlMaster=auto -o ControlPersist=60"
            # ClusterShell reads it as a value of its configuration, where %% is a %.
            ssh += f" -o ControlPath={sshd.directory}/%%C"
            clush = quiet([tool, "-f", "100", "-o", ssh, "-w", ",".join(sshd.names), COMMAND], sshd)
            clush()
            actions["clush, ControlPersist, warm"] = [clush]
        show(f"{hosts} warm hosts", in_turns(rounds, actions), "warm bare exec of python3")
    connections, memory = controller.memory()
    print(f"\nThe keeper of {connections} connections has {memory / 1024:.0f} MiB in memory.")
    cold: dict[str, list[Callable[[], object]]] = {
        "agentless run, cold, no keeper": [controller.run("all", keep=False)],
        "agentless run, cold, a new keeper": [controller.end_keeper, controller.run("all")],
    }
    show(f"{hosts} cold hosts", in_turns(rounds, cold), "agentless run, cold, no keeper")
    controller.end_keeper()


@contextlib.contextmanager
def behind(controller: Controller, delay: float) -> Iterator[Proxy]:
    """host1 is so many seconds away, and its connection is open."""
    sshd = controller.sshd
    with Proxy("127.0.0.1", sshd.port, delay=delay) as proxy:
        host = {"ansible_host": "127.0.0.1", "ansible_port": proxy.port, "ansible_user": sshd.user}
        host |= {"ansible_ssh_private_key_file": str(sshd.client.key)}
        host |= {"agentless_state_dir": str(sshd.state_dir("host1"))}
        sshd.client.write_inventory({"host1": host})
        sshd.client.trust({f"[127.0.0.1]:{proxy.port}": sshd.public_host_key})
        controller.run("host1")()
        controller.settle_hosts()
        yield proxy
    controller.end_keeper()


def far(controller: Controller, rounds: int) -> None:
    with behind(controller, 0.05):
        actions = {
            "agentless run, warm": [controller.settle, controller.run("host1")],
            "agentless run, cold": [controller.run("host1", keep=False)],
            "python -c 'import click'": [quiet([sys.executable, "-c", "import click"], controller.sshd)],
        }
        show("One host, 100 ms away", in_turns(rounds, actions), "agentless run, warm")


def round_trips(controller: Controller, rounds: int) -> None:
    with behind(controller, 0.3) as proxy:
        taken = []
        for _ in range(rounds):
            controller.settle()
            proxy.forget()
            controller.run("host1")()
            taken.append(proxy.round_trips)
        print(f"\nRound trips of a warm run: {statistics.median(taken):.1f} ({min(taken):.1f} at best)")


def main(hosts: int = 100, rounds: int = 5) -> None:
    print(f"{hosts} hosts, {rounds} rounds, {os.cpu_count()} cores: medians, and the ratio to what they stand beside")
    with Sshd(hosts, addresses=min(hosts, 100)) as sshd:
        controller = Controller(sshd)
        one_host(controller, rounds)
        many_hosts(controller, hosts, rounds)
        far(controller, rounds)
        round_trips(controller, rounds)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
