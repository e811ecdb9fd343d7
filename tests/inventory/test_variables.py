"""A host's variables as its connection needs them: of several names one counts, as the type that is wanted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from agentless.errors import InventoryError
from agentless.inventory import Overrides, load
from agentless.model.endpoint import Endpoint


def endpoint(tmp_path: Path, **variables: Any) -> Endpoint:
    path = tmp_path / "hosts.yml"
    path.write_text(yaml.safe_dump({"all": {"hosts": {"web1": variables}}}))
    inventory = load([str(path)], directory=str(tmp_path))
    return inventory.endpoint(inventory.hosts["web1"], Overrides())


def test_of_several_names_the_old_one_counts_wherever_it_stands(tmp_path: Path) -> None:
    assert endpoint(tmp_path, ansible_ssh_user="old", ansible_user="new").user == "old"
    assert endpoint(tmp_path, ansible_user="new", ansible_ssh_user="old").user == "old"


@pytest.mark.parametrize("value", [0, 65536, "ssh", True, "-1", "22 23", 1.5])
def test_a_port_that_is_none_names_host_variable_and_line(value: object, tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match="ansible_port of web1 is no port") as caught:
        endpoint(tmp_path, ansible_port=value)
    assert (caught.value.file, caught.value.line) == (str(tmp_path / "hosts.yml"), 4)


@pytest.mark.parametrize("value", [True, ["ada"], {"a": 1}, "a\0b"])
def test_a_user_that_is_no_text_is_refused(value: object, tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match="ansible_user of web1"):
        endpoint(tmp_path, ansible_user=value)


def test_a_template_that_comes_to_omit_is_as_if_it_were_not_set(tmp_path: Path) -> None:
    assert endpoint(tmp_path, ansible_user="{{ nothing | default(omit) }}").user is None
    assert endpoint(tmp_path, ansible_user="{{ nothing | default('ada') }}").user == "ada"


def test_a_variable_that_refers_to_itself_is_an_error_with_the_way_there(tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match=r"ansible_user of web1 \(through b and a\) refers to itself"):
        endpoint(tmp_path, ansible_user="{{ b }}", b="{{ a }}", a="{{ b }}")


def test_another_host_can_be_referred_to(tmp_path: Path) -> None:
    (tmp_path / "more").write_text("db ansible_user=ada\nweb ansible_user=\"{{ hostvars['db'].ansible_user }}\"\n")
    inventory = load([str(tmp_path / "more")], directory=str(tmp_path))
    assert inventory.endpoint(inventory.hosts["web"], Overrides()).user == "ada"
