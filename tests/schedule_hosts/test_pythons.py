"""Push, tick and homecoming under every Python that the machine has, with a crontab command that keeps a file."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from agentless.runner import payload
from agentless.runner.frames import Decoder
from agentless.schedule.schedule_file import parse
from tests.hosts import need
from tests.remote.conftest import PYTHONS
from tests.schedule_hosts.conftest import CRONTAB_COMMAND

ENTRY = "schedule: {a: {function: cmd.run, args: [echo out], target: all, seconds: 1, timezone: Europe/Berlin}}"


@pytest.mark.parametrize("python", PYTHONS)
def test_the_schedule_works_under_every_python(tmp_path: Path, python: str) -> None:
    if python != PYTHONS[0]:
        need("every Python")
    file, command = tmp_path / "tab", tmp_path / "bin" / "crontab"
    command.parent.mkdir()
    command.write_text(CRONTAB_COMMAND.format(file=file))
    command.chmod(0o755)

    def call(op: str, **request: Any) -> dict[str, dict[str, Any]]:
        made = payload.command({"op": op, **request}, python=python, state_dir=str(tmp_path / "state"))
        env = {"PATH": f"{command.parent}:/usr/bin:/bin", "HOME": str(tmp_path)}
        done = subprocess.run(
            ["/bin/sh", "-c", made.line], input=made.payload + made.stdin, capture_output=True, env=env, check=True
        )
        return {frame.kind: dict(frame.meta) for frame in Decoder(made.nonce).feed(done.stdout)}

    schedule = parse(ENTRY, "file", now=time.time())
    job: dict[str, Any] = {"fun": "cmd.run", "arg": ["echo out"], "command": "echo out", "tgt": "all", "metadata": {}}
    job.update(jid_include=True, return_job=True)
    entries = [{**schedule.entry("a").timing, "since": int(time.time()) - 1, "job": job}]
    common = {"controller": "ada@ctl", "host": "web1", "user": "ada", "cap": 1 << 20, "keep_returns": 1}
    pushed = call("schedule", do="push", entries=entries, zones=schedule.zones, **common)["pushed"]
    assert (pushed["added"], pushed["crontab"]) == (["a"], "added")
    words = file.read_text().split(None, 5)[5].split(" >")[0]
    once = words.replace(
        "tick import main;main(sys.argv[2])", "tick import records,tick;tick(records.Records(sys.argv[2]))"
    )
    assert once != words
    done = subprocess.run(["/bin/sh", "-c", once], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
    shown = call("schedule", do="show", plan=1)
    assert shown["event"]["jid"][14:] == entries[0]["id"]
    assert shown["schedule"]["line"] is True
    purged = call("schedule", do="purge", seen={})
    assert (purged["pushed"]["removed"], file.exists()) == (["a"], False)
    home = call("ping", seen={})
    assert (home["job"]["schedule"], home["return"]["retcode"], home["seen"]["at"]) == ("a", 0, 1)
    assert "job" not in call("ping", seen={home["seen"]["id"]: 1})
