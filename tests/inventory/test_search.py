"""Which inventory counts where nobody names one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agentless.errors import InventoryError
from agentless.inventory.search import search


def test_the_inventory_is_found_in_the_order_that_the_docs_give(tmp_path: Path) -> None:
    here, users = tmp_path / "here", tmp_path / "users"
    here.mkdir()
    users.mkdir()
    with pytest.raises(InventoryError, match="there is no inventory") as caught:
        search({}, here, (), users)
    assert "-i" in caught.value.hint
    (users / "inventory.yaml").write_text("all: {}\n")
    assert search({}, here, (), users).names == (str(users / "inventory.yaml"),)
    assert search({}, here, ("/prod.yaml",), users).names == ("/prod.yaml",)
    (here / "inventory.yml").write_text("all: {}\n")
    assert search({}, here, ("/prod.yaml",), users).names == (str(here / "inventory.yml"),)
    (here / "inventory.yaml").write_text("all: {}\n")
    found = search({}, here, ("/prod.yaml",), users)
    assert (found.names, found.named) == ((str(here / "inventory.yaml"),), False)
    assert found.passed_over == (str(here / "inventory.yml"), "/prod.yaml", str(users / "inventory.yaml"))
    assert search({"AGENTLESS_INVENTORY": "web1,web2"}, here, (), users).names == ("web1,web2",)


def test_an_inventory_that_somebody_else_put_into_everybody_s_directory_is_not_taken_unnamed(tmp_path: Path) -> None:
    """It may name a ProxyCommand, which is run."""
    if os.geteuid():
        pytest.skip("needs root, to make a file another user's")
    (tmp_path / "inventory.yaml").write_text("all: {}\n")
    os.chown(tmp_path / "inventory.yaml", 4711, 4711)
    assert search({}, tmp_path, (), tmp_path).names
    tmp_path.chmod(0o1777)
    with pytest.raises(InventoryError, match="belongs to another user") as caught:
        search({}, tmp_path, (), tmp_path)
    assert f"-i {tmp_path}/inventory.yaml" in caught.value.hint
