"""A real Dask cluster: a scheduler and two workers, which die, which reach different hosts, and which secrets reach."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.hosts import Sshd, patience, soon, until
from tests.hosts.client import ROOT, Client
from tests.hosts.nodes import Nodes

if find_spec("distributed") is None:
    pytest.skip("the extra `dask` is not installed", allow_module_level=True)
DASK = Path(sys.executable).with_name("dask")


class Cluster:
    """A scheduler, and workers by name; all end with it.

    Args:
        folder: for its files.
        environ: the environment of all its processes.
        host: where the scheduler listens.
        protocol: `tcp` or `tls`.
    """

    def __init__(
        self, folder: Path, environ: Mapping[str, str], *, host: str = "127.0.0.1", protocol: str = "tcp"
    ) -> None:
        self._folder = folder
        self._environ = {**environ, "PYTHONPATH": str(ROOT), "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False"}
        self._host = host
        self._protocol = protocol
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Cluster:
        file = self._folder / "scheduler.json"
        words = ["scheduler", "--host", self._host, "--port", "0", "--scheduler-file", str(file)]
        self._start("scheduler", [*words, "--no-dashboard", "--protocol", self._protocol])

        def listening() -> dict[str, Any]:
            # The file is there before there is something in it.
            text = file.read_text() if file.exists() else ""
            with contextlib.suppress(json.JSONDecodeError):
                return dict(json.loads(text))
            return {}

        self.address: str = until(listening, "the scheduler listens", seconds=60)["address"]
        return self

    def _start(self, name: str, words: Sequence[str], before: Sequence[str] = ()) -> None:
        with open(self._folder / f"{name}.log", "wb") as log:
            self.processes[name] = subprocess.Popen(
                [*before, str(DASK), *words], env=self._environ, stdout=log, stderr=log, cwd=self._folder
            )

    def worker(self, name: str, *words: str, before: Sequence[str] = (), host: str = "127.0.0.1") -> None:
        """Start a worker, and wait until the scheduler knows it."""
        words = ("worker", self.address, "--name", name, "--nthreads", "2", "--no-nanny", "--no-dashboard", *words)
        self._start(name, [*words, "--host", host], before)
        log = self._folder / f"{name}.log"
        until(lambda: "Registered to" in log.read_text(), f"worker {name} is registered", seconds=60)

    def kill(self, name: str) -> None:
        """SIGKILL."""
        process = self.processes.pop(name)
        process.kill()
        process.wait(patience(20))

    def __exit__(self, *exception: object) -> None:
        for name in list(self.processes):
            self.kill(name)


@pytest.fixture
def cluster(sshd: Sshd, tmp_path: Path) -> Iterator[Cluster]:
    """Two workers, `a` and `b`, on loopback; they log in with the client's key."""
    with Cluster(tmp_path, sshd.client.environ) as cluster:
        for name in "ab":
            cluster.worker(name, "--resources", f"zone{name}=1")
        yield cluster


def made(client: Client, cluster: Cluster, *words: str, code: int = 0) -> Any:
    """The JSON of a command over the cluster."""
    done = client.agentless("--spread", cluster.address, "--out", "json", *words)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def starts(mark: Path) -> int:
    return mark.read_text().count("x") if mark.exists() else 0


def waits(mark: Path, flag: Path) -> str:
    """A command that leaves a mark, and ends when there is the flag."""
    return f"echo x >> {mark}; until [ -e {flag} ]; do sleep 0.1; done"


def test_verbs_say_what_they_say_elsewhere(sshd: Sshd, cluster: Cluster) -> None:
    ran = made(sshd.client, cluster, "run", "all", "--", "echo hi; exit 3", code=1)
    assert {host["stdout"] for host in ran["hosts"].values()} == {"hi\n"}
    assert (
        sshd.client.agentless("--spread", cluster.address, "run", "all", "--detach", "--", "sleep 600").returncode == 0
    )
    (jid,) = made(sshd.client, cluster, "jobs", "active")
    killed = made(sshd.client, cluster, "kill-job", jid)
    assert all(host["delivered"] for host in killed["hosts"].values())
    made(sshd.client, cluster, "jobs", "wait", jid, code=1)


