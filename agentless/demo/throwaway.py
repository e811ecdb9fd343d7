"""The throwaway fleet: local hosts with a state directory each, their inventory, and their end."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from agentless.errors import AgentlessError
from agentless.yamlfile import yaml

__all__ = ["DemoFleet"]

# Seconds for each command of the end: far above what it takes, so that one that hangs becomes an error.
END_WITHIN = 120.0


class DemoFleet:
    """A context manager: N local hosts, each with a state directory of its own.

    Args:
        hosts: how many, at least 1. Every third is a `db`, the others are `web`.

    Attributes:
        names: `web1`, `web2`, `db1`, …
        directory: everything that it writes, removed at the end.
        inventory: how to reach the hosts.

    At the end every job that still runs on its hosts is killed.
    """

    def __init__(self, hosts: int = 3) -> None:
        if hosts < 1:
            raise AgentlessError(f"a fleet of {hosts} hosts is none", "Give --hosts 1 or more.")
        counts = {"web": 0, "db": 0}
        self.names: list[str] = []
        for number in range(1, hosts + 1):
            group = "db" if number % 3 == 0 else "web"
            counts[group] += 1
            self.names.append(f"{group}{counts[group]}")

    def __enter__(self) -> DemoFleet:
        with ExitStack() as stack:
            self.directory = Path(tempfile.mkdtemp(prefix="agentless-demo-"))
            stack.callback(shutil.rmtree, self.directory)
            self.inventory = self.directory / "inventory.yaml"
            (self.directory / "home").mkdir(mode=0o700)
            self._write_inventory()
            stack.callback(self._kill_jobs)
            self._end = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._end.close()

    def _write_inventory(self) -> None:
        groups = {
            group: {"hosts": {name: self._host(name) for name in self.names if name.startswith(group)}}
            for group in ("web", "db")
        }
        tree = {"all": {"children": {name: group for name, group in groups.items() if group["hosts"]}}}
        self.inventory.write_text(yaml.safe_dump(tree, sort_keys=False))

    def _host(self, name: str) -> dict[str, str]:
        return {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "agentless_state_dir": str(self.directory / "state" / name),
        }

    def agentless(
        self, *arguments: str, stderr: int = subprocess.STDOUT, timeout: float | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the command line on these hosts, with a home, settings and a job cache of the demo's own.

        Args:
            stderr: where it goes: with stdout, in their order, as on a terminal, or `subprocess.PIPE`.
            timeout: seconds, after which it is killed, and TimeoutExpired is raised.
        """
        return subprocess.run(
            [sys.executable, "-m", "agentless"] + ["-i", str(self.inventory), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            cwd=self.directory,
            timeout=timeout,
            env={
                "HOME": str(self.directory / "home"),
                "PATH": os.defpath,
                "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
                "LC_ALL": "C.UTF-8",
            },
        )

    def _kill_jobs(self) -> None:
        if not any(self.directory.glob("state/*/*/proc/*")):
            return
        hint = "Look for it with: pgrep -af AGENTLESS"
        try:
            running = self.agentless("running", "--out", "json", stderr=subprocess.PIPE, timeout=END_WITHIN)
            if running.returncode != 0:
                raise AgentlessError(
                    f"what still runs on the demo's hosts could not be asked: {running.stderr.strip()}", hint
                )
            jids = {process["jid"] for processes in json.loads(running.stdout).values() for process in processes}
            for jid in sorted(jids):
                self.agentless("kill-job", jid, stderr=subprocess.PIPE, timeout=END_WITHIN)
        except subprocess.TimeoutExpired as slow:
            raise AgentlessError(f"what still runs on the demo's hosts could not be killed: {slow}", hint) from None
