"""Whatever a file or a script says, it is read or refused with an InventoryError: a traceback helps nobody."""

from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from agentless.errors import InventoryError, TargetError
from agentless.inventory import Inventory, Overrides, load
from agentless.inventory.group_tree import Tree
from agentless.inventory.groupfile import parse_listing
from agentless.inventory.secrets import masked, unmasked
from agentless.inventory.yaml_document import Document
from agentless.report import documents
from tests.hosts.needs import examples

FUZZ = settings(max_examples=examples(300), deadline=None, suppress_health_check=[HealthCheck.too_slow])
WORDS = [
    "all",
    "ungrouped",
    "web",
    "web1",
    "hosts",
    "vars",
    "children",
    "_meta",
    "hostvars",
    "plugin",
    "ansible_host",
    "ansible_port",
    "ansible_user",
    "ansible_become",
    "ansible_become_method",
    "ansible_connection",
    "ansible_timeout",
    "ansible_ssh_common_args",
    "ansible_group_priority",
    "ansible_host_key_checking",
    "ansible_python_interpreter",
    "agentless_state_dir",
    "__ansible_vault",
    "__ansible_unsafe",
]
texts = st.sampled_from(
    [
        *WORDS,
        "",
        " ",
        "a b",
        "a,b",
        "[1:3]",
        "x[1:99999999]",
        "{{ web }}",
        "{{ a | b }}",
        "-o 'x",
        "-p 70000",
        "é",
        "\udce9",
    ]
) | st.text(max_size=8)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts | st.dates() | st.binary(max_size=4)
json_scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts


def shapes(leaves: st.SearchStrategy[Any], keys: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4), max_leaves=25
    )


yaml_shapes = shapes(scalars, texts | st.integers() | st.booleans() | st.none() | st.floats())
json_shapes = shapes(json_scalars, texts)


def use(inventory: Inventory) -> None:
    """Everything that verbs do with an inventory before they contact anybody."""
    for pattern in ("all", "web", "*1"):
        with contextlib.suppress(TargetError):
            inventory.select(pattern)
    for host in inventory.hosts.values():
        with contextlib.suppress(InventoryError):
            inventory.endpoint(host, Overrides())
        with contextlib.suppress(InventoryError):
            for shown in (masked(host.vars), unmasked(host.vars)):
                documents.as_json({host.name: shown}, indent=True)
                documents.as_yaml({host.name: shown})


def read(name: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / name).write_bytes(content)
        with contextlib.suppress(InventoryError):
            use(load([str(Path(directory) / name)], directory=directory))


@FUZZ
@given(yaml_shapes)
@example({"all": {"vars": {"ansible_group_priority": float("inf")}}})
def test_any_yaml(data: Any) -> None:
    try:
        text = yaml.safe_dump(data, allow_unicode=True)
    except yaml.YAMLError:
        return
    read("hosts.yml", text.encode("utf-8", "surrogatepass"))


@FUZZ
@given(json_shapes, st.sampled_from(["hosts.json", "hosts.yml", "hosts"]))
def test_any_json(data: Any, name: str) -> None:
    read(name, json.dumps(data).encode())


@FUZZ
@given(st.dictionaries(st.sampled_from(["all", "web", "_meta"]), json_shapes, min_size=1))
def test_any_answer_of_a_script(data: Any) -> None:
    tree = Tree()
    with contextlib.suppress(InventoryError):
        parse_listing(tree, data, "script", lambda name: data)
        with contextlib.suppress(ValueError):
            tree.reconcile()


LINES = [
    "[web]",
    "[web:vars]",
    "[web:children]",
    "[a b]",
    "web1 ansible_port=22",
    "web[1:3] a={'x': 1}",
    "a=0x" + "f" * 5000,
    "h a=" + "9" * 5000,
    "h a=" + "[" * 200,
    "h:99999999999999999999",
    "- a",
    "all:",
    "  hosts:",
    "    web1:",
    "    <<: *a",
    "    x: &a {b: c}",
    "    ? [a, b]",
    "    !vault x",
    "    !unsafe {a: b}",
    "    !!set {a, b}",
    "    !!omap [a: b]",
    "    !!int ''",
    "    2024-99-99:",
    "    0x" + "f" * 5000 + ":",
    "    " + "9" * 5000 + ":",
    "{% if x %}",
    "\x00",
]
lines = st.lists(st.sampled_from(LINES) | st.text(max_size=20), max_size=8).map("\n".join)


@FUZZ
@given(lines | st.text(), st.sampled_from(["hosts", "hosts.ini", "hosts.yml", "hosts.json", "list.txt"]))
@example(f"all: {{hosts: {{a: {{ansible_port: {'9' * 5000}}}}}}}", "hosts.yml")
@example(f"all: {{hosts: {{a: {{ansible_timeout: 0x{'f' * 5000}}}}}}}", "hosts.yml")
@example(f"a ansible_port=0x{'f' * 5000}", "hosts.ini")
def test_any_text(text: str, name: str) -> None:
    read(name, text.encode("utf-8", "surrogatepass"))


@FUZZ
@given(st.binary(), st.sampled_from(["hosts", "hosts.ini", "hosts.yml"]))
def test_any_bytes(content: bytes, name: str) -> None:
    read(name, content)


@FUZZ
@given(lines | st.text())
def test_any_file_of_variables(text: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "group_vars").mkdir()
        (Path(directory) / "group_vars/all.yml").write_bytes(text.encode("utf-8", "surrogatepass"))
        use(load(["web1,"], directory=directory))


@FUZZ
@given(st.text(), st.none() | st.text())
def test_any_pattern(pattern: str, limit: str | None) -> None:
    with contextlib.suppress(TargetError):
        load(["web1,web2,db"], directory="/nonexistent").select(pattern, limit)


@pytest.mark.parametrize("depth", [100, 900, 5000])
def test_any_depth(depth: int, tmp_path: Path) -> None:
    for name, text in (
        ("hosts.json", '{"a": {"vars": {"x": ' + "[" * depth + "]" * depth + '}, "hosts": {"h": {}}}}'),
        ("hosts.yml", "a: {hosts: {h: }, vars: {x: " + "[" * depth + "]" * depth + "}}"),
        ("hosts.ini", "h x=" + "[" * depth + "]" * depth + "\n"),
        ("hosts.list", "h" + "[1:1]" * depth + "\n"),
    ):
        read(name, text.encode())


def test_a_document_s_errors_have_lines() -> None:
    with pytest.raises(InventoryError, match="f:2: "):
        Document(f"a: 1\nb: {'9' * 5000}\n", "f", print)
