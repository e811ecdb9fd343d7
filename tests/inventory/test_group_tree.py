"""Groups and hosts by Ansible's rules: loops, lineages, and what a host is in."""

from __future__ import annotations

import pytest

from agentless.inventory.group_tree import Layer, Sealed, Tree, VariablePlace, merged

HERE = VariablePlace("hosts", 1)


def tree(**children: str) -> Tree:
    """Groups, each with the names of those below it."""
    made = Tree()
    for name in [*children, *" ".join(children.values()).split()]:
        made.add_group(name)
    for parent, below in children.items():
        for child in below.split():
            made.add_child(parent, child)
    return made


@pytest.mark.parametrize(("parent", "child"), [("a", "a"), ("c", "a"), ("b", "all")])
def test_a_group_above_itself_is_refused(parent: str, child: str) -> None:
    with pytest.raises(ValueError, match="closes a loop"):
        tree(a="b", b="c").add_child(parent, child)


def test_a_deeper_group_counts_more_and_priority_decides_within_a_depth() -> None:
    made = tree(a="b", b="c", x="y")
    for group in ("c", "y"):
        made.add_host("web1", group)
    made.set_variable("x", "ansible_group_priority", "10", HERE)
    made.reconcile()
    assert [group.name for group in made.lineage(made.hosts["web1"])] == ["a", "x", "b", "y", "c"]


def test_a_host_is_ungrouped_until_it_is_in_a_group() -> None:
    made = tree(web="")
    made.add_host("web1", "ungrouped")
    made.add_host("web1", "web")
    made.add_host("lonely")
    made.reconcile()
    assert list(made.groups["ungrouped"].hosts) == ["lonely"]
    assert made.hosts["web1"].left_ungrouped


def test_the_first_port_of_a_host_counts() -> None:
    made = Tree()
    made.add_host("web1", "ungrouped", 2222)
    made.add_host("web1", "ungrouped", 22)
    assert made.hosts["web1"].own.values == {"ansible_port": 2222}


@pytest.mark.parametrize("name", ["", None, 5, "w\udcff"])
def test_what_is_no_name_is_refused(name: object) -> None:
    with pytest.raises(ValueError, match=r"no (group name|UTF-8)"):
        Tree().add_group(name)


def test_a_warning_is_told_once() -> None:
    told: list[str] = []
    made = Tree(told.append)
    made.warn("twice")
    made.warn("twice")
    assert told == ["twice"]


def test_mappings_merge_at_every_depth_only_where_that_is_set() -> None:
    for merges, value in ((False, {"b": {"d": 2}}), (True, {"a": 1, "b": {"c": 1, "d": 2}})):
        layer = Layer(merges=merges)
        layer.put("x", {"a": 1, "b": {"c": 1}}, HERE)
        layer.put("x", {"b": {"d": 2}}, HERE)
        assert layer.values == {"x": value}
    assert merged({"a": 1}, [2]) == [2]
    assert merged({"a": 1}, Sealed({"b": 2})) == Sealed({"a": 1, "b": 2})
