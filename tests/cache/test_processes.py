"""Many processes on one cache, and processes that die."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from agentless.cache import JobCache
from agentless.model.jid import JID
from agentless.model.output import InMemory
from agentless.model.returns import Return
from agentless.model.states import HostResult, State
from tests.cache.conftest import Bench
from tests.cache.results import returned
from tests.hosts import need, patience

ROOT = Path(__file__).parents[2]

WRITER = """
import sys
from agentless.cache import JobCache
from tests.cache.results import returned, running
root, me, shared, count = sys.argv[1:4] + [int(sys.argv[4])]
cache = JobCache(root, keep_jobs=24, max_bytes=10**9)
print("ready", flush=True)
sys.stdin.read(1)
for n in range(count):
    job = cache.create(function="cmd.run", arguments=[f"{me} {n}"], target="all", hosts=["a", "b"], user=me)
    cache.record(shared, f"{me}-{n}", returned(f"{me} {n} ".encode() * (1 if n % 2 else 500)))
    cache.record(job.jid, "a", running())
    cache.record_many(job.jid, {"a": returned(b"a"), "b": returned(b"b" * 2000)})
    # every process gives this host another return: one of them counts
    cache.record(shared, "contested", returned(me.encode(), stderr=me.encode() * 1000))
    if n % 2:
        cache.release(job.jid)
    if n % 5 == 0:
        cache.prune(force=True)
    print(job.jid, flush=True)
"""

HOLDER = """
import sys
from agentless.cache import JobCache
cache = JobCache(sys.argv[1], keep_jobs=24, max_bytes=10**9)
print(cache.create(function="cmd.run", arguments=["id"], target="all", hosts=["a"], user="ada").jid, flush=True)
sys.stdin.read()
"""


def _python(program: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_ten_processes_at_once_lose_nothing(tmp_path: Path) -> None:
    need("many seconds")
    bench = Bench(tmp_path / "jobs")
    cache = JobCache(bench.root, keep_jobs=24, max_bytes=10**9, warn=bench.warnings.append)
    names, count = [f"p{n}" for n in range(10)], 12
    hosts = [f"{name}-{n}" for name in names for n in range(count)]
    shared = cache.create(
        function="cmd.run", arguments=["id"], target="all", hosts=[*hosts, "contested"], user="ada"
    ).jid
    writers = [_python(WRITER, bench.root, name, shared, count) for name in names]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("x")
        writer.stdin.flush()
    jids: dict[str, list[JID]] = {}
    for name, writer in zip(names, writers, strict=True):
        with writer:
            out, _ = writer.communicate(timeout=patience(120))
        assert writer.returncode == 0
        jids[name] = [JID(word) for word in out.split()]
    every = [jid for name in names for jid in jids[name]]
    assert len(set(every)) == len(every) == len(names) * count
    rows = {row.job.jid: row for row in cache.rows()}
    assert set(rows) == {shared, *every}
    for name in names:
        for n, jid in enumerate(jids[name]):
            report = cache.load(jid)
            assert report is not None
            assert report.job.arguments == (f"{name} {n}",)
            assert report.results == {"a": returned(b"a"), "b": returned(b"b" * 2000)}
            assert rows[jid].summary["returned"] == 2
    report = cache.load(shared)
    assert report is not None
    for name in names:
        for n in range(count):
            assert report.results[f"{name}-{n}"] == returned(f"{name} {n} ".encode() * (1 if n % 2 else 500))
    contested = report.results["contested"].ret
    assert contested is not None
    assert contested.stdout.decode() in names
    assert contested.stderr == contested.stdout * 1000
    assert rows[shared].summary["returned"] == len(rows[shared].job.hosts)
    assert list(cache.open_jobs()) == []
    assert bench.warnings == []


def test_what_was_acknowledged_survives_sigkill_at_any_instant(tmp_path: Path) -> None:
    need("many seconds")
    command = [sys.executable, "-m", "tests.cache.killed", str(tmp_path / "jobs"), "7", "8"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=patience(120))
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 30


def test_the_hold_of_a_killed_run_is_gone_at_once(tmp_path: Path) -> None:
    cache = JobCache(tmp_path / "jobs", keep_jobs=24, max_bytes=10**9)
    with _python(HOLDER, tmp_path / "jobs") as run:
        assert run.stdout is not None
        jid = JID(run.stdout.readline().strip())
        assert cache.is_held(jid)
        assert not cache.abandon(jid)
        run.kill()
        run.wait(patience(10))
        assert not cache.is_held(jid)
    assert cache.abandon(jid)
    report = cache.load(jid)
    assert report is not None
    assert report.results["a"].state is State.NOT_STARTED


def test_readers_need_no_lock_and_no_ssh(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "jobs")
    job = bench.job()
    bench.cache.record(job.jid, "web1", HostResult(State.RETURNED, ret=Return(0, None, "exit", InMemory(b"hello"))))
    program = """
import json, sys
from agentless.cache.store import JobCache
cache = JobCache(sys.argv[1], keep_jobs=24, max_bytes=10**9)
rows = [row.job.jid for row in cache.rows()]
cache.load(rows[0]), cache.last(), cache.wanted(["web1"]), cache.is_held(rows[0])
heavy = {"filelock", "yaml", "paramiko", "asyncio", "logging", "platformdirs"} & set(sys.modules)
print(json.dumps([rows, sorted(heavy)]))
"""
    command = [sys.executable, "-c", program, str(bench.root)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [[job.jid], []]


def test_many_threads_record_into_one_cache(tmp_path: Path) -> None:
    cache = JobCache(tmp_path / "jobs", keep_jobs=24, max_bytes=10**9)
    hosts = [f"web{n}" for n in range(200)]
    job = cache.create(function="cmd.run", arguments=["id"], target="all", hosts=hosts, user="ada")
    with ThreadPoolExecutor(20) as pool:
        for host in hosts:
            pool.submit(cache.record, job.jid, host, returned(host.encode() * 300)).add_done_callback(Future.result)
    report = cache.load(job.jid)
    assert report is not None
    assert report.results == {host: returned(host.encode() * 300) for host in hosts}
    cache.release(job.jid)
    assert list(cache.open_jobs()) == []
