"""The commands of README and docs work as they are written: each page is run on a fleet of its own.

In blocks marked `console`, lines that begin with `$ ` are commands and the others show output, which is not compared.
In blocks marked `sh`, every line is a command. `agentless` and what works on its files is run, in order, in one
directory with the demo's fleet as `inventory.yaml`; `make` is checked against the Makefile; a line that ends with
`# exits N` ends with N. JIDs stand for the newest job. A block behind a comment `<!-- not run: why -->` is left out.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from agentless.demo import DemoFleet
from tests.hosts import need, patience
from tests.hosts.client import ROOT

PAGES = [path for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))] if path.exists()]

BLOCK = re.compile(
    r"(?P<excuse><!-- not run: [^>]+ -->\s*\n)?^```(?P<kind>sh|console)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
NEWEST_JID = re.compile(r"\b20\d{18}\b")
HERE = re.compile(r"<<-?'?(?P<end>\w+)'?")
EXITS = re.compile(r"\s*# exits (\d+)$")

# What makes a machine ready is checked by CI itself, which begins with nothing.
FOR_A_FRESH_MACHINE = ("git", "cd", "pip", "pipx", "python3", "brew", "apt", "vagrant")


@dataclass(frozen=True)
class Line:
    number: int
    command: str
    exit_code: int


def commands(page: str) -> Iterator[Line]:
    """The commands of a page, with the line that each stands on."""
    for block in BLOCK.finditer(page):
        if block["excuse"]:
            continue
        first = page.count("\n", 0, block.start("text")) + 1
        pending, at = "", first
        for number, text in enumerate(block["text"].splitlines(), first):
            if not pending:
                at = number
                if block["kind"] == "console":
                    if not text.startswith("$ "):
                        continue
                    text = text[2:]
            pending += text
            if pending.endswith("\\"):
                pending = pending[:-1]
                continue
            if is_open(pending):
                pending += "\n"
                continue
            exits = EXITS.search(pending)
            command = EXITS.sub("", pending).strip()
            pending = ""
            if command and not command.startswith("#"):
                yield Line(at, command, int(exits[1]) if exits else 0)


def is_open(command: str) -> bool:
    """Whether a command goes on in the next line: within quotes, or in a here-document."""
    here = HERE.search(command)
    if here is not None:
        return here["end"] not in command.splitlines()[1:]
    try:
        shlex.split(command, comments=True)
    except ValueError:
        return True
    return False


def test_commands_are_found_in_their_blocks() -> None:
    page = """# x
```console
$ agentless run all -- \\
    uptime
web1 | returned
$ agentless jobs lookup last   # exits 1
```
```sh
# a comment
make demo
agentless run all -- 'one
  two'
cat > f <<'END'
it's text
END
```
<!-- not run: needs three servers -->
```sh
agentless run never
```
```python
$ none
```
"""
    assert list(commands(page)) == [
        Line(3, "agentless run all --     uptime", 0),
        Line(6, "agentless jobs lookup last", 1),
        Line(10, "make demo", 0),
        Line(11, "agentless run all -- 'one\n  two'", 0),
        Line(13, "cat > f <<'END'\nit's text\nEND", 0),
    ]


def test_the_readme_is_there() -> None:
    assert ROOT / "README.md" in PAGES


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_commands_of_a_page_work_as_written(page: Path, tmp_path: Path) -> None:
    lines = list(commands(page.read_text()))
    if not any(line.command.startswith("agentless") for line in lines):
        for line in lines:
            _check_setup(line, page)
        return
    need("a fleet, and some seconds a page")
    with DemoFleet(6) as fleet:
        place = tmp_path / "place"
        (tmp_path / "bin").mkdir()
        place.mkdir()
        (place / "inventory.yaml").symlink_to(fleet.inventory)
        tool = tmp_path / "bin" / "agentless"
        tool.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m agentless "$@"\n')
        tool.chmod(0o755)
        environ = {
            "HOME": str(tmp_path),
            "PATH": f"{tool.parent}:{Path(sys.executable).parent}:{os.defpath}",
            "PYTHONPATH": str(ROOT),
            "LC_ALL": "C.UTF-8",
        }
        for line in lines:
            if _check_setup(line, page):
                continue
            command = line.command
            if NEWEST_JID.search(command):
                newest = subprocess.run(
                    [tool, "jobs", "last", "--out", "json"], cwd=place, env=environ, capture_output=True, text=True
                )
                found = NEWEST_JID.search(newest.stdout)
                assert found, newest
                command = NEWEST_JID.sub(found[0], command)
            done = subprocess.run(
                ["/bin/sh", "-c", command],
                cwd=place,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=patience(120),
            )
            where = f"{page.relative_to(ROOT)}:{line.number}: {command}"
            assert done.returncode == line.exit_code, f"{where} exits {done.returncode}\n{done.stdout}"


def _check_setup(line: Line, page: Path) -> bool:
    """Whether a line is about the machine and not about jobs; a target of `make` must exist."""
    word = line.command.split()[0]
    if word == "make":
        targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        for target in line.command.split()[1:]:
            assert "=" in target or target in targets, f"{page.name}:{line.number}: there is no `make {target}`"
    return word == "make" or word in FOR_A_FRESH_MACHINE
