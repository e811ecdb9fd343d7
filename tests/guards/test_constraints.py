"""What `make demo` and `make test` install is named by version and hash, and is what pyproject.toml asks for."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.hosts.client import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILES = sorted((ROOT / ".ci/constraints").glob("*.txt"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
NEEDED = [Requirement(text) for text in PROJECT["project"]["dependencies"]]
FOR_SQL = [Requirement(text) for text in PROJECT["project"]["optional-dependencies"]["sql"]]
FOR_TESTS = [Requirement(text) for text in PROJECT["project"]["optional-dependencies"]["test"]]
FOR_BUILDING = [Requirement(text) for text in PROJECT["build-system"]["requires"]]
PYTHONS = ["3.10", "3.11", "3.12", "3.13", "3.14"]
PLATFORMS = ["linux", "darwin"]


@dataclass(frozen=True)
class Pin:
    """One release, for the Pythons and platforms that `requirement.marker` says."""

    requirement: Requirement
    hashes: tuple[str, ...]

    @property
    def name(self) -> str:
        return canonicalize_name(self.requirement.name)

    @property
    def version(self) -> str:
        (only,) = self.requirement.specifier
        assert only.operator == "=="
        return only.version

    def holds(self, python: str, platform: str) -> bool:
        environment = {
            "python_version": python,
            "python_full_version": f"{python}.1",
            "sys_platform": platform,
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
        }
        return self.requirement.marker is None or self.requirement.marker.evaluate(environment)


def pins(path: Path) -> Iterator[Pin]:
    for line in path.read_text().replace("\\\n", "").splitlines():
        if not line.startswith("#"):
            requirement, *hashes = line.split("--hash=")
            yield Pin(Requirement(requirement), tuple(hash_.strip() for hash_ in hashes))


def test_there_is_one_for_a_run_one_for_the_tests_and_one_with_the_lowest_versions() -> None:
    assert [path.stem for path in FILES] == ["lowest", "run", "test"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_release_is_pinned_with_the_hashes_of_its_files_and_no_address_is_named(path: Path) -> None:
    text = path.read_text()
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text
    for pin in pins(path):
        assert pin.version
        assert pin.hashes
        for hash_ in pin.hashes:
            assert re.fullmatch(r"sha256:[0-9a-f]{64}", hash_), (pin.name, hash_)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_on_each_python_all_that_is_asked_for_is_named_once(path: Path, python: str, platform: str) -> None:
    """`make constraints` after a change of pyproject.toml."""
    named: dict[str, Pin] = {}
    for pin in pins(path):
        if pin.holds(python, platform):
            assert pin.name not in named, f"{pin.name} is named twice for Python {python}"
            named[pin.name] = pin
    for wanted in [*NEEDED, *FOR_BUILDING, *([*FOR_SQL, *FOR_TESTS] if path.stem != "run" else [])]:
        pin = named[canonicalize_name(wanted.name)]
        assert wanted.specifier.contains(pin.version), f"{pin.name} {pin.version} is not {wanted}: make constraints"


def test_what_tests_run_with_is_what_a_run_has() -> None:
    test = {(pin.name, pin.version) for pin in pins(ROOT / ".ci/constraints/test.txt")}
    assert {(pin.name, pin.version) for pin in pins(ROOT / ".ci/constraints/run.txt")} <= test


def test_the_lowest_versions_are_the_bounds_of_pyproject() -> None:
    lowest = {pin.name: pin.version for pin in pins(ROOT / ".ci/constraints/lowest.txt")}
    for wanted in [*NEEDED, *FOR_SQL]:
        (bound,) = (each.version for each in wanted.specifier if each.operator == ">=")
        found = lowest[canonicalize_name(wanted.name)]
        assert f"{found}.0.0".startswith(f"{bound}."), f"{wanted}, but {found}: make constraints"


def test_each_library_has_a_lower_bound() -> None:
    for wanted in [*NEEDED, *FOR_SQL]:
        assert any(each.operator == ">=" for each in wanted.specifier), f"{wanted} has no lower bound that is tested"
