"""Many hosts are asked at once: what that must not do to the process that asks."""

from __future__ import annotations

from typing import Any

import pytest

from agentless import Fleet
from agentless.runner import payload
from agentless.transport.connector import HostConnector
from tests.hosts import Sshd


@pytest.mark.parametrize("verb", ["run", "ping", "push"])
def test_the_helper_is_packed_before_the_first_connection_is_open(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """`ast.parse` of two threads clash (CPython gh-106905), and paramiko's parses where sshd hangs up."""
    for name, value in sshd.client.environ.items():
        monkeypatch.setenv(name, value)
    packed = []
    connect = HostConnector.connect

    def watched(self: HostConnector, endpoint: Any) -> Any:
        packed.append(payload._payload.cache_info().currsize)
        return connect(self, endpoint)

    monkeypatch.setattr(HostConnector, "connect", watched)
    payload._payload.cache_clear()
    payload._loader.cache_clear()
    (sshd.client.home / "schedule.yaml").write_text("schedule: {}\n")
    with Fleet(sshd.client.inventory) as fleet:
        if verb == "run":
            assert fleet.run("all", "true").exit_code == 0
        elif verb == "ping":
            assert len(fleet.ping().hosts) == 3
        else:
            fleet.schedule().push(check=True)
    assert packed == [1, 1, 1]
