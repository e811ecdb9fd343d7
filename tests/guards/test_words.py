"""What pages write as a command in the middle of a text or a table is one: every word and option of it is known."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from agentless.cli.app import main
from agentless.errors import AgentlessError
from agentless.fleet import Fleet
from tests.hosts.client import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCES = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"`(agentless [^`\n]+)`")
# What stands for the reader's own; JIDs and signals are checked when they are read.
OURS = {
    "JID": "20261122095039579207",
    "SIGNAL": "TERM",
    "TIME": "5m",
    "FILE": "/dev/null",
    "N": "3",
    "backup.sh": "/dev/null",
}


class Understood(AgentlessError):
    """The whole line was read, and would be done now."""


def inline(page: Path) -> list[str]:
    text = FENCES.sub("", page.read_text())
    return [command.replace("\\|", "|") for command in COMMAND.findall(text) if "…" not in command]


@pytest.mark.parametrize("page", [page for page in PAGES if inline(page)], ids=lambda page: page.name)
def test_commands_within_text_can_be_typed(
    page: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What a command writes comes to lie where it was typed.
    monkeypatch.chdir(tmp_path)
    reached: list[str] = []

    def fleet(*_: Any, **__: Any) -> Fleet:
        reached.append("fleet")
        raise Understood("understood")

    environ = {"HOME": str(tmp_path)}
    for command in inline(page):
        words = ["/dev/null" if word.endswith(".sh") else OURS.get(word, word) for word in shlex.split(command)[1:]]
        if words[0] in ("demo", "completion", "help") or words[0].isupper():
            continue
        reached.clear()
        main(words, make_fleet=fleet, environ=environ)
        told = capsys.readouterr().err
        missing = "Missing" in told or "missing argument" in told or "needs" in told
        assert reached or missing, f"{page.relative_to(ROOT)}: {command}\n{told}"
