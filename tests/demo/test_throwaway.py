"""The demo's hosts are local ones, each with its own records; they end with all that runs on them."""

from __future__ import annotations

import json

import pytest

from agentless.demo import DemoFleet
from agentless.errors import AgentlessError
from tests.hosts import Process, need, until


def test_names_make_groups_and_a_fleet_of_none_is_refused() -> None:
    assert DemoFleet(6).names == ["web1", "web2", "db1", "web3", "web4", "db2"]
    with pytest.raises(AgentlessError):
        DemoFleet(0)


def test_each_host_keeps_its_own_records_and_nothing_is_left_of_them() -> None:
    need("a fleet")
    with DemoFleet(2) as fleet:
        sent = fleet.agentless("run", "web2", "--", "true")
        assert sent.returncode == 0, sent.stdout
        assert {path.parts[-4] for path in fleet.directory.glob("state/*/*/jobs/*")} == {"web2"}
    assert not fleet.directory.exists()


def test_jobs_that_still_run_end_with_the_fleet() -> None:
    need("a fleet")
    with DemoFleet(2) as fleet:
        sent = fleet.agentless("run", "all", "--detach", "--", "sleep 600")
        assert sent.returncode == 0, sent.stdout
        running = json.loads(fleet.agentless("running", "--out", "json").stdout)
        pids = [process["pid"] for processes in running.values() for process in processes]
        assert len(pids) == 2
        processes = [Process.of(pid) for pid in pids]
        assert all(process.lives for process in processes)
    until(lambda: not any(process.lives for process in processes), "they have ended")
