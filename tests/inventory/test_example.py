"""inventory.example.yaml is what it says."""

from __future__ import annotations

from pathlib import Path

from agentless.inventory import Overrides, load
from agentless.model.endpoint import Become
from tests.inventory.oracle import Oracle

EXAMPLE = Path(__file__).parents[2] / "inventory.example.yaml"


def test_ansible_reads_the_example_alike(oracle: Oracle, tmp_path: Path) -> None:
    oracle.agree([EXAMPLE], tmp_path, [("all", None), ("web:&prod", None), ("db*", None)])


def test_the_example_needs_nothing_that_is_not_honoured(tmp_path: Path) -> None:
    told: list[str] = []
    inventory = load([str(EXAMPLE)], directory=str(tmp_path), warn=told.append)
    endpoints = {name: inventory.endpoint(host, Overrides()) for name, host in inventory.hosts.items()}
    assert told == []
    assert (endpoints["web02.example.com"].port, endpoints["web02.example.com"].user) == (2222, "deploy")
    assert (endpoints["db2"].address, endpoints["db2"].become) == ("2001:db8::22", Become())
    assert endpoints["app-b"].address == "app-b.internal"
    assert dict(endpoints["app-b"].options) == {"proxycommand": ("ssh -W %h:%p -q deploy@bastion.example.com",)}
    assert endpoints["controller"].local
