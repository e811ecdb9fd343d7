"""The Python programs of README and docs work as they are written, and their types are right.

Each block marked `python` is a program. Those of a page run in order, in one directory, with the demo's fleet as
`inventory.yaml`. A block behind a comment `<!-- not run: why -->` is left out.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from agentless.demo import DemoFleet
from tests.guards.test_readme import PAGES
from tests.hosts import need, patience
from tests.hosts.client import ROOT

BLOCK = re.compile(r"(?P<excuse><!-- not run: [^>]+ -->\s*\n)?^```python\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Program:
    line: int
    text: str
    runs: bool


def programs(page: Path) -> list[Program]:
    text = page.read_text()
    return [
        Program(text.count("\n", 0, block.start("text")) + 1, block["text"], block["excuse"] is None)
        for block in BLOCK.finditer(text)
    ]


def write_programs(place: Path) -> list[Path]:
    """Write each program of each page into a file of its own."""
    written = []
    for page in PAGES:
        for program in programs(page):
            if not program.runs:
                # It may need what is not installed here.
                continue
            path = place / f"{page.stem}_{program.line}.py"
            path.write_text(program.text)
            written.append(path)
    return written


WITH_PROGRAMS = [page for page in PAGES if programs(page)]


def test_the_page_on_python_is_among_them() -> None:
    assert {"README.md", "python.md"} <= {page.name for page in WITH_PROGRAMS}


@pytest.mark.parametrize("page", WITH_PROGRAMS, ids=lambda path: path.name)
def test_the_programs_of_a_page_run_as_written(page: Path, tmp_path: Path) -> None:
    need("a fleet, and some seconds a page")
    with DemoFleet(6) as fleet:
        (tmp_path / "inventory.yaml").symlink_to(fleet.inventory)
        for program in programs(page):
            if not program.runs:
                continue
            done = subprocess.run(
                [sys.executable, "-W", "error", "-c", program.text],
                cwd=tmp_path,
                env={"HOME": str(tmp_path), "PATH": os.defpath, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=patience(120),
            )
            assert done.returncode == 0, f"{page.relative_to(ROOT)}:{program.line}\n{done.stdout}"
