"""Changes that users notice are told in fragments, which can be put together at any time."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

from tests.hosts.client import ROOT

FRAGMENTS = sorted(path for path in (ROOT / "changelog.d").glob("*") if path.name != "README.md")


def script() -> ModuleType:
    loader = SourceFileLoader("changelog", str(ROOT / ".ci/changelog"))
    spec = spec_from_loader("changelog", loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


CHANGELOG = script()


@pytest.mark.parametrize("path", FRAGMENTS, ids=lambda path: path.name)
def test_a_fragment_has_a_topic_and_points(path: Path) -> None:
    assert path.suffix == ".md"
    CHANGELOG.read(path)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Files\n\n- A point.\n", "begins with"),
        ("# Files\n", "no point"),
        ("# Files\n\n- A point\n", "full stop"),
        ("# Files\n\nA sentence.\n", "begins with `- `"),
        (f"# Files\n\n- {'x' * 120}.\n", "longer"),
    ],
)
def test_a_malformed_fragment_is_told(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "f.md").write_text(text)
    with pytest.raises(CHANGELOG.Malformed, match=why):
        CHANGELOG.read(tmp_path / "f.md")


def test_what_is_unreleased_can_be_shown() -> None:
    done = subprocess.run([sys.executable, ROOT / ".ci/changelog"], capture_output=True, text=True, check=True)
    for path in FRAGMENTS:
        assert CHANGELOG.read(path)[1][0] in done.stdout


def test_a_release_moves_the_fragments_above_what_was_before(tmp_path: Path) -> None:
    folder = tmp_path / "changelog.d"
    folder.mkdir()
    shutil.copy(ROOT / "CHANGELOG.md", tmp_path)
    before = (tmp_path / "CHANGELOG.md").read_text()
    (folder / "README.md").write_text("# About\n")
    (folder / "b.md").write_text("# Files\n\n- `put`.\n")
    (folder / "a.md").write_text("# Files\n\n- `get`,\n  too.\n")
    (folder / "c.md").write_text("# API\n\n- Typed.\n")
    CHANGELOG.release(tmp_path, "7.8.9", "2026-12-01")
    after = (tmp_path / "CHANGELOG.md").read_text()
    new = "# Changelog\n\n## 7.8.9 (2026-12-01)\n\n### API\n\n- Typed.\n\n### Files\n\n- `get`,\n  too.\n- `put`.\n"
    assert after == new + before.removeprefix("# Changelog\n")
    assert [path.name for path in folder.iterdir()] == ["README.md"]
    with pytest.raises(CHANGELOG.Malformed):
        CHANGELOG.release(tmp_path, "7.8.9", "2026-12-01")
