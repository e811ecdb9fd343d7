"""The comparison with Salt's own evaluator runs where `AGENTLESS_SALT_PYTHON` names a Python that has `salt`."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

collect_ignore = [] if os.environ.get("AGENTLESS_SALT_PYTHON") else ["test_salt.py"]


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose own time is UTC: what a test names in local time comes when `START` and its like say."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()
