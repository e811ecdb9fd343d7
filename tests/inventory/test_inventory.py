"""Who is this machine, side by side with Ansible."""

from __future__ import annotations

from tests.inventory.conftest import Write
from tests.inventory.oracle import Oracle


def test_an_explicit_localhost_takes_the_place_of_the_implicit_one(write: Write, oracle: Oracle) -> None:
    root = write({"hosts": "[here]\nlocalhost\n", "other": "127.0.0.1\nlocalhost\n", "none": "[x]\na\n"})
    for name in ("hosts", "other", "none"):
        oracle.agree([root / name], root, [("localhost", None), ("127.0.0.1", None), ("::1", None), ("all", None)])
