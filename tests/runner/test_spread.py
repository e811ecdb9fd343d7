"""Verbs over an executor: the same states and JSON, at most once whatever dies, secrets that stay here."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from agentless import Fleet, UsageError
from agentless.model.endpoint import Endpoint
from agentless.model.secret import Secret
from agentless.model.states import Dispatched, State
from agentless.runner import shards
from agentless.runner.spread import Spread
from tests.hosts import Sshd, children, kill, until
from tests.hosts.client import Client
from tests.transport.conftest import keygen


def made(client: Client, *words: str, code: int = 0) -> Any:
    """The JSON of a command that is spread over cores."""
    done = client.agentless("--spread", "cores", "--out", "json", *words)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def starts(mark: Path) -> int:
    return mark.read_text().count("x") if mark.exists() else 0


def test_every_verb_goes_through_it_and_says_what_it_says_elsewhere(start_sshd: Callable[..., Sshd]) -> None:
    client = start_sshd(3).client
    ran = made(client, "run", "all", "--", "echo hi; exit 3", code=1)
    assert {host["stdout"] for host in ran["hosts"].values()} == {"hi\n"}
    assert made(client, "jobs", "lookup", "last", code=1) == ran
    assert set(made(client, "ping")) == {"host1", "host2", "host3"}
    assert client.agentless("run", "all", "--spread", "cores", "--detach", "--", "sleep 600").returncode == 0
    (jid,) = made(client, "jobs", "active")
    assert len(made(client, "running")["host1"]) == 1
    assert made(client, "find-job", jid)["host2"]["jid"] == jid
    killed = made(client, "kill-job", jid)
    assert all(host["delivered"] for host in killed["hosts"].values())
    waited = made(client, "jobs", "wait", jid, code=1)
    assert {host["signal"] for host in waited["hosts"].values()} == {9}


def test_batches_and_max_fail_work_as_ever(start_sshd: Callable[..., Sshd]) -> None:
    client = start_sshd(4).client
    ran = made(client, "run", "all", "--batch", "1", "--max-fail", "1", "--", "exit 5", code=3)
    states = [host["state"] for host in ran["hosts"].values()]
    assert sorted(states) == ["not-started", "not-started", "returned", "returned"]


def test_a_job_of_some_seconds_comes_home_and_its_output_while_it_runs(sshd: Sshd) -> None:
    flag = sshd.directory / "go-on"
    command = f"echo first; sleep 6; until [ -e {flag} ]; do sleep 0.1; done; echo last"
    with sshd.client.start("run", "host1", "--spread", "cores", "--live", "--", command) as process:
        assert process.stdout is not None
        assert process.stdout.readline().endswith("first\n")
        assert process.poll() is None
        flag.touch()
        assert process.stdout.readline().endswith("last\n")
        assert process.wait() == 0


def test_a_worker_that_is_killed_costs_nothing_and_nothing_starts_twice(sshd: Sshd, tmp_path: Path) -> None:
    mark, flag = tmp_path / "mark", tmp_path / "go-on"
    command = f"echo x >> {mark}; until [ -e {flag} ]; do sleep 0.1; done"
    with sshd.client.start("run", "all", "--spread", "cores", "--out", "json", "--", command) as run:
        until(lambda: starts(mark) == 3, "all have begun")
        workers = children(run.pid)
        assert workers
        kill(worker.pid for worker in workers)
        flag.touch()
        output, _ = run.communicate()
    assert {host["state"] for host in json.loads(output)["hosts"].values()} == {"returned"}
    assert starts(mark) == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_outlives_the_command(sshd: Sshd, tmp_path: Path, number: signal.Signals) -> None:
    """Also where the signal goes to the whole group, as Ctrl-C does; the job ends, or goes on, as ever."""
    mark = tmp_path / "mark"
    command = f"echo x >> {mark}; sleep 600"
    with sshd.client.start("run", "all", "--spread", "cores", "--", command, start_new_session=True) as run:
        until(lambda: starts(mark) == 3, "all have begun")
        workers = children(run.pid)
        assert workers
        os.killpg(run.pid, number)
        _, errors = run.communicate()
    assert run.returncode == (130 if number == signal.SIGINT else -number)
    assert "Traceback" not in errors
    until(lambda: not any(worker.lives for worker in workers), "the workers have ended")
    # A controller that was killed in mid-run loses nothing: another one finds the job, and ends it.
    if number == signal.SIGKILL:
        assert sshd.client.agentless("kill-job", "last").returncode == 0
    waited = made(sshd.client, "jobs", "wait", "last", code=1)
    assert {host["state"] for host in waited["hosts"].values()} == {"returned"}
    assert starts(mark) == 3


@pytest.fixture
def fleet_of(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Fleet]]:
    for name, value in sshd.client.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    fleets: list[Fleet] = []

    def made(**options: Any) -> Fleet:
        fleets.append(Fleet(options.pop("inventory", sshd.client.inventory), **options))
        return fleets[-1]

    yield made
    for fleet in fleets:
        fleet.close()


def test_any_executor_will_do_and_stays_the_callers(fleet_of: Callable[..., Fleet]) -> None:
    with ThreadPoolExecutor(2) as threads, ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
        for executor in (threads, processes):
            fleet = fleet_of(executor=executor)
            assert fleet.run("all", "true").exit_code == 0
            fleet.close()
            assert executor.submit(pow, 2, 2).result() == 4


def test_processes_that_are_forked_are_there_before_threads_of_ours(fleet_of: Callable[..., Fleet]) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as executor:
        fleet = fleet_of(executor=executor)
        assert shards.cluster_of(executor).workers == 2
        assert len(multiprocessing.active_children()) == 2
        for _ in range(5):
            assert fleet.ping().exit_code == 0


class Twice(ThreadPoolExecutor):
    """Does each task twice, as an engine may that took a worker for dead."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return super().submit(lambda: (fn(*args, **kwargs), fn(*args, **kwargs))[1])


