"""Host names, ports and ranges as an inventory writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentless.inventory import load
from agentless.inventory.address import expand, split_port


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("web1", ("web1", None)),
        ("web1:2222", ("web1", 2222)),
        ("web[01:03].example.com:22", ("web[01:03].example.com", 22)),
        ("[2001:db8::1]:22", ("2001:db8::1", 22)),
        ("2001:db8::1", ("2001:db8::1", None)),
        ("::ffff:192.0.2.1", ("::ffff:192.0.2.1", None)),
        ("ada@web1", None),
        ("web*", None),
        ("a:b", None),
        ("", None),
        ("-web", None),
    ],
)
def test_a_port_stands_behind_a_host(text: str, found: tuple[str, int | None] | None) -> None:
    assert split_port(text) == found


@pytest.mark.parametrize(
    ("name", "hosts"),
    [
        ("web1", ["web1"]),
        ("web[1:3]", ["web1", "web2", "web3"]),
        ("web[08:10]", ["web08", "web09", "web10"]),
        ("web[1:5:2]", ["web1", "web3", "web5"]),
        ("db-[a:c]", ["db-a", "db-b", "db-c"]),
        ("[a:b][1:2]", ["a1", "a2", "b1", "b2"]),
    ],
)
def test_a_range_stands_for_its_hosts(name: str, hosts: list[str]) -> None:
    assert expand(name) == hosts


@pytest.mark.parametrize("name", ["web[1", "web[1:]", "web[01:2]", "web[1:2:3:4]", "web[1:99999999]", "web[b:1]"])
def test_a_range_that_makes_no_sense_or_no_end_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match=r"web\["):
        expand(name)


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [("hosts.ini", "a\nh[3:1]\n", 2), ("hosts.yml", "all:\n  hosts:\n    a:\n    h[3:1]:\n", 4)],
)
def test_a_range_that_stands_for_no_host_is_told_with_its_line(tmp_path: Path, name: str, text: str, line: int) -> None:
    """Ansible says nothing, and the hosts are missing."""
    path = tmp_path / name
    path.write_text(text)
    told: list[str] = []
    assert list(load([str(path)], warn=told.append).hosts) == ["a"]
    assert told == [f"{path}:{line}: 'h[3:1]' is no host: its range is empty"]
