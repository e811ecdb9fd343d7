"""One quick command on many names, contacted by threads, by a process for each core, and by two workers of a cluster.

All on this machine, with real sshds beside them, so that the servers have their share of the cores in every column. The
CPU of workers, and of Dask's scheduler, is told beside that of the controller's own process.

    PYTHONPATH=. python benchmarks/spread.py [HOSTS] [ROUNDS]
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.hosts import Sshd
from tests.runner.test_dask_cluster import Cluster

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_of(pid: int) -> tuple[float, float]:
    """Seconds of a process, also one that has ended and was not waited for; and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own, children = fields[11:13], fields[13:15]
    return sum(map(int, own)) / TICKS, sum(map(int, children)) / TICKS


def measure(sshd: Sshd, cluster: Cluster, spread: str) -> tuple[float, float, float]:
    """Seconds of wall time, of the controller's own CPU, and of that of its workers."""
    words = sshd.client.command("run", "all", "--spread", spread, "-f", "100", "--out", "json", "--", "true")

    def workers() -> float:
        those = cluster.processes.values() if spread == cluster.address else ()
        return sum(cpu_of(process.pid)[0] for process in those)

    before, began = workers(), time.monotonic()
    with open(os.devnull, "wb") as nothing:
        process = subprocess.Popen(words, env=sshd.client.environ, stdout=nothing, stderr=nothing)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        wall = time.monotonic() - began
        own, children = cpu_of(process.pid)
        status = process.wait()
    if status:
        raise SystemExit(f"--spread {spread} ended with {status}")
    return wall, own, children + workers() - before


def main() -> None:
    hosts = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with (
        Sshd(hosts, addresses=min(hosts, 250)) as sshd,
        tempfile.TemporaryDirectory(prefix="agentless-spread-") as folder,
        Cluster(Path(folder), sshd.client.environ) as cluster,
    ):
        for name in "ab":
            cluster.worker(name)
        places = {"threads": "threads", "cores": "cores", "Dask, two workers": cluster.address}
        figures: dict[str, list[tuple[float, float, float]]] = {label: [] for label in places}
        measure(sshd, cluster, "threads")
        for _ in range(rounds):
            for label, spread in places.items():
                figures[label].append(measure(sshd, cluster, spread))
        print(f"{hosts} names, medians of {rounds} rounds, load {os.getloadavg()[0]:.0f} at the end")
        print(f"{'':<20}{'wall':>9}{'CPU, controller':>18}{'CPU, workers':>15}")
        for label, measured in figures.items():
            wall, own, workers = (statistics.median(column) for column in zip(*measured, strict=True))
            print(f"{label:<20}{wall:>8.1f}s{own:>17.2f}s{workers:>14.2f}s")


if __name__ == "__main__":
    main()
