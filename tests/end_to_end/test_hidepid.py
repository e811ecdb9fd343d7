"""Hosts on which users see no processes but their own (hidepid): the same jobs, states and ends of trees."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.hosts import Nodes, User, until

TREE = "setsid sh -c 'sleep 1001 & sleep 1002' & sh -c 'sleep 1003 & exec sleep 1004' & sleep 1005"


HIDE = "mount -o remount,hidepid=2 /proc"


@pytest.fixture
def hidden(start_nodes: Callable[..., Nodes]) -> Nodes:
    """A host on which `ada` sees her own processes only, and may become anybody."""
    nodes = start_nodes(1, users=[User("ada")], login="ada")
    nodes["node1"].write("/etc/sudoers.d/test", "ada ALL=(ALL) NOPASSWD: ALL\n", 0o440)
    nodes["node1"].run(HIDE)
    assert "sshd" not in nodes["node1"].run("cat /proc/[0-9]*/comm", user="ada").stdout
    return nodes


def sleeping(nodes: Nodes) -> int:
    return sum(name.startswith("sleep") for _, name in nodes["node1"].processes())


@pytest.mark.parametrize("become", [(), ("-b",), ("-b", "--become-user", "nobody")])
def test_a_tree_is_found_and_killed_whole(hidden: Nodes, become: tuple[str, ...]) -> None:
    client = hidden.client
    started = client.agentless("run", "node1", *become, "--detach", "--", TREE)
    assert started.returncode == 0, started.stderr
    jid = started.stdout.strip()
    until(lambda: sleeping(hidden) == 5, "the tree stands")
    assert client.agentless("find-job", jid).returncode == 0
    assert jid in client.agentless("jobs", "active").stdout
    killed = client.agentless("kill-job", jid, "--out", "json")
    assert killed.returncode == 0, killed.stdout + killed.stderr
    assert sleeping(hidden) == 0
    host = json.loads(client.agentless("jobs", "wait", jid, "--out", "json").stdout)["hosts"]["node1"]
    assert (host["state"], host["signal"]) == ("returned", 9)


def test_a_deadline_ends_the_tree(hidden: Nodes) -> None:
    done = hidden.client.agentless("run", "node1", "--timeout", "1", "--out", "json", "--", TREE)
    assert json.loads(done.stdout)["hosts"]["node1"]["ended_by"] == "timeout"
    assert sleeping(hidden) == 0


def test_a_rebooted_job_is_lost_and_a_running_one_is_not(hidden: Nodes) -> None:
    client = hidden.client
    client.agentless("run", "node1", "--detach", "--", "sleep 1001")
    assert client.agentless("jobs", "lookup", "last").returncode == 4
    hidden["node1"].reboot()
    hidden["node1"].run(HIDE)
    host = json.loads(client.agentless("jobs", "lookup", "last", "--out", "json").stdout)["hosts"]["node1"]
    assert (host["state"], host["error"]["kind"]) == ("lost", "reboot")
