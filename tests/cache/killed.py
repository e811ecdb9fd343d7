"""Workers on one cache that are killed at random instants, again and again; run as a program by test_processes.

    python -m tests.cache.killed ROOT SEED SECONDS

Whatever a worker acknowledged before it died must be there afterwards.
"""

from __future__ import annotations

import os
import random
import sys
import time
from functools import partial
from pathlib import Path

from agentless.cache import JobCache
from agentless.model.jid import JID
from agentless.model.states import HostResult, State
from tests.cache.results import returned, running
from tests.hosts.killing import kill_workers
from tests.hosts.waiting import patience

WORKERS = 3
# So many kills, however long a busy machine takes over them.
ENOUGH = 30
SHARED = tuple(f"host{n}" for n in range(300))
OWN = ("web1", "web2", "web3")


def cache_at(root: Path) -> JobCache:
    def warn(message: str) -> None:
        raise AssertionError(message)

    return JobCache(root, keep_jobs=24, max_bytes=10**9, warn=warn)


def give_back(jid: str, host: str) -> HostResult:
    """The one return of a host of a job, large for some."""
    return returned(f"{jid} {host}\n".encode() * (400 if sum(map(ord, jid + host)) % 3 == 0 else 1))


def work(root: Path, shared: JID, acknowledge: int, rng: random.Random) -> None:
    """Use the cache without end, and tell of each thing once it is done."""
    cache = cache_at(root)

    def done(*words: str) -> None:
        os.write(acknowledge, " ".join(words).encode() + b"\n")

    while True:
        job = cache.create(function="cmd.run", arguments=["id"], target="all", hosts=OWN, user="ada")
        done("created", job.jid)
        cache.record_many(job.jid, {host: running() for host in OWN})
        done("running", job.jid)
        for host in rng.sample(OWN, 3):
            cache.record(job.jid, host, give_back(job.jid, host))
            done("returned", job.jid, host)
        if rng.random() < 0.5:
            cache.release(job.jid)
            done("released", job.jid)
        host = rng.choice(SHARED)
        cache.record(shared, host, give_back(shared, host))
        done("returned", shared, host)
        if rng.random() < 0.1:
            cache.prune(force=True)


def main(root: Path, seed: int, seconds: float) -> int:
    rng = random.Random(seed)
    cache = cache_at(root)
    shared = cache.create(function="cmd.run", arguments=["id"], target="all", hosts=SHARED, user="ada").jid
    until = time.monotonic() + seconds
    kills = 0
    told: dict[JID, set[str]] = {}
    while time.monotonic() < until or kills <= ENOUGH:
        readable, writable = os.pipe()
        kills += kill_workers(partial(work, root, shared, writable), WORKERS, rng, (0.002, patience(0.027)))
        os.close(writable)
        with open(readable, "rb") as file:
            for line in file.read().decode().splitlines():
                _word, jid, *hosts = line.split()
                told.setdefault(JID(jid), set()).update(hosts)
        reader = cache_at(root)
        rows = {row.job.jid: row for row in reader.rows()}
        for jid, hosts_returned in told.items():
            report = reader.load(jid)
            assert report is not None, f"job {jid} is gone"
            for host in hosts_returned:
                assert report.results[host] == give_back(jid, host), (jid, host, report.results[host])
            for host, result in report.results.items():
                assert result.state in (State.PENDING, State.RUNNING) or result == give_back(jid, host)
            assert rows[jid].summary == report.summary
            assert reader.is_held(jid) is (jid == shared)
        told = {shared: told.get(shared, set())} if rng.random() < 0.5 else told
    assert cache.prune(force=True).set_aside == ()
    left = [name for name in os.listdir(root) if name.endswith((".tmp", ".live"))]
    assert left == [f"{shared}.live"], left
    sys.stdout.write(f"{kills}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
