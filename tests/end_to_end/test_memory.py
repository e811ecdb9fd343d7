"""What hosts return is never in the controller's memory as a whole, whatever it is printed as."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.hosts.client import Client

HOSTS = 16
SIZE = 9_000_000
# KiB on Linux and the BSDs, bytes on macOS (getrusage(2)).
RSS_UNIT = 1 if sys.platform == "darwin" else 1024


# A process begins with the largest resident set of the one that started it (fork(2), execve(2)): a small one must.
MEASURE = """
import resource, subprocess, sys
code = subprocess.call([sys.executable, "-m", "agentless", *sys.argv[1:]], stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


def run(client: Client, out: Path, *words: str) -> int:
    """A command whose stdout goes to this file; the bytes of its largest resident set."""
    with out.open("wb") as file:
        done = subprocess.run(
            [sys.executable, "-S", "-c", MEASURE, *words],
            env=client.environ,
            stdout=file,
            stderr=subprocess.PIPE,
            check=True,
        )
    return int(done.stderr) * RSS_UNIT


def test_one_host_s_output_is_in_memory_at_a_time(tmp_path: Path) -> None:
    client, out = Client(tmp_path), tmp_path / "out"
    client.write_inventory(
        {
            f"web{number}": {"ansible_connection": "local", "agentless_state_dir": str(tmp_path / f"state{number}")}
            for number in range(HOSTS)
        }
    )
    # No two are alike, so that what shows such once has to show all.
    command = f"head -c {SIZE - 6} /dev/zero | tr '\\0' x; printf %6s $AGENTLESS_HOST"
    words = ["run", "all", "--out", "json", "--", command]
    assert run(client, out, *words) < HOSTS * SIZE
    document = json.loads(out.read_bytes())
    assert {len(host["stdout"]) for host in document["hosts"].values()} == {SIZE}
    for output_format in ("yaml", "junit", "html", "text"):
        memory = run(client, out, "jobs", "lookup", "last", "--out", output_format)
        assert out.stat().st_size > HOSTS * SIZE
        assert memory < HOSTS * SIZE


def test_output_that_workers_bring_waits_there_until_it_is_taken_in(tmp_path: Path) -> None:
    """Every worker's shards used to be in the controller's memory, as bytes and as what they stand for."""
    client, out = Client(tmp_path), tmp_path / "out"
    hosts = [f"web{number}" for number in range(HOSTS)]
    client.write_inventory(
        {name: {"ansible_connection": "local", "agentless_state_dir": str(tmp_path / name)} for name in hosts}
    )
    words = ["run", "all", "--spread", "cores", "--out", "json", "--", f"head -c {SIZE} /dev/zero | tr '\\0' x"]
    assert run(client, out, *words) < 200_000_000
    document = json.loads(out.read_bytes())
    assert {len(host["stdout"]) for host in document["hosts"].values()} == {SIZE}
