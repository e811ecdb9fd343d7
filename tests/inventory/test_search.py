"""Which inventory counts where nobody names one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agentless.errors import InventoryError
from agentless.inventory.ansible_cfg import AnsibleSettings
from agentless.inventory.search import search

NONE = AnsibleSettings()


def test_the_inventory_is_found_in_the_order_that_the_docs_give(tmp_path: Path) -> None:
    here, users = tmp_path / "here", tmp_path / "users"
    here.mkdir()
    users.mkdir()
    with pytest.raises(InventoryError, match="there is no inventory") as caught:
        search({}, here, NONE, (), users)
    assert "`inventory=FILE`" in caught.value.hint
    (users / "inventory.yaml").write_text("all: {}\n")
    assert search({}, here, NONE, (), users).names == (str(users / "inventory.yaml"),)
    assert search({}, here, NONE, ("/prod.yaml",), users).names == ("/prod.yaml",)
    (here / "inventory.yml").write_text("all: {}\n")
    assert search({}, here, NONE, ("/prod.yaml",), users).names == (str(here / "inventory.yml"),)
    (here / "inventory.yaml").write_text("all: {}\n")
    found = search({}, here, NONE, ("/prod.yaml",), users)
    assert (found.names, found.named) == ((str(here / "inventory.yaml"),), False)
    assert found.passed_over == (str(here / "inventory.yml"), "/prod.yaml", str(users / "inventory.yaml"))
    assert search({"AGENTLESS_INVENTORY": "web1,web2"}, here, NONE, (), users).names == ("web1,web2",)


def test_an_inventory_that_somebody_else_put_into_everybody_s_directory_is_not_taken_unnamed(tmp_path: Path) -> None:
    """It may name a ProxyCommand, which is run."""
    if os.geteuid():
        pytest.skip("needs root, to make a file another user's")
    (tmp_path / "inventory.yaml").write_text("all: {}\n")
    os.chown(tmp_path / "inventory.yaml", 4711, 4711)
    assert search({}, tmp_path, NONE, (), tmp_path).names
    tmp_path.chmod(0o1777)
    with pytest.raises(InventoryError, match="belongs to another user") as caught:
        search({}, tmp_path, NONE, (), tmp_path)
    assert f"`inventory={tmp_path}/inventory.yaml`" in caught.value.hint


def test_what_ansible_names_stands_where_the_docs_have_it(tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.mkdir()
    (users / "inventory.yaml").write_text("all: {}\n")
    cfg = AnsibleSettings(file="/repo/ansible.cfg", inventory=("/repo/hosts",))
    found = search({}, tmp_path, cfg, ("/prod.yaml",), users)
    assert (found.names, found.origin, found.named) == (("/repo/hosts",), "/repo/ansible.cfg", True)
    assert found.passed_over[:2] == ("/prod.yaml", str(users / "inventory.yaml"))
    (tmp_path / "inventory.yaml").write_text("all: {}\n")
    assert search({}, tmp_path, cfg, (), users).names == (str(tmp_path / "inventory.yaml"),)
    variable = AnsibleSettings(inventory=("/a", "/b"), inventory_variable=True)
    assert search({}, tmp_path, variable, (), users).names == ("/a", "/b")
    assert search({"AGENTLESS_INVENTORY": "/c"}, tmp_path, variable, (), users).names == ("/c",)
