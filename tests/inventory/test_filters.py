"""Filters whose answers Ansible's own is not asked for; of the others test_templates.py does that."""

from __future__ import annotations

import pytest

from agentless.inventory.templates import Renderer

RENDERER = Renderer({}, {}, "/")


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("address", "10.1.2.3"),
        ("network", "10.1.2.0"),
        ("prefix", 24),
        ("netmask", "255.255.255.0"),
        ("1", "10.1.2.1/24"),
    ],
)
def test_plain_questions_about_addresses(query: str, answer: object) -> None:
    assert RENDERER.render(f"{{{{ '10.1.2.3/24' | ansible.utils.ipaddr('{query}') }}}}") == answer
    assert RENDERER.render("{{ 'no address' | ipaddr }}") is False
