"""Files of variables, read side by side with Ansible."""

from __future__ import annotations

from tests.inventory.conftest import Write
from tests.inventory.oracle import Oracle


def test_variables_beside_the_inventory_and_in_the_working_directory(write: Write, oracle: Oracle) -> None:
    """Files and directories, each suffix, nested, hidden and backup files, precedence by depth and name."""
    root = write(
        {
            "inv/hosts": "[a]\nh1 v=inline\nh2\n[b]\nh1\nh2\n[c:children]\na\nb\n"
            "[c:vars]\nw=ini c\n[a:vars]\nw=ini a\n",
            "inv/group_vars/all/1.yml": "everywhere: all\nv: all\nw: all file\n",
            "inv/group_vars/all/2.json": '{"everywhere": "all 2", "n": 1e2}',
            "inv/group_vars/all/.hidden.yml": "hidden: 1",
            "inv/group_vars/all/backup.yml~": "backup: 1",
            "inv/group_vars/all/readme.txt": "no: 1",
            "inv/group_vars/all/deep/x": "deep: 1",
            "inv/group_vars/all/deep.d/x": "not_deep: 1",
            "inv/group_vars/a": "v: a\nw: a file",
            "inv/group_vars/a.yml": "shadowed: 1",
            "inv/group_vars/b.yaml": "v: b\nansible_group_priority: 5\n",
            "inv/group_vars/b.json": '{"shadowed": 1}',
            "inv/group_vars/c.yml": "v: c\n",
            "inv/group_vars/empty.yml": "",
            "inv/host_vars/h2.yml": "v: host file\nrole_name: internal\ngroups: internal\n",
            "inv/host_vars/h1/main.yml": "v: host dir\n",
            "group_vars/all.yml": "from_play: all\nv: play\n",
            "group_vars/a.yml": "from_play: a\n",
            "host_vars/h1.yml": "play_host: 1\n",
            "host_vars/localhost.yml": "play_host: 1\n",
        }
    )
    inventory = oracle.agree([root / "inv/hosts"], root)
    assert inventory.hosts["h1"].vars["play_host"] == 1
    oracle.agree([root / "inv"], root)
    oracle.agree(["h1,h3"], root)
    oracle.agree([root / "inv/hosts"], root / "inv")
