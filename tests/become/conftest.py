"""A host whose sudoers, su and doas a test may rewrite, and a fleet that becomes with them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from agentless import Fleet
from agentless.job import Dispatched, HostResult
from tests.hosts import Node, Nodes, User

# Everything that a shell, a terminal or a prompt could trip over.
PASSWORD = "p w\"'$(x)`!\\ä€#%p"
SUDOERS = "/etc/sudoers.d/test"
USERS = (
    User("ada", password=PASSWORD),
    User("bob", "/bin/sh", "bob's"),
    User("www", "/usr/sbin/nologin"),
    User("eve", password="eve's"),
)


class Host:
    """One node and the fleet that consists of it."""

    def __init__(self, nodes: Nodes) -> None:
        self.nodes = nodes
        self.node: Node = nodes["node1"]
        self.inventory: Path = nodes.client.home / "fleet.yaml"

    def sudoers(self, *lines: str) -> None:
        self.node.write(SUDOERS, "".join(f"{line}\n" for line in lines), 0o440)

    @contextlib.contextmanager
    def fleet(
        self, *, user: str = "ada", options: Mapping[str, Any] | None = None, **variables: Any
    ) -> Iterator[Fleet]:
        """A fleet of this host alone, with these options of the Fleet and these inventory variables."""
        host = {"ansible_host": self.node.address, "ansible_user": user, **variables}
        self.inventory.write_text(yaml.safe_dump({"all": {"hosts": {"web1": host}}}, allow_unicode=True))
        with Fleet(self.inventory, **(options or {})) as fleet:
            yield fleet

    def run(
        self, command: str = "id -un", *, user: str = "ada", job: Mapping[str, Any] | None = None, **variables: Any
    ) -> HostResult:
        """Run a command on it, as root by default, and return what became of it; `job` are options of the run."""
        with self.fleet(user=user, ansible_become=True, **variables) as fleet:
            return fleet.run("web1", command, **(job or {})).results["web1"]

    def start_file(self, text: str) -> None:
        """What ada's login shell runs first."""
        self.node.write("/home/ada/.bashrc", text)


@pytest.fixture(scope="module")
def booted() -> Iterator[Host]:
    with Nodes(1, users=USERS, login="ada") as nodes:
        nodes["node1"].run("chpasswd", stdin=None, input="root:root's\n")
        yield Host(nodes)


@pytest.fixture
def host(booted: Host, monkeypatch: pytest.MonkeyPatch) -> Host:
    """The host with `ada` allowed to become anybody by her password, in sudo and doas, and nothing cached."""
    for name, value in booted.nodes.client.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    booted.sudoers("ada ALL=(ALL) ALL")
    booted.node.write("/etc/doas.conf", "permit ada\n", 0o600)
    booted.node.run("rm -rf /run/sudo /run/doas /var/log/sudo.log")
    booted.start_file("")
    return booted


def out(result: HostResult) -> str:
    """The output of a job that went well."""
    assert result.ret is not None, result.problem
    assert result.ret.ok, result.ret
    return result.ret.stdout.decode()


def problem(result: HostResult, kind: str = "become") -> tuple[str, str]:
    """Message and hint of a host that nothing was started on."""
    assert result.problem is not None, result
    assert result.problem.kind == kind, result.problem
    assert result.dispatched is Dispatched.NO
    assert result.settled
    return result.problem.message, result.problem.hint
