"""Command lines, in this process or as one of their own on a real sshd."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import pytest

from agentless.cli.app import main
from agentless.fleet import Fleet
from tests.cli.terminal import agentless
from tests.hosts import Sshd

# A command line, and its exit code, stdout and stderr; a process that has ended.
Say = Callable[..., tuple[int, str, str]]
Cli = Callable[..., subprocess.CompletedProcess[str]]


def made(*words: str) -> dict[str, Any]:
    """The arguments with which a command line makes its Fleet."""
    seen: list[dict[str, Any]] = []

    def make(inventory: Any, **options: Any) -> Fleet:
        seen.append({"inventory": inventory, **options})
        raise click.UsageError("seen")

    main(words, make_fleet=make, environ={})
    return seen[0]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Say:
    """Run a command line in this process, away from the user's own files."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[int, str, str]:
        code = main(words, environ={})
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def cli(sshd: Sshd) -> Cli:
    """agentless on these hosts; its stderr without the line that names the job, about which other tests are."""

    def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        done = agentless(*arguments, environ=sshd.client.environ, **options)
        done.stderr = re.sub(r"\A(last is job .*|job \d+: sending it to .*)\n", "", done.stderr)
        return done

    return run


def hosts(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The hosts of the document that was printed."""
    found: dict[str, Any] = json.loads(done.stdout)["hosts"]
    return found


def state(environ: Mapping[str, str]) -> tuple[str, int | None]:
    """State and signal of host1 in the newest job."""
    host = hosts(agentless("jobs", "lookup", "last", "--out", "json", environ=environ))["host1"]
    return host["state"], host["signal"]
