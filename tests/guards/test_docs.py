"""The map is true: what developers' docs name exists, and the floors they tell are those there are."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

from agentless.cli.app import cli
from tests.guards.test_floors import FLOORS
from tests.hosts.client import ROOT

MAP = [ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs/dev").rglob("*.md"))]
PAGES = [ROOT / "README.md", *MAP, *sorted((ROOT / "docs").glob("*.md")), ROOT / "benchmarks/README.md"]
PATH = re.compile(r"`((?:agentless|tests|docs|benchmarks|vagrant|\.ci|\.github)/[\w./-]+)`")
# Names to be replaced by the reader's own.
PLACEHOLDERS = re.compile(r"[A-Z]{3,}")
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_path_that_is_named_exists(page: Path) -> None:
    for path in PATH.findall(page.read_text()):
        if page not in MAP and path.startswith("agentless/"):
            # Pages for users tell of places on their machines.
            continue
        assert PLACEHOLDERS.search(path) or (ROOT / path).exists(), f"{name(page)} names {path}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text()):
        assert (page.parent / link).exists(), f"{name(page)} links to {link}"


def test_every_targeted_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        for target in re.findall(r"`make ([a-z-]+)", page.read_text()):
            assert target in targets, f"{name(page)} names make {target}"


def test_each_module_stands_on_a_floor_that_the_architecture_tells() -> None:
    """In its table, from the top down, in the order that imports are held to."""
    text = (ROOT / "docs/dev/architecture.md").read_text()
    rows = [
        re.findall(r"`agentless/([\w/]+)(?:\.py)?`", row.split("|")[1])
        for row in text.splitlines()
        if row.startswith("| `agentless/")
    ]
    told = {room: number for number, row in enumerate(rows) for room in row}
    entries = (ROOT / "agentless").iterdir()
    rooms = {path.stem for path in entries if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert set(told) == rooms - {"remote", "_version"}
    for above, below in pairwise(FLOORS):
        assert max(told[room] for room in above) <= min(told[room] for room in below), (above, below)


def test_the_page_about_other_users_names_each_option_that_is_about_them() -> None:
    text = (ROOT / "docs/become.md").read_text()
    options = [option.opts for option in cli.params if "become" in " ".join(option.opts)]
    assert len(options) > 3
    assert [names for names in options if not any(re.search(rf"`{name}\b", text) for name in names)] == []
