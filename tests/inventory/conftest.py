from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.inventory.oracle")

from tests.inventory.oracle import Oracle, need_current_ansible  # noqa: E402

Write = Callable[[dict[str, str]], Path]


@pytest.fixture(scope="session")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oracle]:
    need_current_ansible()
    oracle = Oracle(tmp_path_factory.mktemp("ansible-home"))
    yield oracle
    oracle.close()


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes files by name below a directory, which it returns; what begins with `#!` can be executed."""

    def write(files: dict[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            if text.startswith("#!"):
                path.chmod(0o755)
        return tmp_path

    return write
