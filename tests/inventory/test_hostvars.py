"""The variables of one host: its own above its groups', and none of Ansible's inner names."""

from __future__ import annotations

from typing import Any

import pytest

from agentless.inventory.group_tree import HostNode, Layer, Sealed, VariablePlace
from agentless.inventory.hostvars import VAULTED, HostVars


def variables(shared: dict[str, Any], own: dict[str, Any]) -> HostVars:
    def layers(node: HostNode) -> tuple[Layer, Layer]:
        made = Layer(), Layer()
        for layer, values in zip(made, (shared, own), strict=True):
            for line, (name, value) in enumerate(values.items(), 1):
                layer.put(name, value, VariablePlace("own" if layer is made[1] else "shared", line))
        return made

    return HostVars(HostNode("web1", "hosts"), layers)


def test_what_is_a_hosts_own_counts_before_its_groups() -> None:
    one = variables({"a": 1, "b": 1}, {"b": 2, "c": None})
    assert dict(one) == {"a": 1, "b": 2, "c": None}
    assert (one.raw("b"), one.raw("nothing"), len(one)) == (2, None, 3)


@pytest.mark.parametrize("name", ["groups", "inventory_hostname", "role_names", "ansible_facts"])
def test_a_name_of_ansibles_own_is_no_variable(name: str) -> None:
    one = variables({name: 1}, {"x": 1})
    assert (dict(one), one.raw(name)) == ({"x": 1}, None)
    with pytest.raises(KeyError):
        one[name]


def test_what_an_encrypted_file_holds_is_used_and_not_shown() -> None:
    one = variables({"password": Sealed("hunter2")}, {"user": Sealed("ada"), "password": "beside"})
    assert dict(one) == {"password": VAULTED, "user": VAULTED}
    assert one.raw("password") == "beside"
    assert "hunter2" not in repr(one)


def test_the_place_is_that_of_the_value_that_counts() -> None:
    one = variables({"ansible_user": "a", "ansible_port": 22}, {"ansible_user": "b", "plain": 1})
    assert (one.place("ansible_user"), one.place("ansible_port")) == (
        VariablePlace("own", 1),
        VariablePlace("shared", 2),
    )
    assert one.place("plain") is None


def test_layers_are_read_when_a_variable_is_first_looked_at() -> None:
    reads = []

    def layers(node: HostNode) -> tuple[Layer, Layer]:
        reads.append(node.name)
        return Layer(), Layer()

    one = HostVars(HostNode("web1", "hosts"), layers)
    assert (one.host, one.source, reads) == ("web1", "hosts", [])
    assert (one.raw("a"), one.raw("b"), reads) == (None, None, ["web1"])