def test_a_killed_worker_has_its_shard_made_by_the_other_and_nothing_starts_twice(
    sshd: Sshd, cluster: Cluster, tmp_path: Path
) -> None:
    mark, flag = tmp_path / "mark", tmp_path / "go-on"
    command = ("--spread", cluster.address, "--out", "json", "run", "all", "--", waits(mark, flag))
    with sshd.client.start(*command) as run:
        until(lambda: starts(mark) == 3, "all have begun", seconds=60)
        cluster.kill("a")
        flag.touch()
        output, errors = run.communicate()
    assert {host["state"] for host in json.loads(output)["hosts"].values()} == {"returned"}, errors
    assert starts(mark) == 3


# The watch over workers, with less patience than it has.
IMPATIENT = (
    "import sys; from agentless.runner import dask_cluster; dask_cluster.SILENCE = {silence}; "
    "from agentless.cli.app import main; sys.exit(main(sys.argv[1:]))"
)


def impatient(client: Client, cluster: Cluster, *words: str) -> subprocess.Popen[str]:
    """Start a command over the cluster that gives up a worker which is silent for some seconds."""
    command = [
        sys.executable,
        "-c",
        IMPATIENT.format(silence=patience(2)),
        "--spread",
        cluster.address,
        "--out",
        "json",
        *words,
    ]
    environ = {**client.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_the_hosts_of_a_worker_that_stands_still_are_asked_by_the_other(
    sshd: Sshd, cluster: Cluster, tmp_path: Path
) -> None:
    """Its connection does not break, so that Dask goes on waiting for it."""
    mark, flag = tmp_path / "mark", tmp_path / "go-on"
    with impatient(sshd.client, cluster, "run", "all", "--", waits(mark, flag) + "; echo out") as run:
        until(lambda: starts(mark) == 3, "all have begun", seconds=60)
        cluster.processes["a"].send_signal(signal.SIGSTOP)
        flag.touch()
        output, errors = run.communicate()
        cluster.processes["a"].send_signal(signal.SIGCONT)
    assert {host["stdout"] for host in json.loads(output)["hosts"].values()} == {"out\n"}, errors
    assert starts(mark) == 3


def test_where_nobody_else_fits_a_worker_that_stands_still_is_told_and_the_job_is_found_when_it_goes_on(
    sshd: Sshd, cluster: Cluster, tmp_path: Path
) -> None:
    mark, flag = tmp_path / "mark", tmp_path / "go-on"
    only = ("-e", "agentless_spread_worker=a")
    with impatient(sshd.client, cluster, "run", "host1", *only, "--", waits(mark, flag) + "; echo out") as run:
        until(lambda: starts(mark) == 1, "it has begun", seconds=60)
        cluster.processes["a"].send_signal(signal.SIGSTOP)
        output, errors = run.communicate()
    flag.touch()
    ran = json.loads(output)
    assert (run.returncode, ran["hosts"]["host1"]["error"]["kind"]) == (3, "spread"), errors
    assert "sign of life" in ran["hosts"]["host1"]["error"]["message"]
    cluster.processes["a"].send_signal(signal.SIGCONT)
    waited = made(sshd.client, cluster, "jobs", "wait", ran["jid"], *only)
    assert waited["hosts"]["host1"]["stdout"] == "out\n"
    assert starts(mark) == 1


def test_a_scheduler_that_stands_still_is_told(sshd: Sshd, cluster: Cluster, tmp_path: Path) -> None:
    mark, flag = tmp_path / "mark", tmp_path / "go-on"
    with impatient(sshd.client, cluster, "run", "host1", "--", waits(mark, flag)) as run:
        until(lambda: starts(mark) == 1, "it has begun", seconds=60)
        cluster.processes["scheduler"].send_signal(signal.SIGSTOP)
        output, errors = run.communicate()
        cluster.processes["scheduler"].send_signal(signal.SIGCONT)
    flag.touch()
    assert (run.returncode, json.loads(output)["hosts"]["host1"]["error"]["kind"]) == (3, "spread"), errors


def test_a_killed_scheduler_loses_nothing(sshd: Sshd, cluster: Cluster, tmp_path: Path) -> None:
    mark, flag = tmp_path / "mark", tmp_path / "go-on"
    command = ("--spread", cluster.address, "--out", "json", "run", "all", "--", waits(mark, flag) + "; echo out")
    with sshd.client.start(*command) as run:
        until(lambda: starts(mark) == 3, "all have begun", seconds=60)
        cluster.kill("scheduler")
        output, _ = run.communicate()
    flag.touch()
    ran = json.loads(output)
    assert (run.returncode, {host["error"]["kind"] for host in ran["hosts"].values()}) == (3, {"spread"})
    done = sshd.client.agentless("jobs", "wait", ran["jid"], "--out", "json")
    assert {host["stdout"] for host in json.loads(done.stdout)["hosts"].values()} == {"out\n"}
    assert starts(mark) == 3


def test_a_killed_controller_loses_nothing(sshd: Sshd, cluster: Cluster, tmp_path: Path) -> None:
    mark, flag = tmp_path / "mark", tmp_path / "go-on"
    with sshd.client.start("--spread", cluster.address, "run", "all", "--", waits(mark, flag)) as run:
        until(lambda: starts(mark) == 3, "all have begun", seconds=60)
        run.kill()
    flag.touch()
    waited = made(sshd.client, cluster, "jobs", "wait", "last")
    assert {host["state"] for host in waited["hosts"].values()} == {"returned"}
    assert starts(mark) == 3


def test_a_host_is_asked_by_the_worker_that_its_variable_names(sshd: Sshd, cluster: Cluster) -> None:
    for word in ("a", "127.0.0.1", "b,nobody", "resource:zoneb"):
        made(sshd.client, cluster, "ping", "host1", "-e", f"agentless_spread_worker={word}")
    for word in ("nobody", "resource:none"):
        answer = made(sshd.client, cluster, "ping", "host1", "-e", f"agentless_spread_worker={word}", code=3)
        assert answer["host1"]["error"]["kind"] == "spread"


def test_passwords_are_refused_where_the_cluster_does_not_encrypt(sshd: Sshd, cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("geheim\n")
    given = ("--connection-password-file", str(tmp_path / "password"))
    done = sshd.client.agentless("--spread", cluster.address, *given, "run", "all", "--", "true")
    assert (done.returncode, "does not encrypt" in done.stderr) == (2, True)
    assert json.loads(sshd.client.agentless("jobs", "list", "--out", "json").stdout) == {}


def certificate(folder: Path) -> dict[str, str]:
    """Dask's settings for one certificate that all sides have, and trust."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=cluster", "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")],
        check=True, capture_output=True,
    )  # fmt: skip
    tls = "DASK_DISTRIBUTED__COMM__TLS__"
    sides = {f"{tls}{side}__{kind}": str(folder / f"{kind.lower()}.pem")
             for side in ("SCHEDULER", "WORKER", "CLIENT") for kind in ("CERT", "KEY")}  # fmt: skip
    return {**sides, f"{tls}CA_FILE": str(folder / "cert.pem"), "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "True"}


def test_passwords_travel_over_tls(sshd: Sshd, tmp_path: Path) -> None:
    environ = {**sshd.client.environ, **certificate(tmp_path)}
    (tmp_path / "password").write_text("geheim\n")
    with Cluster(tmp_path, environ, protocol="tls") as cluster:
        cluster.worker("a")
        assert cluster.address.startswith("tls://")
        given = ("--connection-password-file", str(tmp_path / "password"))
        done = sshd.client.agentless("--spread", cluster.address, *given, "run", "all", "--", "true", env=environ)
        assert done.returncode == 0, done.stderr


def test_without_workers_or_without_a_scheduler_it_is_said_and_nothing_waits(sshd: Sshd, tmp_path: Path) -> None:
    with Cluster(tmp_path, sshd.client.environ) as cluster:
        answer = made(sshd.client, cluster, "ping", "host1", code=3)
        assert "no workers" in answer["host1"]["error"]["message"]
    done = sshd.client.agentless("--spread", cluster.address, "ping")
    assert (done.returncode, "does not answer" in done.stderr) == (2, True)


def test_without_dask_it_says_what_installs_it(sshd: Sshd, tmp_path: Path) -> None:
    (tmp_path / "distributed.py").write_text("raise ImportError('no such module')\n")
    environ = {**sshd.client.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    done = sshd.client.agentless("--spread", "tcp://127.0.0.1:1", "ping", env=environ)
    assert (done.returncode, "pip install 'agentless-jobs[dask]'" in done.stderr) == (2, True)


def test_workers_with_different_reach_have_each_their_own_hosts(
    start_nodes: Callable[..., Nodes], tmp_path: Path
) -> None:
    """The controller reaches neither host; the worker beside node3 reaches node1 alone, the one beside node4 node2."""
    nodes = start_nodes(4)
    for name in ("node1", "node2"):
        nodes[name].hide()
    with Cluster(tmp_path, nodes.client.environ, host=f"{nodes.network}.1") as cluster:
        for worker, machine, closed in (("east", "node3", "node2"), ("west", "node4", "node1")):
            space = f"al{nodes.slot}-{machine.removeprefix('node')}"
            inside = ["ip", "netns", "exec", space]
            subprocess.run([*inside, "ip", "route", "add", "blackhole", nodes[closed].address], check=True)
            cluster.worker(worker, before=inside, host=nodes[machine].address)
        hosts = {"web1": ("node1", "east"), "web2": ("node2", "west"), "web3": ("node2", "east")}
        inventory = tmp_path / "inventory.json"
        inventory.write_text(json.dumps({"all": {"hosts": {
            name: {"ansible_host": nodes[node].address, "ansible_user": "root", "agentless_spread_worker": worker}
            for name, (node, worker) in hosts.items()
        }}}))  # fmt: skip
        words = ("-i", str(inventory), "-T", soon(), "run", "all", "--", "hostname")
        ran = made(nodes.client, cluster, *words, code=3)["hosts"]
    assert {name: ran[name]["stdout"] for name in ("web1", "web2")} == {"web1": "node1\n", "web2": "node2\n"}
    assert ran["web3"]["state"] == "unreachable"


def test_a_signal_to_the_command_ends_the_job_as_ever(sshd: Sshd, cluster: Cluster, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    with sshd.client.start("--spread", cluster.address, "run", "all", "--", f"echo x >> {mark}; sleep 600") as run:
        until(lambda: starts(mark) == 3, "all have begun", seconds=60)
        run.send_signal(signal.SIGINT)
        run.communicate()
    assert run.returncode == 130
    waited = made(sshd.client, cluster, "jobs", "wait", "last", code=1)
    assert {host["signal"] for host in waited["hosts"].values()} == {15}


def test_a_worker_whose_machine_has_no_network_any_more_is_told_and_the_job_is_found_by_way_of_another(
    start_nodes: Callable[..., Nodes], tmp_path: Path
) -> None:
    """Packets vanish, so that no connection breaks."""
    nodes = start_nodes(3)
    nodes["node1"].hide()
    mark, flag = (nodes["node1"].path(f"/tmp/{name}") for name in ("mark", "go-on"))
    command = waits(Path("/tmp/mark"), Path("/tmp/go-on")) + "; hostname"
    with Cluster(tmp_path, nodes.client.environ, host=f"{nodes.network}.1") as cluster:
        for name, machine in (("east", "node2"), ("west", "node3")):
            inside = ["ip", "netns", "exec", f"al{nodes.slot}-{machine.removeprefix('node')}"]
            cluster.worker(name, before=inside, host=nodes[machine].address)
        host = {"ansible_host": nodes["node1"].address, "ansible_user": "root", "agentless_spread_worker": "east"}
        nodes.client.write_inventory({"web1": host})
        with impatient(nodes.client, cluster, "run", "web1", "--", command) as run:
            until(lambda: starts(mark) == 1, "it has begun", seconds=60)
            nodes["node2"].cut()
            output, errors = run.communicate()
        flag.touch()
        ran = json.loads(output)
        assert (run.returncode, ran["hosts"]["web1"]["error"]["kind"]) == (3, "spread"), errors
        waited = made(nodes.client, cluster, "jobs", "wait", ran["jid"], "-e", "agentless_spread_worker=west")
        assert waited["hosts"]["web1"]["stdout"] == "node1\n"
    assert starts(mark) == 1
