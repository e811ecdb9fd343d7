"""What tests of returners share: a job cache with something owed, a web server that misbehaves, and PostgreSQL."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.returners.bench import Bench
from tests.returners.postgres import Postgres
from tests.returners.web import Web


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def web() -> Iterator[Web]:
    with Web() as server:
        yield server


@pytest.fixture
def start_web() -> Iterator[Callable[..., Web]]:
    """Start web servers, with the arguments of `Web`; they end with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda *args, **kwargs: stack.enter_context(Web(*args, **kwargs))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL of the tests' own; each test asks it for a database of its own."""
    with Postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/register.db"
    server: Postgres = request.getfixturevalue("postgres")
    return server.database()
