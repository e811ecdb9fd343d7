"""What returners have not had goes to each of them, once or more, never less, and one that fails holds up nobody."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from filelock import FileLock

from agentless.errors import ConfigError
from agentless.model.problem import Problem
from agentless.model.states import Dispatched, HostResult, State
from agentless.returners.delivery import check
from tests.cache.results import returned, running
from tests.hosts import Process, need, patience, until
from tests.hosts.client import ROOT
from tests.returners.bench import Bench
from tests.returners.web import Web

TAKES = "  {name}: {{type: command, command: 'cat >>{name}'}}\n"


def configure(bench: Bench, *names: str, more: str = "") -> None:
    bench.configure("returners:\n" + "".join(TAKES.format(name=name) for name in names) + more)


def hosts(bench: Bench, name: str) -> list[str]:
    return [document["host"] for document in bench.lines(name)]


def test_nothing_is_kept_for_a_job_without_returners(bench: Bench) -> None:
    configure(bench, "one")
    bench.job()
    assert bench.deliver() == []
    assert not (bench.root / "cache" / "returners").exists()


def test_each_returner_gets_what_is_its_own(bench: Bench) -> None:
    configure(bench, "one", "two", more="returner: one\n")
    bench.job({"web1": returned()})
    bench.job({"web2": returned()}, returners=("two",))
    bench.job({"web3": returned()}, returners=("one", "two"))
    assert bench.deliver() == []
    assert hosts(bench, "one") == ["web1", "web2", "web3"]
    assert hosts(bench, "two") == ["web2", "web3"]
    assert bench.deliver() == []
    assert hosts(bench, "one") == ["web1", "web2", "web3"]


def test_it_gets_every_end_and_only_ends(bench: Bench) -> None:
    configure(bench, "one")
    ends = {
        "returned": returned(),
        "lost": HostResult(State.LOST, Dispatched.YES, problem=Problem("reboot", "it was rebooted")),
        "refused": HostResult(State.NOT_STARTED, problem=Problem("cwd", "no such directory")),
        "never-reached": HostResult(State.UNREACHABLE, problem=Problem("connect", "refused")),
    }
    perhaps = HostResult(State.UNREACHABLE, Dispatched.MAYBE, "0123456789abcdef", problem=Problem("connect", "cut"))
    job = bench.job({**ends, "runs": running(), "perhaps": perhaps}, returners=("one",))
    assert bench.deliver() == []
    assert hosts(bench, "one") == list(ends)
    bench.cache.record(job.jid, "runs", returned())
    assert bench.deliver() == []
    assert hosts(bench, "one") == [*ends, "runs"]


def test_a_host_that_a_live_run_may_still_reach_has_not_ended(bench: Bench) -> None:
    configure(bench, "one")
    cache = bench.cache
    job = cache.create(
        function="cmd.run", arguments=["id"], target="all", hosts=["a", "b"], user="ada", returners=["one"]
    )
    cache.record_many(
        job.jid, {"a": HostResult(State.UNREACHABLE, problem=Problem("connect", "refused")), "b": returned()}
    )
    assert bench.deliver() == []
    assert hosts(bench, "one") == ["b"]
    cache.release(job.jid)
    assert bench.deliver() == []
    assert hosts(bench, "one") == ["b", "a"]


def test_one_that_fails_holds_up_no_other(bench: Bench, web: Web) -> None:
    need("many seconds")
    hangs = f"  hangs: {{type: webhook, url: '{web.url}', timeout: 2}}\n"
    configure(bench, "one", more=hangs + "  refuses: {type: command, command: 'exit 1'}\n")
    bench.job(returners=("hangs", "refuses", "one"))
    web.script.extend(["hang"] * 9)
    warnings = bench.deliver()
    assert [line.split(":")[0] for line in warnings] == [
        "the returner hangs has yet to get 2 returns",
        "the returner refuses has yet to get 2 returns",
    ]
    assert hosts(bench, "one") == ["web1", "web2"]


def test_a_return_that_hangs_comes_last_the_next_time(bench: Bench) -> None:
    need("many seconds")
    stuck = "test $AGENTLESS_HOST = web0 && exec sleep 60; cat >>one"
    bench.configure(f"returners: {{one: {{type: command, timeout: {patience(0.5)}, command: '{stuck}'}}}}")
    bench.job({f"web{n}": returned() for n in range(4)}, returners=("one",))
    assert "has yet to get 4 returns" in bench.deliver()[0]
    assert "has yet to get 1 return:" in bench.deliver()[0]
    assert hosts(bench, "one") == ["web1", "web2", "web3"]


def test_one_that_the_configuration_does_not_have_any_more_is_told(bench: Bench) -> None:
    configure(bench, "one", "two")
    bench.job(returners=("two",))
    configure(bench, "one")
    (warning,) = bench.deliver()
    owed = f"{bench.root}/config.yaml has no returner 'two' any more, which has yet to get 2 returns"
    assert warning.startswith(f"{owed}: name it there again")
    configure(bench, "one", "two")
    assert bench.deliver() == []
    assert hosts(bench, "two") == ["web1", "web2"]


def test_two_commands_at_once_hand_over_each_return_once(bench: Bench) -> None:
    bench.configure("returners: {one: {type: command, command: 'sleep 0.05; cat >>one', timeout: 60}}")
    bench.job({f"web{n}": returned() for n in range(12)}, returners=("one",))
    threads = [threading.Thread(target=bench.deliver) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert hosts(bench, "one") == [f"web{n}" for n in range(12)]


def test_who_waits_for_another_command_leaves_in_time(bench: Bench) -> None:
    seconds = round(patience(1 / 3))
    bench.configure(f"returners: {{one: {{type: command, command: 'cat >>one', timeout: {seconds}}}}}")
    bench.job(returners=("one",))
    with FileLock(bench.cache.returner_lock("one")):
        (warning,) = bench.deliver()
    assert warning.endswith(f"has yet to get 2 returns: another agentless process has been at it for {seconds} s")
    assert bench.deliver() == []


def test_large_output_is_read_a_host_at_a_time(bench: Bench) -> None:
    bench.configure("returners: {one: {type: command, command: 'wc -c >>sizes'}}")
    bench.job({f"web{n}": returned(b"x" * 2_000_000) for n in range(3)}, returners=("one",))
    assert bench.deliver() == []
    sizes = [int(line) for line in (bench.root / "sizes").read_text().split()]
    assert len(sizes) == 3
    assert min(sizes) > 2_000_000


def test_a_record_that_is_damaged_costs_its_own_returns_only(bench: Bench) -> None:
    configure(bench, "one")
    job = bench.job({"web1": returned(b"x" * 5000), "web2": returned()}, returners=("one",))
    bench.job({"web3": returned()}, returners=("one",))
    (bench.root / "cache" / "jobs" / f"{job.jid}.output.jsonl").write_bytes(b"")
    bench.deliver()
    assert "web3" in hosts(bench, "one")


def test_before_a_job_is_sent_it_is_seen_whether_its_returners_can_be_reached(bench: Bench) -> None:
    bench.configure("returners:\n  a: {type: sql, url_file: nothing}\n  b: {type: webhook, url_env: NOTHING}\n")
    for name, words in {"a": "nothing cannot be read: No such file", "b": "NOTHING is not set"}.items():
        with pytest.raises(ConfigError) as caught:
            check(bench.config.returners[name], bench.environ)
        assert words in caught.value.message
        assert caught.value.line is not None


def test_what_was_recorded_is_handed_over_once_or_more_whenever_a_process_is_killed(tmp_path: Path) -> None:
    need("many seconds")
    command = [sys.executable, "-m", "tests.returners.killed", str(tmp_path), "7", "10"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=patience(300))
    assert done.returncode == 0, done.stderr
    kills, jobs = map(int, done.stdout.split())
    assert kills > 20
    assert jobs > 20


def test_an_interruption_ends_it_at_once_and_leaves_no_command_behind(bench: Bench) -> None:
    bench.configure("returners: {one: {type: command, timeout: 3600, command: 'echo $$ >pid; exec sleep 3600'}}")
    bench.job(returners=("one",))
    program = f"""
import os
from pathlib import Path
from tests.returners.bench import Bench
bench = Bench(Path({str(bench.root)!r}))
bench.configure(Path({str(bench.root / "config.yaml")!r}).read_text())
bench.deliver()
"""
    process = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stderr=subprocess.DEVNULL)
    until(lambda: (bench.root / "pid").exists() and (bench.root / "pid").read_text().strip(), "the command runs")
    child = Process.of(int((bench.root / "pid").read_text()))
    process.send_signal(signal.SIGINT)
    process.wait(patience(10))
    until(lambda: not child.lives, "the command is gone")
    assert bench.owed() == {"one": 2}
