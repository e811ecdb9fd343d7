"""Ansible's YAML and JSON inventories, read side by side with Ansible."""

from __future__ import annotations

import json

import pytest

from tests.inventory.conftest import Write
from tests.inventory.features import CHOICES, YAML
from tests.inventory.oracle import Oracle


@pytest.mark.parametrize("name", ["hosts", "hosts.yml", "hosts.yaml"])
def test_yaml(name: str, write: Write, oracle: Oracle, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write({name: YAML, "limit": "web01\n\nparis1\ngone\n"})
    monkeypatch.chdir(root)
    inventory = oracle.agree([root / name], root, CHOICES)
    assert "web10x1" in inventory.hosts
    assert inventory.hosts["2001:db8::1"].vars["ansible_port"] == 22


def test_json_in_the_shape_of_a_yaml_inventory(write: Write, oracle: Oracle) -> None:
    data = {"all": {"hosts": {"a[1:3]": {"x": 1e3, "y": None}}, "children": {"g": {"hosts": {"b": None}}}}}
    root = write({"hosts.json": json.dumps(data), "hosts": json.dumps(data)})
    oracle.agree([root / "hosts.json"], root)
    oracle.agree([root / "hosts"], root)


def test_names_that_look_like_patterns(write: Write, oracle: Oracle) -> None:
    root = write({"hosts.yml": "all:\n  hosts:\n    a b: {x: 1}\n    ~x:\n    '&y':\n    '!z':\n"})
    names = ("~x", "&y", "!z", "all:&y", "a b", "a b,~x", "all:!z")
    oracle.agree([root / "hosts.yml"], root, [(name, None) for name in names])
