"""Hosts for the helper's tests: one under each Python, and one under the oldest where Python makes no difference."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.hosts.needs import every
from tests.remote.host import Host, pythons

PYTHONS = pythons()
OUTERMOST = [pytest.param(PYTHONS[0], id="oldest"), pytest.param(PYTHONS[-1], id="newest")]


@pytest.fixture(scope="session")
def helper_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The `helper` directory as one Python left it after a first contact."""
    made: dict[str, Path] = {}

    def get(python: str) -> Path:
        if python not in made:
            host = Host(tmp_path_factory.mktemp("helper"), python)
            host.call("ping")
            host.run("true")
            made[python] = host.state / "helper"
            host.close()
        return made[python]

    return get


@pytest.fixture
def start_host(
    helper_of: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Host]]:
    """Make hosts; what runs on them ends with the test. `fresh` ones have never seen the helper."""
    hosts = []

    def start(python: str = PYTHONS[0], *, fresh: bool = False) -> Host:
        host = Host(tmp_path_factory.mktemp("host"), python, None if fresh else helper_of(python))
        hosts.append(host)
        return host

    yield start
    for host in hosts:
        host.close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    # Not the fixture's `params`: this file may be read before it is known whether quick tests are wanted.
    if "host" in metafunc.fixturenames:
        names = [f"{Path(path).resolve().name}@{path.split('/')[-3]}" for path in every(PYTHONS)]
        metafunc.parametrize("host", every(PYTHONS), indirect=True, ids=names)


@pytest.fixture
def host(request: pytest.FixtureRequest, start_host: Callable[..., Host]) -> Host:
    """A host under each Python from 3.6 on; quick tests are content with the oldest."""
    return start_host(request.param)


@pytest.fixture
def one_host(start_host: Callable[..., Host]) -> Host:
    """A host under the oldest Python."""
    return start_host()
