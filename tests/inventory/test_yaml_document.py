"""YAML and JSON come to the values that Ansible makes of them."""

from __future__ import annotations

import textwrap

import pytest

from agentless.errors import InventoryError
from agentless.inventory import load
from tests.inventory.conftest import Write
from tests.inventory.oracle import Oracle


def test_line_endings_and_byte_order_marks(write: Write, oracle: Oracle) -> None:
    root = write(
        {
            "crlf.ini": "[web]\r\nweb1 a=1\tb='2  3'\r\n[web:vars]\r\nx=y\r\n",
            "crlf.yml": "all:\r\n  hosts:\r\n    a: {x: 1}\r\n",
            "bom.yml": "\ufeffall:\n  hosts:\n    a: {x: 1}\n",
            "comment.yml": "# nothing yet\n",
            "empty": "",
        }
    )
    for name in ("crlf.ini", "crlf.yml", "bom.yml", "comment.yml", "empty"):
        oracle.agree([root / name], root)


# ruff: noqa: SIM905 - one scalar a line would make a page of them.
PLAIN_SCALARS = (
    "0b101 0x1F 1_000 .5 -.5e3 .inf -.INF 12e03 1.2e+3 1e3 +1 -0 0o17 017 08 09.5 12:30 12:30:45 190:20:30.15 y Y n on "
    "Off NULL Null ~ = 2001-12-14 2001-12-14T21:59:43Z 1.0.0 - -a ?b a:b a#b true TRUE tRUE 1. 0. 0.0.0.0 :: 0x 1__0 _1"
).split()


def test_plain_scalars_of_yaml(write: Write, oracle: Oracle) -> None:
    for scalar in PLAIN_SCALARS:
        root = write({"hosts.yml": f"all:\n  hosts:\n    h: {{v: {scalar}, w: ['{scalar}']}}\n"})
        if "error" in oracle.describe([str(root / "hosts.yml")], root):
            with pytest.raises(InventoryError):
                load([str(root / "hosts.yml")])
        else:
            oracle.agree([root / "hosts.yml"], root)


def test_merge_keys_and_anchors(write: Write, oracle: Oracle) -> None:
    text = """\
    x: &x {a: 1, b: {c: 1}}
    y: &y {<<: *x, b: 2, d: &list [1, *x]}
    all:
      hosts:
        h1: {<<: [*x, *y], e: *list}
        h2: {f: 1, <<: *y, a: 3}
        h3: &h3 {twice: 1, twice: 2}
        h4: *h3
    """
    root = write({"hosts.yml": textwrap.dedent(text).replace("x: &x", ".x: &x").replace("y: &y", ".y: &y")})
    oracle.agree([root / "hosts.yml"], root)