def test_a_task_that_is_run_twice_starts_each_job_once(fleet_of: Callable[..., Fleet], tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    with Twice(2) as executor:
        report = fleet_of(executor=executor).run("all", f"echo x >> {mark}; echo out")
    assert {result.ret and result.ret.stdout for result in report.results.values()} == {b"out\n"}
    assert starts(mark) == 3


class Counting(ThreadPoolExecutor):
    """Notes how many hosts are in each task."""

    def __init__(self, workers: int) -> None:
        super().__init__(workers)
        self.sizes: list[int] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.sizes.append(len(pickle.loads(args[1]).calls))
        return super().submit(fn, *args, **kwargs)


def test_hosts_whose_turn_comes_when_others_have_ended_go_in_shards_too(
    start_sshd: Callable[..., Sshd], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them used to be a shard of its own, so that a worker asked one host at a time."""
    sshd = start_sshd(24)
    for name, value in sshd.client.environ.items():
        monkeypatch.setenv(name, value)
    with Counting(2) as executor, Fleet(sshd.client.inventory, executor=executor, forks=8) as fleet:
        assert fleet.ping().exit_code == 0
    assert sum(executor.sizes) == 24
    assert sum(executor.sizes) / len(executor.sizes) > 2, executor.sizes


class Dying(Executor):
    """Carries out the first tasks and loses what they gave, as a worker that dies at the end."""

    def __init__(self, lost: int) -> None:
        self.lost = lost
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(2)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        def work() -> Any:
            result = fn(*args, **kwargs)
            with self._lock:
                self.lost -= 1
                if self.lost >= 0:
                    raise BrokenProcessPool("killed")
            return result

        return self._threads.submit(work)


def test_an_executor_that_is_shut_down_is_told_and_nothing_was_sent(
    fleet_of: Callable[..., Fleet], tmp_path: Path
) -> None:
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    report = fleet_of(executor=executor).run("all", f"touch {tmp_path / 'mark'}")
    assert report.exit_code == 3
    for result in report.results.values():
        assert (result.state, result.dispatched) == (State.UNREACHABLE, Dispatched.NO)
        assert result.problem is not None
        assert "after shutdown" in result.problem.message
    assert not (tmp_path / "mark").exists()


class Older(ThreadPoolExecutor):
    """Workers that have another version of agentless."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return super().submit(fn, "0.0.1", *args[1:], **kwargs)


def test_workers_of_another_version_are_told_and_nothing_was_sent(
    fleet_of: Callable[..., Fleet], tmp_path: Path
) -> None:
    with Older(1) as executor:
        report = fleet_of(executor=executor).run("all", f"touch {tmp_path / 'mark'}")
    for result in report.results.values():
        assert (result.state, result.dispatched) == (State.UNREACHABLE, Dispatched.NO)
        assert result.problem is not None
        assert "and the controller 0.0.1" in result.problem.message
    assert not (tmp_path / "mark").exists()


def test_what_a_dead_worker_had_is_asked_again(fleet_of: Callable[..., Fleet], tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    report = fleet_of(executor=Dying(3)).run("all", f"echo x >> {mark}")
    assert report.exit_code == 0
    assert starts(mark) == 3


def test_where_no_worker_lives_the_job_may_run_and_is_found(fleet_of: Callable[..., Fleet], tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    report = fleet_of(executor=Dying(1000)).run("all", f"echo x >> {mark}")
    problems = {result.problem and result.problem.kind for result in report.results.values()}
    assert (problems, report.exit_code) == ({"spread"}, 3)
    assert fleet_of(spread="threads").lookup(report.job.jid).exit_code == 0
    assert starts(mark) == 3


def test_a_signal_whose_worker_died_is_not_sent_again(fleet_of: Callable[..., Fleet], tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    fleet = fleet_of()
    ready = tmp_path / "ready"
    command = f"trap 'echo x >> {mark}' USR1; touch {ready}; while :; do sleep 0.2; done"
    fleet.run("host1", command, detach=True)
    until(ready.exists, "it runs, and knows what to do with a signal")
    signalled = fleet_of(executor=Dying(1)).signal_job(fleet.last(), "USR1", "host1")
    assert signalled.problems["host1"].kind == "spread"
    until(lambda: starts(mark), "it got one")
    assert fleet.kill_job(fleet.last()).exit_code == 0
    assert starts(mark) == 1


class Unknown(Executor):
    """An executor of which nobody knows where its workers are."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        raise AssertionError("nothing is sent")


@pytest.mark.parametrize("options", [{"password": "geheim"}, {"become": True, "become_password": "geheim"}])
def test_a_secret_goes_nowhere_that_is_not_known_to_be_private(
    fleet_of: Callable[..., Fleet], options: dict[str, Any]
) -> None:
    fleet = fleet_of(executor=Unknown(), **options)
    with pytest.raises(UsageError, match="does not encrypt"):
        fleet.run("all", "true")
    with pytest.raises(UsageError, match="does not encrypt"):
        fleet.ping()
    assert list(fleet.cache.rows()) == []


def test_a_passphrase_is_asked_for_once_here(sshd: Sshd, fleet_of: Callable[..., Fleet], tmp_path: Path) -> None:
    key = keygen(tmp_path / "locked", passphrase="geheim")
    authorized = sshd.directory / "authorized_keys"
    authorized.write_text(authorized.read_text() + (tmp_path / "locked.pub").read_text())
    text = sshd.client.inventory.read_text().replace(str(sshd.client.key), str(key))
    (tmp_path / "inventory.yaml").write_text(text)
    asked: list[str] = []

    def ask(prompt: str) -> Secret:
        asked.append(prompt)
        return Secret("falsch" if len(asked) == 1 else "geheim")

    with fleet_of(inventory=tmp_path / "inventory.yaml", spread="cores", ask=ask) as fleet:
        report = fleet.run("all", "true")
    assert [result.state for result in report.results.values()] == [State.RETURNED] * 3
    assert len(asked) == 2


def test_auto_takes_cores_where_there_are_many_hosts_and_some_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = {f"web{number}": Endpoint(f"web{number}", "192.0.2.1") for number in range(500)}
    few = dict(list(hosts.items())[:499])
    for count, many, chosen in ((4, hosts, True), (4, few, False), (3, hosts, False)):
        monkeypatch.setattr("agentless.runner.cores.cores", lambda count=count: count)
        spread = Spread("auto", None, ask=lambda prompt: None, warn=lambda line: None)
        assert (spread.carrier(many, 100) is not None) == chosen
        spread.close()


def test_nonsense_is_refused_before_anything_is_done(sshd: Sshd) -> None:
    done = sshd.client.agentless("ping", "--spread", "nowhere")
    assert (done.returncode, "tcp://scheduler:8786" in done.stderr) == (2, True)
    (sshd.client.home / "config.yaml").write_text("spread: nowhere\n")
    done = sshd.client.agentless("ping", "--config", str(sshd.client.home / "config.yaml"))
    assert (done.returncode, "config.yaml:1" in done.stderr) == (2, True)
