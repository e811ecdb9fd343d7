"""What an operation costs on a line with latency: round trips are counted by cause, through a proxy that delays."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.hosts import Proxy, Sshd

# Of bare paramiko, measured: connect 4.15, channel 1, exec 1. The halves come from who speaks last.
BARE_EXEC = 6.5
DELAY = 0.15


def test_a_host_that_has_the_helper_answers_in_the_round_trips_of_a_bare_exec(
    sshd: Sshd, start_proxy: Callable[..., Proxy]
) -> None:
    proxy = start_proxy("127.0.0.1", sshd.port, delay=DELAY)
    tree = json.loads(sshd.client.agentless("hosts", "host1", "--out", "json").stdout)
    sshd.client.write_inventory({"host1": {**tree["host1"]["vars"], "ansible_port": proxy.port}})
    sshd.client.trust({f"[127.0.0.1]:{proxy.port}": sshd.public_host_key})

    def cost(*arguments: str) -> float:
        proxy.forget()
        done = sshd.client.agentless(*arguments)
        assert done.returncode == 0, done.stderr
        assert proxy.connections == 1
        return proxy.round_trips

    assert cost("run", "host1", "--", "true") <= BARE_EXEC + 2, "the helper travels along"
    assert cost("run", "host1", "--", "true") <= BARE_EXEC
    assert cost("run", "host1", "--env", "A=B", "--", "true") <= BARE_EXEC + 1, "stdin waits for the command to start"
    assert cost("run", "host1", "--detach", "--", "sleep 100") <= BARE_EXEC
    assert cost("jobs", "active") <= BARE_EXEC
    assert cost("kill-job", "last") <= BARE_EXEC
    assert cost("running") <= BARE_EXEC
