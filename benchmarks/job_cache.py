"""The job cache with 10,000 jobs of 10 hosts: disk, files, and what the commands that read it take as whole processes.

    python benchmarks/job_cache.py [--jobs N] [--hosts N] [--runs N] [--keep DIRECTORY]

The jobs are made as runs make them, through JobCache. Times are medians; machines differ and are noisy, so that each is
also given as a ratio to `python -c "import click"`, which any command line of this kind pays. The cache is warm in
memory: what is measured is the work, not the disk.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from agentless.cache import JobCache
from agentless.model.returns import Return
from agentless.model.states import Dispatched, HostResult, State

ROOT = Path(__file__).parents[1]
OUTPUT = b" 11:25:12 up 27 days,  4:05,  0 users,  load average: 0.07, 0.05, 0.02\n"


def build(directory: Path, jobs: int, hosts: int) -> str:
    """Fill `directory/agentless/jobs`, a job every 8 s up to now; returns a JID from the middle."""
    now = time.time() - 8.0 * jobs
    cache = JobCache(directory / "agentless" / "jobs", keep_jobs=8760.0, max_bytes=2**40, clock=lambda: now)
    names = [f"web{n:02}.example.com" for n in range(hosts)]
    jids = []
    for n in range(jobs):
        now += 8.000123
        job = cache.create(function="cmd.run", arguments=["uptime"], target="web*", hosts=names, user="ada")
        cache.record_many(job.jid, {host: _result(n + k, now) for k, host in enumerate(names)})
        cache.release(job.jid)
        jids.append(job.jid)
    cache.prune(force=True)
    return jids[len(jids) // 2]


def _result(n: int, now: float) -> HostResult:
    ret = Return(
        retcode=1 if n % 50 == 0 else 0,
        signal=None,
        ended_by="exit",
        stdout=OUTPUT,
        pid=4000 + n,
        started=now + 0.101234,
        finished=now + 0.113456,
        duration=0.012222,
    )
    return HostResult(State.RETURNED, Dispatched.YES, f"{n * 0x9E3779B97F4A7C15 % 2**64:016x}", ret)


def measure(command: list[str], environ: Mapping[str, str], runs: int) -> tuple[float, float]:
    """Median seconds of a whole process, and of its CPU; an exit code above 1 ends the benchmark."""
    seconds, cpu = [], []
    for _ in range(runs + 1):
        begun, spent = time.perf_counter(), _children()
        done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True)
        seconds.append(time.perf_counter() - begun)
        cpu.append(_children() - spent)
        if done.returncode > 1:
            raise SystemExit(f"{' '.join(command)} exited {done.returncode}: {done.stderr.decode()}")
    return statistics.median(seconds[1:]), statistics.median(cpu[1:])


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@contextlib.contextmanager
def place(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True)
        yield keep
        return
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--hosts", type=int, default=10)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--keep", type=Path, help="build here, and leave it")
    options = parser.parse_args()
    with place(options.keep) as directory:
        begun = time.perf_counter()
        jid = build(directory, options.jobs, options.hosts)
        each = (time.perf_counter() - begun) / options.jobs
        files = [path.stat() for path in directory.rglob("*") if path.is_file()]
        disk = sum(found.st_blocks * 512 for found in files)
        print(f"{options.jobs} jobs of {options.hosts} hosts: {disk / 1e6:.1f} MB on disk, {len(files)} files")
        print(f"create, record, finish: {each * 1000:.2f} ms a job")
        environ = {**os.environ, "XDG_CACHE_HOME": str(directory), "XDG_CONFIG_HOME": str(directory)}
        base = measure([sys.executable, "-c", "import click"], environ, options.runs)
        print(f"{'':42}   wall     CPU   ratios")
        _print("python -c 'import click'", base, base)
        for verb in (
            ["list"],
            ["list", "-n", "20"],
            ["list", "--out", "json"],
            ["lookup", jid],
            ["show", jid],
            ["last"],
        ):
            command = [sys.executable, "-m", "agentless", "jobs", *verb]
            _print("agentless jobs " + " ".join(verb), measure(command, environ, options.runs), base)


def _print(name: str, found: tuple[float, float], base: tuple[float, float]) -> None:
    (wall, cpu), (base_wall, base_cpu) = found, base
    print(f"{name:42.42} {wall:.3f} s {cpu:.3f} s {wall / base_wall:4.1f} {cpu / base_cpu:4.1f}")


if __name__ == "__main__":
    main()
