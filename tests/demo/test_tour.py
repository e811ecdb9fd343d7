"""The demo's hosts are local ones, and its story is told by the real command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from agentless.demo import DemoFleet, demo, story
from tests.hosts import need, patience
from tests.hosts.client import ROOT


def test_the_story_is_told_to_its_end(fleet: DemoFleet) -> None:
    steps = list(story(fleet))
    assert [step.exit_code for step in steps] == [step.expected for step in steps], steps
    first, sent, active, killed, looked_up, missed, listed = steps
    for name in fleet.names:
        assert f"{name} | ok" in first.output
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


def test_the_demo_says_each_command_and_its_output() -> None:
    need("a fleet")
    lines: list[str] = []
    assert demo(lines.append, hosts=1) == 0
    commands = [line for line in lines if line.startswith("$ agentless ")]
    assert len(commands) == 7
    assert lines[-1].startswith("That was the main job, in 7 commands: run on 1 host, ")


def test_kept_hosts_stay_until_they_are_interrupted() -> None:
    need("a fleet")
    command = [sys.executable, "-m", "agentless", "demo", "--hosts", "1", "--keep"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
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
