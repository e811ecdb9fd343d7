"""The controller's side of a test: a private home with a throwaway key, known hosts and an inventory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.hosts.waiting import patience

ROOT = Path(__file__).resolve().parents[2]


def printed(done: subprocess.CompletedProcess[str]) -> str:
    """What the only host of a job printed: the text below its heading."""
    return done.stdout.partition("\n")[2]


class Client:
    """A private home; nothing of the real user's is read or written when `environ` is used.

    Args:
        home: a directory that may be filled.

    Attributes:
        keep: how long connections are kept; None leaves it to the commands.
    """

    keep: str | None = None

    def __init__(self, home: Path) -> None:
        self.home = home
        self.key = home / ".ssh" / "id_ed25519"
        self.known_hosts = home / ".ssh" / "known_hosts"
        self.inventory = home / "inventory.yaml"
        self.openssh_config = home / "openssh_config"
        self.key.parent.mkdir(parents=True, mode=0o700)
        make_key(self.key)

    @property
    def public_key(self) -> str:
        return self.key.with_suffix(".pub").read_text().strip()

    @property
    def environ(self) -> dict[str, str]:
        """What the controller's processes see: this home, this inventory, and no agent."""
        return {
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "USER": "tester",
            "LOGNAME": "tester",
            "AGENTLESS_INVENTORY": str(self.inventory),
            "PYTHONPATH": str(ROOT),
            **({} if self.keep is None else {"AGENTLESS_KEEP_CONNECTIONS": self.keep}),
        }

    def trust(self, keys: Mapping[str, str]) -> None:
        """Add public host keys (`ssh-ed25519 AAAA…`) by address (`10.0.0.1`, `[127.0.0.1]:2222`) to known_hosts."""
        with self.known_hosts.open("a") as file:
            file.writelines(f"{address} {key}\n" for address, key in keys.items())

    def write_inventory(
        self, hosts: Mapping[str, Mapping[str, object]], groups: Mapping[str, Sequence[str]] | None = None
    ) -> Path:
        """Write the inventory, and the same hosts into a configuration for OpenSSH's client.

        OpenSSH takes the home from passwd and not from `$HOME`, so it needs `-F`.
        """
        children = {name: {"hosts": dict.fromkeys(members)} for name, members in (groups or {}).items()}
        tree: dict[str, Any] = {"all": {"hosts": {name: dict(values) for name, values in hosts.items()}}}
        if children:
            tree["all"]["children"] = children
        self.inventory.write_text(yaml.safe_dump(tree, sort_keys=False))
        lines = []
        for name, values in hosts.items():
            lines.append(f"Host {name}")
            lines.append(f"  HostName {values.get('ansible_host', name)}")
            lines.append(f"  Port {values.get('ansible_port', 22)}")
            if "ansible_user" in values:
                lines.append(f"  User {values['ansible_user']}")
        lines += [
            "Host *",
            f"  IdentityFile {self.key}",
            "  IdentitiesOnly yes",
            f"  UserKnownHostsFile {self.known_hosts}",
            "  GlobalKnownHostsFile /dev/null",
            "  StrictHostKeyChecking yes",
            "  BatchMode yes",
            "",
        ]
        self.openssh_config.write_text("\n".join(lines))
        return self.inventory

    def ssh(self, *arguments: str, seconds: float = 60.0, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run OpenSSH's client, the yardstick for what a host does."""
        return subprocess.run(
            ["ssh", "-F", str(self.openssh_config), *arguments],
            **{
                "stdin": subprocess.DEVNULL,
                "capture_output": True,
                "text": True,
                "timeout": patience(seconds),
                **options,
            },
        )

    def command(self, *arguments: str) -> list[str]:
        """The argv of an `agentless` that runs this tree's code; to be started with `environ`."""
        return [sys.executable, "-m", "agentless", *arguments]

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start `agentless` and leave it running, its output in pipes as text."""
        defaults: dict[str, Any] = {"stdin": subprocess.DEVNULL, "env": self.environ, "cwd": self.home, "text": True}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(self.command(*arguments), **{**defaults, **pipes, **options})

    def agentless(self, *arguments: str, seconds: float = 120.0, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run `agentless` to its end; its output as text."""
        defaults: dict[str, Any] = {"stdin": subprocess.DEVNULL, "env": self.environ, "cwd": self.home}
        return subprocess.run(
            self.command(*arguments),
            **{**defaults, "capture_output": True, "text": True, "timeout": patience(seconds), **options},
        )


def make_key(path: Path, kind: str = "ed25519", *, comment: str = "test") -> str:
    """Make an OpenSSH key without a passphrase at `path`; return the public line without its comment."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", comment, "-f", str(path)],
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    return " ".join(path.with_name(path.name + ".pub").read_text().split()[:2])
