from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("tests.inventory.oracle")

from tests.inventory.oracle import Oracle, need_current_ansible  # noqa: E402


@pytest.fixture(scope="session")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oracle]:
    need_current_ansible()
    oracle = Oracle(tmp_path_factory.mktemp("ansible-home"))
    yield oracle
    oracle.close()
