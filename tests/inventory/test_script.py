"""Inventory scripts, read side by side with Ansible."""

from __future__ import annotations

import pytest

from tests.inventory.conftest import Write
from tests.inventory.features import SCRIPT
from tests.inventory.oracle import Oracle


@pytest.mark.parametrize("name", ["inventory.py", "old-inventory.py"])
def test_scripts_with_and_without_meta(name: str, write: Write, oracle: Oracle) -> None:
    root = write({name: SCRIPT})
    oracle.agree([root / name], root, [("all", None), ("web", None), ("plain[0]", None)])


def test_the_oldest_form_of_a_scripts_answer(write: Write, oracle: Oracle) -> None:
    """A group without hosts, vars or children is a host of its own name, and trusts no template."""
    root = write({"i.sh": '#!/bin/sh\necho \'{"bare": {"x": 1, "y": ["{{ a }}"]}, "_meta": {"hostvars": {}}}\'\n'})
    oracle.agree([root / "i.sh"], root)
