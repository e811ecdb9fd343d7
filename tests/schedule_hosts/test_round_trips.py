"""A push costs what a run costs: one connection, and no round trip more."""

from __future__ import annotations

from collections.abc import Callable

from tests.hosts import Nodes, Proxy
from tests.schedule_hosts.conftest import Plan

DELAY = 0.15


def test_a_push_costs_no_more_round_trips_than_a_run(
    start_nodes: Callable[..., Nodes], start_proxy: Callable[..., Proxy]
) -> None:
    nodes = start_nodes(1, cron=True)
    node = nodes["node1"]
    proxy = start_proxy(node.address, 22, delay=DELAY)
    nodes.client.trust({f"[127.0.0.1]:{proxy.port}": node.public_host_key})
    nodes.client.write_inventory(
        {"node1": {"ansible_host": "127.0.0.1", "ansible_port": proxy.port, "ansible_user": "root"}}
    )
    plan = Plan(nodes.client)
    plan.write("  often: {function: cmd.run, args: [date], target: all, minutes: 5}\n")

    def cost(*arguments: str) -> float:
        proxy.forget()
        done = nodes.client.agentless(*arguments)
        assert done.returncode == 0, done.stderr
        assert proxy.connections == 1
        return proxy.round_trips

    first_run, run = cost("run", "all", "--", "true"), cost("run", "all", "--", "true")
    assert cost("schedule", "push") <= first_run
    assert cost("schedule", "push") <= run
