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

    def cost(*arguments: str, enough: float, before: Callable[[], object] = lambda: None) -> float:
        def call() -> None:
            before()
            done = nodes.client.agentless(*arguments)
            assert done.returncode == 0, done.stderr

        return proxy.fewest_round_trips(call, enough=enough)

    def forget_the_helper() -> None:
        node.run("rm -rf /var/lib/agentless/helper")

    # A bare exec's, as in tests/end_to_end/test_round_trips.py, and 2 for bringing the helper.
    first_run = cost("run", "all", "--", "true", enough=8.5, before=forget_the_helper)
    run = cost("run", "all", "--", "true", enough=6.5)
    assert cost("schedule", "push", enough=first_run, before=forget_the_helper) <= first_run
    assert cost("schedule", "push", enough=run) <= run
