"""A host with an account for each shell, and a fleet that logs in to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hosts import Nodes, User
from tests.hosts.fleet import OneHost

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


class Host(OneHost):
    """A host on which the user `ash` logs in with the shell `ash`."""

    def start_file(self, user: str, text: str) -> None:
        path = f"/home/{user}/{START_FILES[user]}"
        self.node.write(path, text)
        self.node.run(f"chown -R {user}: /home/{user}")


@pytest.fixture(scope="module")
def booted() -> Iterator[Host]:
    users = [User(name, path) for name, path in SHELLS.items()]
    with Nodes(1, users=[*users, User("nologin", "/usr/sbin/nologin"), User("false", "/bin/false")]) as nodes:
        yield Host(nodes, "bash")


@pytest.fixture
def host(booted: Host, monkeypatch: pytest.MonkeyPatch) -> Host:
    """The host without any start-up file of its users."""
    booted.act_as_client(monkeypatch)
    for user, file in START_FILES.items():
        booted.node.path(f"/home/{user}/{file}").unlink(missing_ok=True)
    return booted
