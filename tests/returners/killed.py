"""Workers that record returns and hand them over, killed at random instants; run as a program by test_delivery.

    python -m tests.returners.killed ROOT SEED SECONDS

Afterwards one more command runs in peace. Whatever the job cache has must have reached both returners: lines of a
file that a command appends to, and rows of a database.
"""

from __future__ import annotations

import random
import sys
import time
from functools import partial
from pathlib import Path

from sqlalchemy import create_engine, text

from tests.cache.results import returned
from tests.hosts.killing import kill_workers
from tests.hosts.waiting import patience
from tests.returners.bench import Bench

WORKERS = 3
# So many kills, and so many jobs.
ENOUGH = 20
HOSTS = ("web1", "web2", "web3")
CONFIG = """
returners:
  lines: {{type: command, command: 'cat >>lines', timeout: 60}}
  rows: {{type: sql, url: 'sqlite:///{root}/register.db', timeout: 60}}
returner: [lines, rows]
"""


def bench_at(root: Path) -> Bench:
    bench = Bench(root)
    bench.configured()
    bench.now = time.time()
    return bench


def work(root: Path, rng: random.Random) -> None:
    """Send jobs, record what their hosts return, and hand over, without end."""
    bench = bench_at(root)
    while True:
        cache = bench.cache
        job = cache.create(function="cmd.run", arguments=["id"], target="all", hosts=HOSTS, user="ada")
        for host in HOSTS:
            cache.record(job.jid, host, returned(f"{job.jid} {host}".encode() * rng.choice([1, 200])))
            if rng.random() < 0.2:
                bench.deliver()
        if rng.random() < 0.7:
            cache.release(job.jid)
        bench.deliver()
        if rng.random() < 0.2:
            cache.prune(force=True)


def main(root: Path, seed: int, seconds: float) -> int:
    rng = random.Random(seed)
    Bench(root).configure(CONFIG.format(root=root))
    bench = bench_at(root)
    until, kills = time.monotonic() + seconds, 0
    # Where others keep the machine busy, workers live longer, and go on until they have come far enough.
    while time.monotonic() < until or kills <= ENOUGH or len(list(bench.cache.rows())) <= ENOUGH:
        kills += kill_workers(partial(work, root), WORKERS, rng, (0.02, patience(0.27)))
    told = bench.deliver()
    assert told == [], told
    assert bench.owed() == {}
    lines = {(document["jid"], document["host"]) for document in bench.lines("lines")}
    engine = create_engine(f"sqlite:///{root}/register.db")
    with engine.connect() as connection:
        rows = [tuple(row) for row in connection.execute(text("SELECT jid, id FROM agentless_returns"))]
    engine.dispose()
    assert len(set(rows)) == len(rows)
    jobs = 0
    for row in bench.cache.rows():
        report = bench.cache.load(row.job.jid)
        assert report is not None
        for host, result in report.results.items():
            if result.state.final:
                assert (row.job.jid, host) in lines, (row.job.jid, host)
                assert (row.job.jid, host) in set(rows), (row.job.jid, host)
        jobs += 1
    sys.stdout.write(f"{kills} {jobs}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
