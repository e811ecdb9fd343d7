"""The throwaway fleet: its directory with homes and keys, the inventory that leads to its hosts, and its end."""

from __future__ import annotations

import getpass
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agentless.demo.server import Server
from agentless.demo.session import SESSION_PATH, Account
from agentless.errors import AgentlessError

__all__ = ["DemoFleet"]

# For each command of the end: far above what it takes, so that one that hangs is told, and not waited for.
END_WITHIN = 120.0


class DemoFleet:
    """A context manager: N hosts on 127.0.0.1, each with a port, a host key, a home and a state directory of its own.

    Args:
        hosts: how many, at least 1. Every third is a `db`, the others are `web`.

    Attributes:
        names: `web1`, `web2`, `db1`, …
        directory: everything that it writes, removed at the end.
        inventory: how to reach the hosts, with strict host keys.

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
            (self.directory / "home" / ".ssh").mkdir(parents=True, mode=0o700)
            _make_key(self.directory / "key")
            server = Server(self.directory / "key")
            stack.callback(server.close)
            self._write_inventory(self._add_hosts(server))
            server.start()
            stack.callback(self._kill_jobs)
            self._end = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._end.close()

    def _add_hosts(self, server: Server) -> dict[str, dict[str, Any]]:
        """Give each host its home and key, and let the server listen for it; return what its inventory entry says."""
        hosts: dict[str, dict[str, Any]] = {}
        with (self.directory / "known_hosts").open("w") as known:
            for name in self.names:
                home = self.directory / "hosts" / name
                home.mkdir(parents=True, mode=0o700)
                file = self.directory / f"host_key_{name}"
                public = _make_key(file)
                port = server.listen(file, Account(name, getpass.getuser(), home))
                known.write(f"[127.0.0.1]:{port} {public}\n")
                hosts[name] = {"ansible_port": port, "agentless_state_dir": str(self.directory / "state" / name)}
        return hosts

    def _write_inventory(self, hosts: dict[str, dict[str, Any]]) -> None:
        groups = {
            group: {"hosts": dict.fromkeys(name for name in self.names if name.startswith(group))}
            for group in ("web", "db")
        }
        options = {
            "UserKnownHostsFile": self.directory / "known_hosts",
            "GlobalKnownHostsFile": "/dev/null",
            "IdentitiesOnly": "yes",
        }
        shared = {
            "ansible_host": "127.0.0.1",
            "ansible_user": getpass.getuser(),
            "ansible_ssh_private_key_file": str(self.directory / "key"),
            "ansible_python_interpreter": sys.executable,
            "ansible_ssh_common_args": " ".join(
                f"-o {shlex.quote(f'{key}={value}')}" for key, value in options.items()
            ),
        }
        tree = {
            "all": {
                "vars": shared,
                "hosts": hosts,
                "children": {group: members for group, members in groups.items() if members["hosts"]},
            }
        }
        self.inventory.write_text(yaml.safe_dump(tree, sort_keys=False))

    def agentless(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line on these hosts, with a home, settings and a job cache of the demo's own.

        Results and what is said about them come together, in their order, as on a terminal.
        """
        return self._agentless(*arguments, stderr=subprocess.STDOUT)

    def _agentless(
        self, *arguments: str, stderr: int, timeout: float | None = None
    ) -> subprocess.CompletedProcess[str]:
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
                "PATH": SESSION_PATH,
                "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
                "LC_ALL": "C.UTF-8",
            },
        )

    def _kill_jobs(self) -> None:
        if not any(self.directory.glob("state/*/*/proc/*")):
            return
        hint = "Look for it with: pgrep -af AGENTLESS"
        try:
            asked = self._agentless("running", "--out", "json", stderr=subprocess.PIPE, timeout=END_WITHIN)
            if asked.returncode != 0:
                raise AgentlessError(
                    f"what still runs on the demo's hosts could not be asked: {asked.stderr.strip()}", hint
                )
            jids = {process["jid"] for processes in json.loads(asked.stdout).values() for process in processes}
            for jid in sorted(jids):
                self._agentless("kill-job", jid, stderr=subprocess.PIPE, timeout=END_WITHIN)
        except subprocess.TimeoutExpired as slow:
            raise AgentlessError(f"what still runs on the demo's hosts could not be killed: {slow}", hint) from None


def _make_key(path: Path) -> str:
    """Make an Ed25519 key in OpenSSH's format at `path`, readable by this user alone; return its public half."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(private)
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return public.decode("ascii")
