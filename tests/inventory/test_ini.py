"""Ansible's INI inventories, read side by side with Ansible."""

from __future__ import annotations

import pytest

from tests.inventory.conftest import Write
from tests.inventory.features import CHOICES, INI
from tests.inventory.oracle import Oracle


@pytest.mark.parametrize("name", ["hosts", "hosts.ini", "production", "site.prod"])
def test_ini(name: str, write: Write, oracle: Oracle, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write({name: INI, "limit": "web01.example.com\npg1"})
    monkeypatch.chdir(root)
    inventory = oracle.agree([root / name], root, CHOICES)
    assert inventory.hosts["web-a"].vars["list"] == ["a", "b"]


def test_other_encodings_in_ini_are_read_as_bytes(write: Write, oracle: Oracle) -> None:
    root = write({"hosts": "", "hosts.ini": ""})
    text = "# é\nweb1 a=1 # é\nweb2 a=é b='ü x'\n[web:vars]\nx=é # ü\n[web]\nweb1\n"
    for name in ("hosts", "hosts.ini"):
        (root / name).write_bytes(text.encode("latin-1"))
        oracle.agree([root / name], root)


def test_a_group_and_a_host_of_one_name(write: Write, oracle: Oracle) -> None:
    root = write({"hosts": "[web]\nweb x=1\nw2\n[up:children]\nweb\n"})
    oracle.agree([root / "hosts"], root, [("web", None), ("web*", None), ("web[0]", None), ("!web", None)])


def test_what_is_declared_later_joins_where_it_was_named(write: Write, oracle: Oracle) -> None:
    root = write({"hosts": "[a:children]\nb\nc\n[c:children]\nd\n[e]\nx\n[d]\ny\n[b]\nz\n[b:vars]\nv=1\n"})
    oracle.agree([root / "hosts"], root, [("a", None)])
