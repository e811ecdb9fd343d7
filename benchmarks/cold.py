"""A run on hosts that nothing is connected to, beside bare paramiko threads that start `python3 -I -S -c pass`.

    python benchmarks/cold.py [HOSTS] [ROUNDS] [TREE...]

Each round runs the bare threads and then `agentless run` of this tree and of each further one (another checkout), in
turn. Told are medians: wall seconds, the client's CPU, the hosts' CPU (the sshds with all that they start, and the
supervisors, which outlive them), and ratios to the bare threads of the same round. Linux only. The last row is what the
start of the client costs: a run on one of the hosts.
"""

from __future__ import annotations

import ctypes
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.peers import BARE
from tests.hosts import Sshd

PR_SET_CHILD_SUBREAPER = 36
TICKS = os.sysconf("SC_CLK_TCK")
BARE_COMMAND = "python3 -I -S -c pass"
# Wall seconds, the client's CPU and the hosts'.
Figures = tuple[float, float, float]


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def sessions_cpu(listeners: Sequence[int]) -> float:
    """Seconds that the servers and all that they have waited for took."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in listeners]
    return sum(int(field) for line in fields for field in line[11:15]) / TICKS


def measure(argv: Sequence[str], environ: Mapping[str, str], sshd: Sshd, servers: Sequence[int]) -> Figures:
    """One run, until nothing that it started on the hosts is left."""
    listeners = [pid for server in servers for pid in children(server)]
    before, began = sessions_cpu(listeners), time.monotonic()
    null = subprocess.DEVNULL
    client = subprocess.Popen(argv, env=environ, cwd=sshd.client.home, stdin=null, stdout=null, stderr=null)
    _, status, used = os.wait4(client.pid, 0)
    client.returncode = status
    wall = time.monotonic() - began
    if status:
        raise SystemExit(f"{argv[:4]} ended with wait status {status}")
    hosts = 0.0
    while any(children(pid) for pid in listeners) or set(children(os.getpid())) - set(servers):
        pid, _, supervisor = os.wait4(-1, os.WNOHANG)
        if pid:
            hosts += supervisor.ru_utime + supervisor.ru_stime
        else:
            time.sleep(0.01)
    hosts += sessions_cpu(listeners) - before
    return wall, used.ru_utime + used.ru_stime, hosts


def main(hosts: int = 100, rounds: int = 5, *trees: str) -> None:
    here = str(Path(__file__).resolve().parents[1])
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with Sshd(hosts, addresses=min(hosts, 100)) as sshd:
        servers = children(os.getpid())
        addresses = [f"{sshd.addresses[i % len(sshd.addresses)]}:{sshd.port}" for i in range(len(sshd.names))]
        bare = [sys.executable, "-c", BARE, ",".join(addresses), sshd.user, str(sshd.client.key), BARE_COMMAND]
        environ = {name: text for name, text in sshd.client.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        run = sshd.client.command("run", "all", "--", "true")
        commands: dict[str, tuple[Sequence[str], Mapping[str, str]]] = {"bare paramiko threads": (bare, environ)}
        for tree in (here, *trees):
            commands[f"run, {tree}"] = run, {**environ, "PYTHONPATH": tree}
        for tree in (here, *trees):
            one = sshd.client.command("run", sshd.names[0], "--", "true")
            commands[f"run on one, {tree}"] = one, {**environ, "PYTHONPATH": tree}
        for argv, env in list(commands.values())[1:]:
            measure(argv, env, sshd, servers)  # the helper is on the hosts from here on
        taken: dict[str, list[Figures]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, (argv, env) in commands.items():
                taken[name].append(measure(argv, env, sshd, servers))
    print(f"{hosts} hosts, {rounds} rounds, {os.cpu_count()} cores: median seconds, and ratios to the bare threads")
    print(f"{'':40} {'wall':>7} {'client':>7} {'hosts':>7}   {'wall':>5} {'client':>6} {'hosts':>6}")
    first = taken["bare paramiko threads"]
    for name, figures in taken.items():
        ratios = [[mine / base for mine, base in zip(a, b, strict=True)] for a, b in zip(figures, first, strict=True)]
        wall, client, host = (statistics.median(column) for column in zip(*figures, strict=True))
        walls, clients, others = (statistics.median(column) for column in zip(*ratios, strict=True))
        told = name if len(name) <= 40 else f"{name[:18]}...{name[-19:]}"
        print(f"{told:40} {wall:7.2f} {client:7.2f} {host:7.2f}   {walls:5.2f} {clients:6.2f} {others:6.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]), *sys.argv[3:])
