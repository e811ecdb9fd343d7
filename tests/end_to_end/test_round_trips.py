"""What an operation costs on a line with latency: round trips are counted by cause, through a proxy that delays."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable

from tests.hosts import Proxy, Sshd, patience

# Of bare paramiko, measured: connect 4.15, channel 1, exec 1. The halves come from who speaks last.
BARE_EXEC = 6.5
# More than a busy machine computes between two packets; a connection still comes about in its ten seconds.
DELAY = min(patience(0.05), 0.4)


def test_a_host_that_has_the_helper_answers_in_the_round_trips_of_a_bare_exec(
    sshd: Sshd, start_proxy: Callable[..., Proxy]
) -> None:
    proxy = start_proxy("127.0.0.1", sshd.port, delay=DELAY)
    tree = json.loads(sshd.client.agentless("hosts", "host1", "--out", "json").stdout)
    sshd.client.write_inventory({"host1": {**tree["host1"]["vars"], "ansible_port": proxy.port}})
    sshd.client.trust({f"[127.0.0.1]:{proxy.port}": sshd.public_host_key})

    def holds(most: float, *arguments: str, before: Callable[[], object] = lambda: None) -> bool:
        def call() -> None:
            before()
            done = sshd.client.agentless(*arguments)
            assert done.returncode == 0, done.stderr

        return proxy.fewest_round_trips(call, enough=most) <= most

    def forget_the_helper() -> None:
        shutil.rmtree(sshd.state_dir("host1"), ignore_errors=True)

    run = ("run", "host1", "--", "true")
    assert holds(BARE_EXEC + 2, *run, before=forget_the_helper), "the helper travels along"
    assert holds(BARE_EXEC, *run)
    assert holds(BARE_EXEC + 1, "run", "host1", "--env", "A=B", "--", "true"), "stdin waits for the command to start"
    assert holds(BARE_EXEC, "run", "host1", "--detach", "--", "sleep 100")
    assert holds(BARE_EXEC, "jobs", "active")
    assert holds(BARE_EXEC, "kill-job", "last")
    assert holds(BARE_EXEC, "running")
