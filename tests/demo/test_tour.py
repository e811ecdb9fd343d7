"""The demo's hosts are local ones, and its story is told by the real command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentless.demo import DemoFleet, demo, story
from agentless.errors import AgentlessError
from tests.hosts import need, patience
from tests.hosts.client import ROOT


@pytest.fixture
def fleet() -> Iterator[DemoFleet]:
    need("a fleet")
    with DemoFleet(3) as fleet:
        yield fleet


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


def test_the_story_is_told_to_its_end(fleet: DemoFleet) -> None:
    steps = list(story(fleet))
    assert [step.exit_code for step in steps] == [step.expected for step in steps], steps
    first, sent, active, killed, looked_up, missed, listed = steps
    for name in fleet.names:
        assert f"{name} | returned | retcode 0" in first.output
    jid = sent.output.strip()
    assert jid.isdigit()
    assert len(jid) == 20
    assert jid in active.output
    assert jid in killed.command
    assert "started" in looked_up.output
    assert "never seen" not in looked_up.output
    assert "unreachable: connect" in missed.output
    assert jid in listed.output
    assert not list(fleet.directory.glob("state/*/*/proc/*"))


def test_jobs_that_still_run_end_with_the_fleet() -> None:
    need("a fleet")
    with DemoFleet(2) as fleet:
        sent = fleet.agentless("run", "all", "--detach", "--", "sleep 600")
        assert sent.returncode == 0, sent.stdout
        running = json.loads(fleet.agentless("running", "--out", "json").stdout)
        pids = [process["pid"] for processes in running.values() for process in processes]
        assert len(pids) == 2
        for pid in pids:
            os.kill(pid, 0)
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_the_demo_says_each_command_and_its_output() -> None:
    need("a fleet")
    lines: list[str] = []
    assert demo(lines.append, hosts=1) == 0
    commands = [line for line in lines if line.startswith("$ agentless ")]
    assert len(commands) == 7
    assert lines[-1].startswith("That was the main job, in 7 commands: run on 1 host, ")


def test_kept_hosts_stay_until_they_are_interrupted() -> None:
    need("a fleet")
    code = "from agentless.demo import demo\ndemo(lambda line: print(line, flush=True), hosts=1, keep=True)"
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        shown = []
        for line in process.stdout:
            shown.append(line)
            if line.startswith("The hosts are this machine"):
                break
        inventory = Path(next(line for line in shown if "inventory" in line).split()[-1])
        assert inventory.exists()
        process.terminate()
        assert process.stdout.read() == "The hosts are gone.\n"
        assert process.wait(timeout=patience(30)) == 0
    assert not inventory.exists()
