"""In a container that runs as any user, without a name or a home in passwd, as some CI systems do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.hosts import Client, patience

SPACE = ["unshare", "--user", "--map-user=54321", "--map-group=54321"]


def test_a_user_without_a_name_runs_jobs(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: of another user's space, what is root's belongs to nobody")
    if shutil.which("unshare") is None or subprocess.run([*SPACE, "true"], capture_output=True).returncode != 0:
        pytest.skip("needs user namespaces, and an unshare that maps users")
    client = Client(tmp_path / "home")
    client.write_inventory({"here": {"ansible_connection": "local", "agentless_state_dir": str(tmp_path / "state")}})
    done = subprocess.run(
        [*SPACE, *client.command("run", "all", "--out", "json", "--", "id -u")],
        env=client.environ,
        cwd=client.home,
        capture_output=True,
        text=True,
        timeout=patience(60),
    )
    document = json.loads(done.stdout)
    assert (document["user"], document["hosts"]["here"]["stdout"]) == ("54321", "54321\n"), done.stderr
    assert done.returncode == 0
