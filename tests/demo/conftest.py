"""A throwaway fleet of three."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agentless.demo import DemoFleet
from tests.hosts import need


@pytest.fixture
def fleet() -> Iterator[DemoFleet]:
    need("a fleet")
    with DemoFleet(3) as fleet:
        yield fleet
