"""What -i names is read as what it is, side by side with Ansible."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hosts.needs import need
from tests.inventory.conftest import Write
from tests.inventory.features import INI, SCRIPT, YAML
from tests.inventory.oracle import Oracle


def test_an_executable_that_is_no_script_is_read_as_the_file_it_is(write: Write, oracle: Oracle) -> None:
    """Shared folders of virtual machines give every file an x bit."""
    need("many seconds")
    root = write({"hosts": INI, "hosts.yml": YAML})
    for name in ("hosts", "hosts.yml"):
        (root / name).chmod(0o777)
        oracle.agree([root / name], root, [("all", None)])


@pytest.mark.parametrize("hosts", ["a,", "a,b", " a , b:22 ,,a", "[2001:db8::1]:22,2001:db8::2,", "u@h,w[1:3],x"])
def test_comma_lists(hosts: str, oracle: Oracle, tmp_path: Path) -> None:
    oracle.agree([hosts], tmp_path, [("all", None), ("a", None), ("localhost", None)])


def test_directories_are_read_in_order_without_what_ansible_leaves_out(write: Write, oracle: Oracle) -> None:
    root = write(
        {
            "inv/10-hosts": "[web]\nw1 v=1\n[db]\nd1\n",
            "inv/20.yml": "web: {hosts: {w1: {v: 2}, w2: }}\n",
            "inv/05-script.py": SCRIPT,
            "inv/30/more.ini": "[web]\nw9\n",
            "inv/.hidden": "[hidden]\nh\n",
            "inv/notes.md": "# notes\n",
            "inv/x.retry": "w1\n",
            "inv/ansible.cfg": "[defaults]\n",
            "inv/old.bak": "[old]\no\n",
            "inv/hosts~": "[old]\no\n",
            "inv/group_vars/web.yml": "from_file: 1\n",
            "inv/30/group_vars/web.yml": "not_read: 1\n",
        }
    )
    oracle.agree([root / "inv"], root, [("web", None), ("all", None)])


def test_sources_add_up(write: Write, oracle: Oracle) -> None:
    root = write(
        {
            "one/hosts": "[web]\nw1:22 v=1\nw2\nonly\n[web:vars]\ng=1\n",
            "two/hosts.yml": "web: {hosts: {w1:2200: {v: 2}, w3: }, vars: {g: 2}}\n"
            "all: {children: {only2: {hosts: only}}}\n",
            "one/group_vars/web.yml": "f: 1\ng: f1\n",
            "two/group_vars/web.yml": "f: 2\n",
        }
    )
    sources = [root / "one/hosts", root / "two/hosts.yml"]
    oracle.agree([*sources, "w1,extra"], root, [("all", None), ("web", None), ("ungrouped", None)])
    oracle.agree([*reversed(sources)], root, [("all", None), ("web", None), ("ungrouped", None)])
