"""What Ansible makes of an inventory, and the claim that agentless makes the same of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from agentless.errors import TargetError
from agentless.inventory import Inventory, load

_ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "LC_ALL": "C.UTF-8",
    "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
    "ANSIBLE_DEPRECATION_WARNINGS": "false",
}

Choice = tuple[str, str | None]
"""A pattern and a limit."""


def need_current_ansible() -> None:
    """Skip a test beside Ansible where there is only one that still read and rendered otherwise."""
    if tuple(map(int, metadata.version("ansible-core").split(".")[:2])) < (2, 19):
        pytest.skip("compares with ansible-core 2.19 or newer, which needs Python 3.11")


class Oracle:
    """ansible-core, started once for many questions."""

    def __init__(self, home: Path) -> None:
        configuration = home / "ansible.cfg"
        configuration.touch()
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("ansible_side.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**_ENVIRONMENT, "HOME": str(home), "ANSIBLE_CONFIG": str(configuration)},
        )

    def close(self) -> None:
        self._process.communicate()

    def _ask(self, **request: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def describe(self, sources: Sequence[str], directory: Path, choices: Sequence[Choice] = ()) -> dict[str, Any]:
        """`error`, or hosts, groups, memberships, hostvars, and the hosts that each choice selects."""
        return self._ask(sources=list(sources), directory=str(directory), patterns=list(choices))

    def addresses(self, texts: Sequence[str]) -> dict[str, Any]:
        return self._ask(addresses=list(texts))

    def settings(self, directory: Path, environ: Mapping[str, str]) -> dict[str, Any]:
        """`error`, or the `file` and what is `set` of what `AnsibleSettings` has."""
        return self._ask(settings=[str(directory), dict(environ)])

    def agree(self, sources: Sequence[str | Path], directory: Path, choices: Sequence[Choice] = ()) -> Inventory:
        """Assert that agentless and Ansible read the same hosts, groups, order, variables and selections."""
        names = [str(source) for source in sources]
        theirs = self.describe(names, directory, choices)
        assert "error" not in theirs, theirs
        ours = load(names, directory=str(directory))
        same(ours, theirs)
        for (pattern, limit), selected in zip(choices, theirs["selected"], strict=True):
            assert chosen(ours, pattern, limit) == (selected if isinstance(selected, list) else []), (pattern, limit)
        return ours


def same(ours: Inventory, theirs: dict[str, Any]) -> None:
    assert list(ours.hosts) == theirs["hosts"]
    groups = {
        name: {"hosts": list(group.hosts), "children": list(group.children), "members": list(ours.members(name))}
        for name, group in ours.groups.items()
    }
    assert groups == theirs["groups"]
    assert {name: list(host.groups) for name, host in ours.hosts.items()} == theirs["memberships"]
    for name, host in ours.hosts.items():
        assert json.loads(json.dumps(dict(host.vars))) == theirs["hostvars"][name], name


def chosen(inventory: Inventory, pattern: str, limit: str | None = None) -> list[str]:
    try:
        return [host.name for host in inventory.select(pattern, limit)]
    except TargetError:
        return []
