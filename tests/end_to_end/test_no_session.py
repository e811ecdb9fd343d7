"""A host that lets us log in and gives no session has got nothing: it is not asked again, and can be sent it anew."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable

import pytest

from tests.hosts import Sshd, patience
from tests.hosts.links import KINDS


@pytest.mark.parametrize(
    ("config", "kind", "links"),
    [
        *(("MaxSessions 0", "connect", link) for link in KINDS),
        # sshd says that the login succeeded, and closes the connection: no master stays.
        ("PermitRootLogin forced-commands-only", "connection-lost", "direct"),
        ("PermitRootLogin forced-commands-only", "connection-lost", "keeper"),
    ],
    indirect=["links"],
)
def test_a_refused_session_is_told_at_once_and_the_job_was_not_dispatched(
    start_sshd: Callable[..., Sshd], config: str, kind: str
) -> None:
    if "Root" in config and os.geteuid() != 0:
        pytest.skip("needs root")
    sshd = start_sshd(1, config=config)
    assert sshd.client.ssh("host1", "true").returncode == 255
    began = time.monotonic()
    done = sshd.client.agentless("run", "all", "--out", "json", "--", "echo", "hi")
    assert time.monotonic() - began < patience(7)
    host = json.loads(done.stdout)["hosts"]["host1"]
    assert (done.returncode, host["state"], host["error"]["kind"]) == (3, "unreachable", kind)
    assert "no session" in host["error"]["message"]
    for word in ("MaxSessions", "forced-commands-only"):
        assert word in host["error"]["hint"]
    shown = sshd.client.agentless("run", "all", "--", "echo", "hi")
    assert "agentless jobs retry" in shown.stderr
    assert "jobs wait" not in shown.stderr
