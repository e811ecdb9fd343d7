"""One quick command on many names, contacted by threads, by a process for each core, and by two workers of a cluster.

All on this machine, with real sshds beside them, so that the servers have their share of the cores in every column: the
controller's own CPU is what the places differ in.

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


def measure(sshd: Sshd, spread: str) -> tuple[float, float]:
    """Seconds of wall time, and of the controller's own CPU, without that of workers."""
    words = sshd.client.command("run", "all", "--spread", spread, "-f", "100", "--out", "json", "--", "true")
    began = time.monotonic()
    with open(os.devnull, "wb") as nothing:
        process = subprocess.Popen(words, env=sshd.client.environ, stdout=nothing, stderr=nothing)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"--spread {spread} ended with {process.returncode}")
    return time.monotonic() - began, usage.ru_utime + usage.ru_stime


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
        figures: dict[str, list[tuple[float, float]]] = {label: [] for label in places}
        measure(sshd, "threads")
        for _ in range(rounds):
            for label, spread in places.items():
                figures[label].append(measure(sshd, spread))
        print(f"{hosts} names, medians of {rounds} rounds\n{'':<20}{'wall':>9}{'CPU of the controller':>24}")
        for label, measured in figures.items():
            wall, cpu = (statistics.median(column) for column in zip(*measured, strict=True))
            print(f"{label:<20}{wall:>8.1f}s{cpu:>23.2f}s")


if __name__ == "__main__":
    main()
