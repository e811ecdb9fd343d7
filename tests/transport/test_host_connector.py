"""From an endpoint to a link: this machine, what the inventory refuses, and hosts whose key nobody knows yet."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agentless.errors import Refused
from agentless.model.endpoint import Endpoint
from agentless.model.problem import Problem
from agentless.transport.host_connector import HostConnector
from agentless.transport.local import LocalLink

WEB1 = Endpoint("web1", "192.0.2.7", user="ada")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIbSkLs3bUSm2tbDGpYBZOXrEBTnN0zCz0oeHbQlYMGm"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / ".ssh").mkdir()
    return tmp_path / ".ssh"


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def connector(files: Path, notes: list[str]) -> HostConnector:
    return HostConnector(home=files.parent, system_config=files / "none", note=notes.append)


def test_a_host_that_is_this_machine_needs_no_ssh(connector: HostConnector, notes: list[str]) -> None:
    with connector.connect(Endpoint("here", "here", local=True)) as link:
        assert isinstance(link, LocalLink)
    assert notes == ["here: this machine, without SSH"]


def test_what_the_inventory_leaves_no_way_to_is_refused_with_its_reason(connector: HostConnector) -> None:
    endpoint = replace(WEB1, problem=Problem("inventory", "ansible_port is no port", "Mend it."))
    with pytest.raises(Refused, match="ansible_port is no port") as caught:
        connector.connect(endpoint)
    assert (caught.value.kind, caught.value.hint) == ("inventory", "Mend it.")
    assert connector.unknown(endpoint) is None


def test_a_host_is_unknown_until_a_file_has_its_key(connector: HostConnector, files: Path) -> None:
    settings = connector.unknown(WEB1)
    assert settings is not None
    assert (settings.host, settings.port, settings.user) == ("192.0.2.7", 22, "ada")
    assert not settings.may_ask, "whether a person may be asked is no part of how to connect"
    (files / "known_hosts").write_text(f"192.0.2.7 {KEY}\n")
    later = HostConnector(home=files.parent, system_config=files / "none")
    assert later.unknown(WEB1) is None


@pytest.mark.parametrize("line", ["StrictHostKeyChecking yes", "UserKnownHostsFile /dev/null"])
def test_where_nobody_may_be_asked_or_nothing_remembers_no_host_is_unknown(files: Path, line: str) -> None:
    (files / "config").write_text(f"{line}\n")
    assert HostConnector(home=files.parent, system_config=files / "none").unknown(WEB1) is None


def test_of_a_way_through_a_bastion_the_first_unknown_machine_is_told(connector: HostConnector, files: Path) -> None:
    (files / "config").write_text("Host 192.0.2.7\n ProxyJump gate.invalid\n")
    gate = connector.unknown(WEB1)
    assert gate is not None
    assert gate.host == "gate.invalid"
    (files / "known_hosts").write_text(f"gate.invalid {KEY}\n")
    web1 = HostConnector(home=files.parent, system_config=files / "none").unknown(WEB1)
    assert web1 is not None
    assert web1.host == "192.0.2.7"
