"""The map is true: what developers' docs name exists, and the floors they tell are those there are."""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from agentless.cli.app import cli
from tests.guards.test_floors import FLOORS
from tests.hosts.client import ROOT

MAP = [ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs/dev").rglob("*.md"))]
PAGES = [ROOT / "README.md", *MAP, *sorted((ROOT / "docs").glob("*.md")), ROOT / "benchmarks/README.md"]
PATH = re.compile(r"`((?:agentless|tests|docs|benchmarks|vagrant|\.ci|\.github)/[\w./-]+)`")
# A function, type or table, and the file that is said to have it: `settle` in `agentless/model/states.py`.
NAME_IN = re.compile(r"`([A-Za-z_][\w.]*)`(?:[^`.;|]{0,60})?\s(?:of|in)\s`((?:agentless|tests|docs)/[\w./-]+\.py)`")
WORD = re.compile(r"[A-Za-z_][\w-]*")
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


@cache
def words_of_the_tree() -> frozenset[str]:
    """Every word of code; with a hyphen, and each part of such a one."""
    sources = [*(path for room in ("agentless", "tests", "docs", "benchmarks") for path in (ROOT / room).rglob("*.py"))]
    sources += [ROOT / "Makefile", ROOT / "pyproject.toml", ROOT / "mkdocs.yml", ROOT / ".ci/run"]
    found: set[str] = set()
    for path in sources:
        if path != Path(__file__):
            for word in WORD.findall(path.read_text()):
                found |= {word, *word.split("-")}
    return frozenset(found)


@pytest.mark.parametrize("page", MAP, ids=name)
def test_every_name_that_developers_are_told_is_one_of_the_code(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for told in re.findall(r"`([^`\n]+)`", text):
        for word in re.findall(r"[A-Za-z]*_\w+|[A-Z][a-z]+[A-Z]\w*", told if "/" not in told else ""):
            assert word in words_of_the_tree(), f"{name(page)} tells of {word}"


@pytest.mark.parametrize("page", MAP, ids=name)
def test_a_name_stands_in_the_file_that_is_said_to_have_it(page: Path) -> None:
    for told, path in NAME_IN.findall(" ".join(page.read_text().split())):
        words = set(WORD.findall((ROOT / path).read_text()))
        assert words.issuperset(told.split(".")), f"{name(page)}: {told} is not in {path}"


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
