"""A host with an account for each shell, and a fleet that logs in to it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from agentless import Fleet
from agentless.job import HostResult
from tests.hosts import Node, Nodes, User

SHELLS = {
    "bash": "/bin/bash",
    "dash": "/bin/dash",
    "zsh": "/bin/zsh",
    "fish": "/usr/bin/fish",
    "tcsh": "/bin/tcsh",
    "csh": "/bin/csh",
}
# The file that a login shell reads for `ssh host command`.
START_FILES = {
    "bash": ".bashrc",
    "zsh": ".zshenv",
    "fish": ".config/fish/config.fish",
    "tcsh": ".cshrc",
    "csh": ".cshrc",
}


class Host:
    """One node and the fleet that consists of it; the user `ash` logs in with the shell `ash`."""

    def __init__(self, nodes: Nodes) -> None:
        self.nodes = nodes
        self.node: Node = nodes["node1"]

    @contextlib.contextmanager
    def fleet(self, user: str = "bash", **variables: Any) -> Iterator[Fleet]:
        inventory: Path = self.nodes.client.home / "fleet.yaml"
        host = {"ansible_host": self.node.address, "ansible_user": user, **variables}
        inventory.write_text(yaml.safe_dump({"all": {"hosts": {"web1": host}}}))
        with Fleet(inventory) as fleet:
            yield fleet

    def run(
        self, command: str = "id -un", *, user: str = "bash", job: Mapping[str, Any] | None = None, **variables: Any
    ) -> HostResult:
        """Run a command on it and return what became of it; `job` are options of the run."""
        with self.fleet(user, **variables) as fleet:
            return fleet.run("web1", command, **(job or {})).results["web1"]

    def start_file(self, user: str, text: str) -> None:
        path = f"/home/{user}/{START_FILES[user]}"
        self.node.write(path, text)
        self.node.run(f"chown -R {user}: /home/{user}")


@pytest.fixture(scope="module")
def booted() -> Iterator[Host]:
    users = [User(name, path) for name, path in SHELLS.items()]
    with Nodes(1, users=[*users, User("nologin", "/usr/sbin/nologin"), User("false", "/bin/false")]) as nodes:
        yield Host(nodes)


@pytest.fixture
def host(booted: Host, monkeypatch: pytest.MonkeyPatch) -> Host:
    """The host without any start-up file of its users."""
    for name, value in booted.nodes.client.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    for user, file in START_FILES.items():
        booted.node.path(f"/home/{user}/{file}").unlink(missing_ok=True)
    return booted


def out(result: HostResult) -> str:
    """The output of a job that went well."""
    assert result.ret is not None, result.problem
    assert result.ret.ok, result.ret
    return result.ret.stdout.decode()


def problem(result: HostResult, kind: str) -> tuple[str, str]:
    """Message and hint of a host that gave no answer."""
    assert result.problem is not None, result
    assert result.problem.kind == kind, result.problem
    return result.problem.message, result.problem.hint
