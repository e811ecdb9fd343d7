"""Batches of a detached job on real hosts: passwords, cuts, other controllers, and a command that is killed early."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.hosts import Nodes, User, hardened, in_time, kill, patience, soon, until
from tests.hosts.client import Client

PASSWORD = "ada's $(password)"
NAMES = ["node1", "node2", "node3"]


class Site:
    """Three hosts on which jobs wait for /tmp/go, and what is typed on the controller."""

    def __init__(self, nodes: Nodes) -> None:
        self.nodes = nodes
        self.client: Client = nodes.client

    def __call__(self, *words: str, code: int | None = 0, **options: Any) -> Any:
        done = self.client.agentless("--out", "json", *words, **options)
        assert code is None or done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout)

    def began(self) -> list[str]:
        return [node.name for node in self.nodes if node.path("/tmp/began").exists()]

    def go(self) -> None:
        for node in self.nodes:
            node.path("/tmp/go").touch()

    def senders(self) -> list[int]:
        return hardened("agentless.runner.sender", f"HOME={self.client.home}\0")

    def states(self, jid: str) -> list[str]:
        return [host["state"] for host in self("jobs", "show", jid, code=None)["hosts"].values()]


WAITS = "touch /tmp/began; until [ -e /tmp/go ]; do sleep 0.05; done; id -un"


@pytest.fixture(scope="module")
def booted() -> Iterator[Site]:
    with Nodes(3, users=[User("ada", password=PASSWORD)], login="ada") as nodes:
        for node in nodes:
            node.write("/etc/sudoers.d/test", "ada ALL=(ALL) ALL\n", 0o440)
        (nodes.client.home / "password").write_text(PASSWORD)
        yield Site(nodes)


@pytest.fixture
def site(booted: Site) -> Iterator[Site]:
    for node in booted.nodes:
        node.run("rm -f /tmp/go /tmp/began")
    yield booted
    kill(booted.senders())
    booted.go()


def test_passwords_get_there_and_stand_nowhere(site: Site) -> None:
    """Neither the connection's nor sudo's is in the arguments or the environment of any process here."""
    words = ("-b", "--become-password-file", "password", "--connection-password-file", "password")
    no_keys = ("--ssh-common-args", "-o PubkeyAuthentication=no")
    document = site("run", "all", "--detach", "--batch", "1", *words, *no_keys, "--", WAITS)
    jid = document["jid"]
    assert [host["state"] for host in document["hosts"].values()] == ["running", "pending", "pending"]
    # It is started as another process, which takes a while until it is that program.
    (pid,) = until(site.senders, "one sends")
    for name in ("cmdline", "environ"):
        assert PASSWORD.encode() not in Path(f"/proc/{pid}/{name}").read_bytes()
    (site.client.home / "password").rename(site.client.home / "moved")
    try:
        site.go()
        until(lambda: not site.senders(), "it is sent to all")
    finally:
        (site.client.home / "moved").rename(site.client.home / "password")
    # The last batch is followed by nobody.
    done = site("jobs", "wait", jid, *words, *no_keys)
    assert {host["stdout"] for host in done["hosts"].values()} == {"root\n"}
    for path in site.client.home.rglob("*"):
        if path.is_file() and path.name != "password":
            assert PASSWORD.encode() not in path.read_bytes(), path


def test_a_host_out_of_reach_counts_and_the_rest_goes_on_or_does_not(site: Site) -> None:
    site.go()
    site.nodes["node1"].cut()
    try:
        first = site("run", "all", "--detach", "--batch", "1", "-T", soon(), "--", WAITS, code=3)
        assert first["hosts"]["node1"]["state"] == "unreachable"
        done = site("jobs", "wait", first["jid"], "--wait", f"{patience(10)}", code=3)
        assert [host["state"] for host in done["hosts"].values()] == ["unreachable", "returned", "returned"]
        second = site("run", "all", "--detach", "--batch", "1", "--max-fail", "0", "-T", soon(), "--", WAITS, code=3)
        until(lambda: site.states(second["jid"]) == ["unreachable", "not-started", "not-started"], "it stops there")
    finally:
        site.nodes["node1"].heal()


def test_a_command_that_is_killed_while_it_waits_for_the_first_batch_takes_nothing_with_it(site: Site) -> None:
    site.nodes["node1"].cut()
    try:
        for number, code in ((signal.SIGKILL, -9), (signal.SIGHUP, 130), (signal.SIGINT, 130)):

            def signalled(seconds: float, number: signal.Signals = number) -> tuple[int, str, str, str]:
                words = ("run", "all", "--detach", "--batch", "1", "-T", f"{seconds}", "--", "true")
                before = set(site("jobs", "list"))
                command = site.client.start(*words)
                (jid,) = until(lambda: set(site("jobs", "list")) - before, "the job is there")
                command.send_signal(number)
                out, err = command.communicate(timeout=patience(60))
                return command.returncode, jid, out, err

            # It waits as long as connecting to a host that does not answer may take.
            came = partial(_ended_with, code)
            returncode, jid, out, err = in_time(signalled, came, seconds=patience(8 / 3))
            assert returncode == code
            if code == 130:
                assert out == f"{jid}\n"
                assert f"agentless jobs wait {jid}" in err
            until(lambda jid=jid: site.states(jid)[1:] == ["returned"] * 2, "it goes on")  # type: ignore[misc]
    finally:
        site.nodes["node1"].heal()


def _ended_with(code: int, done: tuple[int, str, str, str]) -> bool:
    return done[0] == code


def test_another_controller_sees_where_it_is_and_ends_what_runs(site: Site) -> None:
    jid = site("run", "all", "--detach", "--batch", "1", "--max-fail", "0", "--", WAITS)["jid"]
    other = site.client.home / "other"
    other.mkdir()
    (other / ".ssh").symlink_to(site.client.home / ".ssh")
    environ = {**site.client.environ, "HOME": str(other)}
    found = site("jobs", "lookup", jid, env=environ, code=None)["hosts"]
    assert {name: host["state"] for name, host in found.items()} == {
        "node1": "running",
        "node2": "unreachable",
        "node3": "unreachable",
    }
    until(lambda: site.began() == ["node1"], "it has begun there")
    killed = site("kill-job", jid, env=environ, code=None)["hosts"]
    assert killed["node1"]["delivered"]
    until(lambda: not site.senders(), "it has failed on one host, which is one too many")
    assert site.began() == ["node1"]
    assert site.states(jid) == ["returned", "not-started", "not-started"]


def test_hosts_of_later_batches_may_be_rebooted_or_renamed_meanwhile(site: Site) -> None:
    """They were resolved when the job was sent: what the inventory says later is another command's business."""
    jid = site("run", "all", "--detach", "--batch", "1", "--", WAITS)["jid"]
    inventory = yaml.safe_load(site.client.inventory.read_text())
    site.client.inventory.write_text("all: {hosts: {node1: {}}}\n")
    try:
        site.nodes["node3"].reboot()
        site.go()
        until(lambda: site.states(jid) == ["returned"] * 3, "all have returned")
    finally:
        site.client.inventory.write_text(yaml.safe_dump(inventory, sort_keys=False))


def test_the_same_again_goes_in_batches_too(site: Site) -> None:
    site.go()
    command = f"{WAITS}; exit 3"
    jid = site("run", "all", "--detach", "--batch", "1", "--batch-wait", "0.5", "--", command)["jid"]
    until(lambda: site.states(jid) == ["returned"] * 3, "all have returned")
    for node in site.nodes:
        node.path("/tmp/go").unlink()
    again = site("jobs", "retry", jid, "--detach")
    assert [host["state"] for host in again["hosts"].values()].count("pending") >= 1
    site.go()
    until(lambda: site.states(again["jid"]) == ["returned"] * 3, "all have returned again")
