"""The verb `hosts`: what a pattern selects, as a table, a tree or a document, and whom there is no way to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Say

INVENTORY = "[web]\nweb1 ansible_host=10.0.0.1 ansible_port=2222 ansible_password=hunter2\nweb2\n[db]\ndb1\n"


@pytest.fixture
def inventory(tmp_path: Path) -> str:
    path = tmp_path / "hosts"
    path.write_text(INVENTORY)
    return str(path)


def test_a_table_has_a_line_a_host_with_its_way(inventory: str, say: Say) -> None:
    code, out, _ = say("-i", inventory, "hosts", "web")
    head, first, second = out.splitlines()
    assert (code, head.split()) == (0, ["HOST", "ADDRESS", "PORT", "USER", "BECOME", "GROUPS"])
    assert (first.split(), second.split()) == (["web1", "10.0.0.1", "2222", "web"], ["web2", "web2", "web"])


def test_a_graph_shows_the_groups_of_what_was_selected(inventory: str, say: Say) -> None:
    assert say("-i", inventory, "hosts", "web1", "--graph")[:2] == (0, "@all:\n  |--@web:\n  |  |--web1\n")
    code, out, err = say("-i", inventory, "hosts", "--graph", "--out", "json")
    assert (code, out) == (2, "")
    assert "--out json has none" in err


def test_a_password_is_shown_only_where_that_is_asked_for(inventory: str, say: Say) -> None:
    shown = say("-i", inventory, "hosts", "web1", "--out", "json")[1]
    assert "hunter2" not in shown
    asked = json.loads(say("-i", inventory, "hosts", "web1", "--out", "json", "--show-passwords")[1])
    assert asked["web1"]["vars"]["ansible_password"] == "hunter2"


def test_a_host_without_a_way_is_named_and_the_exit_code_is_3(tmp_path: Path, say: Say) -> None:
    path = tmp_path / "hosts"
    path.write_text("pod ansible_connection=kubectl\nweb1\n")
    code, out, err = say("-i", str(path), "hosts")
    assert code == 3
    assert [line.split()[0] for line in out.splitlines()] == ["HOST", "pod", "web1"]
    assert err.startswith("agentless: pod: ")
