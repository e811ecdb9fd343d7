"""One node as the whole fleet of a test that uses the Python API, and what its results are looked at with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from agentless import Fleet
from agentless.model.states import HostResult
from tests.hosts.nodes import Node, Nodes


class OneHost:
    """One node, `web1` of an inventory that each call writes anew.

    Args:
        user: who logs in where nothing else is said.
    """

    def __init__(self, nodes: Nodes, user: str) -> None:
        self.nodes = nodes
        self.node: Node = nodes["node1"]
        self.inventory: Path = nodes.client.home / "fleet.yaml"
        self._user = user

    def act_as_client(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let this process be the controller: its home, its keys, no agent."""
        for name, value in self.nodes.client.environ.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)

    @contextlib.contextmanager
    def fleet(
        self, user: str | None = None, *, options: Mapping[str, Any] | None = None, **variables: Any
    ) -> Iterator[Fleet]:
        """A fleet of this host alone, with these options of the Fleet and these inventory variables."""
        host = {"ansible_host": self.node.address, "ansible_user": user or self._user, **variables}
        self.inventory.write_text(yaml.safe_dump({"all": {"hosts": {"web1": host}}}, allow_unicode=True))
        with Fleet(self.inventory, **(options or {})) as fleet:
            yield fleet

    def run(
        self,
        command: str = "id -un",
        *,
        user: str | None = None,
        job: Mapping[str, Any] | None = None,
        **variables: Any,
    ) -> HostResult:
        """Run a command on it and return what became of it; `job` are options of the run."""
        with self.fleet(user, **variables) as fleet:
            return fleet.run("web1", command, **(job or {})).results["web1"]


def out(result: HostResult) -> str:
    """The output of a job that went well."""
    assert result.ret is not None, result.problem
    assert result.ret.ok, result.ret
    return result.ret.stdout.decode()


def problem(result: HostResult, kind: str) -> tuple[str, str]:
    """Message and hint of a host that gave no return."""
    assert result.problem is not None, result
    assert result.problem.kind == kind, result.problem
    return result.problem.message, result.problem.hint
