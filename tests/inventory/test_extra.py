"""`-e` stands above every variable of the sources, for connections and for templates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from agentless.errors import InventoryError, UsageError
from agentless.inventory import Overrides, load
from agentless.model.endpoint import Endpoint


def endpoint(tmp_path: Path, extra_vars: Sequence[str]) -> Endpoint:
    (tmp_path / "hosts").write_text("web1 ansible_user=ada ansible_host='{{ net }}.7' net=10.0.0\n")
    inventory = load([str(tmp_path / "hosts")], directory=str(tmp_path), extra_vars=extra_vars)
    return inventory.endpoint(inventory.hosts["web1"], Overrides(user="root"))


@pytest.mark.parametrize(
    ("words", "user", "address"),
    [
        (["ansible_user=bob"], "bob", "10.0.0.7"),
        (["net=10.9.9 ansible_user='b b'"], "b b", "10.9.9.7"),
        (['{"net": "10.8.8", "ansible_user": "c"}'], "c", "10.8.8.7"),
        (["{net: 10.7.7}"], "ada", "10.7.7.7"),
        (["ansible_user=bob", "ansible_user=eve"], "eve", "10.0.0.7"),
        (["ansible_user={{ inventory_hostname }}"], "web1", "10.0.0.7"),
    ],
)
def test_extra_variables_win(tmp_path: Path, words: list[str], user: str, address: str) -> None:
    found = endpoint(tmp_path, words)
    assert found.address == address
    assert found.user == user or (found.problem and user in found.problem.message)


def test_a_file_of_variables_is_read(tmp_path: Path) -> None:
    (tmp_path / "vars.yml").write_text("ansible_user: bob\n")
    assert endpoint(tmp_path, [f"@{tmp_path}/vars.yml"]).user == "bob"


@pytest.mark.parametrize(
    ("word", "kind", "message"),
    [
        ("bob", UsageError, "is no VAR=VALUE"),
        ("", UsageError, "is no VAR=VALUE"),
        ("=x", UsageError, "is no VAR=VALUE"),
        ("a='x", UsageError, "cannot be read"),
        ("@nowhere.yml", InventoryError, "nowhere.yml: cannot be read"),
        ("[1, 2]", InventoryError, "variables are a mapping"),
        ("{a: [", InventoryError, "`extra_vars`:[12]: "),
    ],
)
def test_what_is_no_variable_is_refused(tmp_path: Path, word: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        endpoint(tmp_path, [word])


def test_a_wrong_value_names_where_it_was_given(tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match="`extra_vars`: ansible_port of web1 is no port"):
        endpoint(tmp_path, ["ansible_port=x"])
