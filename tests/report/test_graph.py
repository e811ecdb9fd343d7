"""Groups as a tree."""

from __future__ import annotations

from agentless.inventory import Group
from agentless.report.graph import tree


def test_groups_are_drawn_as_ansible_draws_them() -> None:
    made = {
        "all": Group("all", (), ("ungrouped", "web")),
        "ungrouped": Group("ungrouped", (), ()),
        "web": Group("web", ("web1", "web2"), ("prod",)),
        "prod": Group("prod", ("web3",), ()),
    }
    assert tree(made, ["web1", "web3"]) == "@all:\n  |--@web:\n  |  |--@prod:\n  |  |  |--web3\n  |  |--web1\n"
