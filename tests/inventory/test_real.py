"""Inventories of public repositories, unmodified: see real/README.md."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from agentless.inventory import Overrides, load
from tests.hosts.needs import need
from tests.inventory.oracle import Oracle

REAL = Path(__file__).with_name("real")
SOURCES = sorted(path for path in REAL.iterdir() if path.name != "README.md")
CHOICES = [
    ("all", None),
    ("*", None),
    ("all:!ungrouped", None),
    ("all[0]", None),
    ("all[1:3]", None),
    ("~.*[02468]$", None),
]


def test_every_inventory_of_the_collection_is_asked_about() -> None:
    assert len(SOURCES) >= 5


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_ansible_and_agentless_agree_on_real_inventories(source: Path, oracle: Oracle, tmp_path: Path) -> None:
    inventory = oracle.agree([source], tmp_path, CHOICES)
    groups = [(name, None) for name in inventory.groups]
    oracle.agree([source], tmp_path, groups)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_every_host_of_a_real_inventory_has_an_endpoint(source: Path, tmp_path: Path) -> None:
    inventory = load([str(source)], directory=str(tmp_path))
    for host in inventory.hosts.values():
        assert inventory.endpoint(host, Overrides()).name == host.name


def test_the_command_line_tools_say_what_the_oracle_says(tmp_path: Path) -> None:
    """The oracle drives Ansible's classes; here its commands speak for themselves."""
    need("many seconds")
    source = REAL / "confluent-hosts.yml"
    configuration = tmp_path / "ansible.cfg"
    configuration.touch()
    environment = {**os.environ, "ANSIBLE_CONFIG": str(configuration), "HOME": str(tmp_path)}

    def ansible(tool: str, *arguments: str) -> str:
        command = [str(Path(sys.executable).with_name(tool)), "-i", str(source), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, env=environment).stdout

    inventory = load([str(source)], directory=str(tmp_path))
    listed = json.loads(ansible("ansible-inventory", "--list"))
    shown = {name: dict(host.vars) for name, host in inventory.hosts.items() if host.vars}
    assert json.loads(json.dumps(shown)) == listed["_meta"]["hostvars"]
    hosts = [line.strip() for line in ansible("ansible", "kafka_broker:zookeeper", "--list-hosts").splitlines()[1:]]
    assert [host.name for host in inventory.select("kafka_broker:zookeeper")] == hosts
