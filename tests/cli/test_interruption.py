"""Whenever a command is interrupted, once or twice, `--out json` gives one JSON document and the exit code is 130."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.hosts import need, patience, until

need("many seconds")

ROOT = Path(__file__).parents[2]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "inventory.yaml").write_text(f"""\
all:
  vars: {{ansible_connection: local, ansible_python_interpreter: {sys.executable}}}
  hosts:
    one: {{agentless_state_dir: {tmp_path}/one}}
    two: {{agentless_state_dir: {tmp_path}/two}}
""")
    return {
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "AGENTLESS_INVENTORY": str(tmp_path / "inventory.yaml"),
    }


@pytest.mark.parametrize(
    "words", [["run", "all", "--detach", "--out", "json", "--", "sleep 2"], ["running", "--out", "json"]]
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_command_that_is_interrupted_while_it_starts_gives_one_document(
    words: list[str], number: int, environ: dict[str, str]
) -> None:
    for step in range(8):
        process = subprocess.Popen(
            [sys.executable, "-m", "agentless", *words],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        # No assertion hangs on the moment: whatever it hits, the promise is the same.
        time.sleep(0.1 + step * 0.09)
        for _ in range(1 + step % 2):
            process.send_signal(number)
        out, err = process.communicate(timeout=patience(60))
        if process.returncode == -number or ("Traceback" in err and "/agentless/cli/" not in err):
            continue  # Python itself had not started.
        assert process.returncode in (0, 130), err
        found = json.loads(out)
        assert "exit_code" not in found or found["exit_code"] == process.returncode, err


# Two signals at one point of the sending, which they would hit by chance only.
AT = """\
import os, signal, sys
from agentless.cache import JobCache
from agentless.cache.journal import Journal
from agentless.runner import run
from agentless.__main__ import main
from tests.hosts import patience

def interrupted(function):
    def wrapper(*given, **named):
        result = function(*given, **named)
        for _ in range({count}):
            os.kill(os.getpid(), {number})
        return result
    return wrapper

{place} = interrupted({place})
sys.exit(main())
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("place", ["Journal.write", "JobCache.prune", "run.payload.pack", "run.FanOut.pump"])
@pytest.mark.parametrize("words", [["--detach"], ["--out", "json"], []])
def test_a_run_that_is_interrupted_twice_while_it_sends_names_its_job(
    words: list[str], place: str, number: int, environ: dict[str, str]
) -> None:
    code = AT.format(place=place, number=int(number), count=2)
    command = [sys.executable, "-c", code, "run", "all", *words, "--", "sleep 1"]
    ended = subprocess.run(
        command, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=patience(60)
    )
    assert ended.returncode == 130, ended.stderr
    (record,) = (Path(environ["HOME"]) / ".cache/agentless/jobs").glob("[0-9]*.jsonl")
    jid = record.name.partition(".")[0]
    # Two of SIGTERM at once are one, as timeout(1) sends it; that one waits until the record is whole.
    sent = place != "Journal.write" or number == signal.SIGTERM
    assert (jid in ended.stderr) == sent
    assert ("nothing was sent" in ended.stderr) == (not sent)
    if "json" in words:
        document = json.loads(ended.stdout)
        assert document["exit_code"] == 130
        assert document.get("jid", jid) == jid


# A host that is slow to begin what it was sent, and with nothing else.
SLOW = """\
#!/bin/sh
mkdir {folder}/first 2>/dev/null && sleep 4
exec {python} "$@"
"""


def test_a_host_that_begins_the_job_long_after_the_interruption_is_signalled_too(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """It had the request already, and has said nothing when the others were signalled."""
    slow = tmp_path / "slow"
    slow.write_text(SLOW.format(folder=tmp_path, python=sys.executable))
    slow.chmod(0o755)
    inventory = tmp_path / "inventory.yaml"
    inventory.write_text(inventory.read_text().replace(f"_interpreter: {sys.executable}", f"_interpreter: {slow}"))
    command = [sys.executable, "-m", "agentless", "run", "one", "--out", "json", "--", "exec sleep 60"]
    with subprocess.Popen(
        command, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        until((tmp_path / "first").exists, "the host has the request")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=patience(60))
    assert process.returncode == 130, err
    host = json.loads(out)["hosts"]["one"]
    assert (host["state"], host["signal"]) == ("returned", 15), err
