"""One quick command on many hosts, side by side with what people use today; real sshds on this machine.

    python benchmarks/peers.py [HOSTS] [ROUNDS] [--record]

Each round runs every tool that is installed once, in turn, so that a machine which slows down slows all of them. Wall
and CPU seconds are medians over the rounds, CPU that of the client alone; the last column is the ratio of the wall
times to agentless' of the same round. Runs from the top of the repository, as root or not.
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.figures import record
from tests.hosts import Sshd

COMMAND = "id -un"

BARE = """
import sys, threading, paramiko
names, user, key = sys.argv[1].split(","), sys.argv[2], paramiko.Ed25519Key.from_private_key_file(sys.argv[3])
def work(name):
    host, port = name.split(":")
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.MissingHostKeyPolicy())
    client.connect(host, int(port), user, pkey=key, allow_agent=False, look_for_keys=False, banner_timeout=60)
    client.exec_command(sys.argv[4])[1].read()
    client.close()
threads = [threading.Thread(target=work, args=(name,)) for name in names]
[thread.start() for thread in threads]; [thread.join() for thread in threads]
"""


def tools(sshd: Sshd) -> dict[str, list[str]]:
    """The command line of each tool, by name; agentless first."""
    folder = sshd.directory
    addresses = [f"{sshd.addresses[i % len(sshd.addresses)]}:{sshd.port}" for i in range(len(sshd.names))]
    (folder / "names").write_text("".join(f"{name}\n" for name in sshd.names))
    ssh = f"-F {sshd.client.openssh_config}"
    found = {
        "agentless run": sshd.client.command("run", "all", "--", COMMAND),
        "agentless run --detach": sshd.client.command("run", "all", "--detach", "--", COMMAND),
        "bare paramiko threads": [
            sys.executable,
            "-c",
            BARE,
            ",".join(addresses),
            sshd.user,
            str(sshd.client.key),
            COMMAND,
        ],
    }
    if tool := shutil.which("clush", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}"):
        found["clush"] = [tool, "-f", "100", "-o", ssh, "-w", ",".join(sshd.names), COMMAND]
    if tool := shutil.which("parallel-ssh") or shutil.which("pssh"):
        found["pssh"] = [tool, "-p", "100", "-x", ssh, "-h", str(folder / "names"), COMMAND]
    ansible = Path(sys.executable).with_name("ansible")
    if ansible.exists():
        found["ansible -m command"] = [
            str(ansible), "-i", str(sshd.client.inventory), "all", "-f", "100", "-m", "command", "-a", COMMAND,
        ]  # fmt: skip
        found["ansible -B 60 -P 1"] = [*found["ansible -m command"], "-B", "60", "-P", "1"]
    return found


def measure(argv: list[str], sshd: Sshd) -> tuple[float, float]:
    """Wall and CPU seconds of one run."""
    environ = {
        **sshd.client.environ,
        "ANSIBLE_SSH_ARGS": f"-F {sshd.client.openssh_config} -o ControlMaster=no",
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
    }
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(argv, env=environ, cwd=sshd.client.home, stdin=subprocess.DEVNULL, capture_output=True)
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise SystemExit(f"{argv[:3]} ended with {done.returncode}: {done.stderr.decode()[-2000:]}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(hosts: int = 100, rounds: int = 3, *, keep: bool = False) -> None:
    with Sshd(hosts, addresses=min(hosts, 100)) as sshd:
        commands = tools(sshd)
        measure(commands["agentless run"], sshd)  # the helper is on the hosts from here on
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, argv in commands.items():
                taken[name].append(measure(argv, sshd))
        print(f"{hosts} hosts, {rounds} rounds, {os.cpu_count()} cores: median seconds")
        print(f"{'':24} {'wall':>8} {'CPU':>8} {'wall ratio':>11}")
        ours = [wall for wall, _ in taken["agentless run"]]
        medians: dict[str, tuple[float, float]] = {}
        for name, figures in taken.items():
            ratio = statistics.median(wall / mine for (wall, _), mine in zip(figures, ours, strict=True))
            wall, cpu = (statistics.median(column) for column in zip(*figures, strict=True))
            print(f"{name:24} {wall:8.2f} {cpu:8.2f} {ratio:11.2f}")
            medians[name] = wall, cpu
    if keep:
        script = f"benchmarks/peers.py {hosts} {rounds}"
        what = f"One quick command on {hosts} hosts: seconds until all have answered"
        for plot, title, column in (("peers", what, 0), ("peers-cpu", "The same: CPU seconds of the client", 1)):
            rows = sorted(((name, round(both[column], 2)) for name, both in medians.items()), key=lambda row: row[1])
            record(plot, title, script, rows, unit="s", scale="log")


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:] if word != "--record"), keep="--record" in sys.argv)
