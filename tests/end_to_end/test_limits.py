"""A login's limits are the job's, but for the size of files: what a job prints ends no job, as over a bare ssh."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.hosts import Nodes, User, in_time, until


@pytest.fixture
def limited(start_nodes: Callable[..., Nodes]) -> Nodes:
    """A host on which `ada` may make no file above 64 KiB, and cannot lift that."""
    nodes = start_nodes(1, users=[User("ada")], login="ada")
    nodes["node1"].write("/home/ada/.bashrc", "ulimit -f 64\n")
    return nodes


def returned(nodes: Nodes, command: str, *options: str) -> dict[str, Any]:
    done = nodes.client.agentless("run", "node1", "--out", "json", *options, "--", command)
    host: dict[str, Any] = json.loads(done.stdout)["hosts"]["node1"]
    return host


def test_a_job_that_prints_more_than_a_file_may_hold_ends_by_itself(limited: Nodes) -> None:
    host = returned(limited, "yes | head -c 3000000; echo err >&2; exit 3")
    assert (host["state"], host["retcode"], host["signal"], host["stderr"]) == ("returned", 3, None, "err\n")
    assert host["stdout"].startswith("y\ny\n")
    assert len(host["stdout"]) + host["stdout_truncated"] == 3_000_000


def test_what_fits_is_whole_also_live(limited: Nodes) -> None:
    assert returned(limited, "yes | head -c 60000")["stdout"] == "y\n" * 30000
    live = limited.client.agentless("run", "node1", "--live", "--", "for i in 1 2 3; do echo $i; sleep 0.1; done")
    assert (live.returncode, live.stdout) == (0, "node1 | 1\nnode1 | 2\nnode1 | 3\n")


def test_a_child_that_is_left_behind_writes_on_and_leaves_nothing(limited: Nodes) -> None:
    host = in_time(
        lambda seconds: returned(limited, f"timeout {seconds:.0f} yes & echo hi"),
        lambda host: host["left_running"],
        seconds=1,
    )
    assert (host["retcode"], host["ended_by"]) == (0, "exit")
    assert host["left_running"] >= 1
    until(
        lambda: not [name for _, name in limited["node1"].processes() if name.startswith(("python", "yes"))],
        "neither the child nor the supervisor is left",
    )


def test_a_deadline_holds_while_it_prints(limited: Nodes) -> None:
    host = in_time(
        lambda seconds: returned(limited, "yes", "--timeout", f"{seconds}"),
        lambda host: host["stdout_truncated"],
        seconds=0.5,
    )
    assert host["ended_by"] == "timeout"
    assert host["stdout_truncated"] > 0
