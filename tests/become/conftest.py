"""A host whose sudoers, su and doas a test may rewrite, and a fleet that becomes with them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from agentless.model.states import Dispatched, HostResult
from tests.hosts import Links, Nodes, User
from tests.hosts.fleet import OneHost, problem

# Everything that a shell, a terminal or a prompt could trip over.
PASSWORD = "p w\"'$(x)`!\\ä€#%p"
SUDOERS = "/etc/sudoers.d/test"
USERS = (
    User("ada", password=PASSWORD),
    User("bob", "/bin/sh", "bob's"),
    User("www", "/usr/sbin/nologin"),
    User("eve", password="eve's"),
)


class Host(OneHost):
    """A host on which ada acts as root."""

    def sudoers(self, *lines: str) -> None:
        self.node.write(SUDOERS, "".join(f"{line}\n" for line in lines), 0o440)

    def run(self, command: str = "id -un", **options: Any) -> HostResult:
        return super().run(command, **{"ansible_become": True, **options})

    def start_file(self, text: str) -> None:
        """What ada's login shell runs first."""
        self.node.write("/home/ada/.bashrc", text)


@pytest.fixture(scope="module")
def booted() -> Iterator[Host]:
    with Nodes(1, users=USERS, login="ada") as nodes:
        nodes["node1"].run("chpasswd", stdin=None, input="root:root's\n")
        yield Host(nodes, "ada")


@pytest.fixture
def host(booted: Host, monkeypatch: pytest.MonkeyPatch, links: Links) -> Host:
    """The host with `ada` allowed to become anybody by her password, in sudo and doas, and nothing cached."""
    links.lay(booted.nodes.client)
    booted.act_as_client(monkeypatch)
    booted.sudoers("ada ALL=(ALL) ALL")
    booted.node.write("/etc/doas.conf", "permit ada\n", 0o600)
    booted.node.run("rm -rf /run/sudo /run/doas /var/log/sudo.log")
    booted.start_file("")
    return booted


def refused(result: HostResult, kind: str = "become") -> tuple[str, str]:
    """Message and hint of a host that nothing was started on."""
    assert result.dispatched is Dispatched.NO
    assert result.settled
    return problem(result, kind)
