"""Manual pages: one for each verb, with what its help says, in what man and mandoc read without a complaint."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import click
import pytest

from agentless.cli.app import cli
from agentless.cli.manual import manuals
from tests.hosts.client import ROOT
from tests.hosts.needs import need
from tests.hosts.waiting import patience

# Requests of man(7), and roff's fill and comment.
KNOWN = {"TH", "SH", "PP", "TP", "nf", "fi"}


@cache
def pages() -> Mapping[str, str]:
    return manuals(cli, "1.2.3")


def contexts(ctx: click.Context) -> Iterator[click.Context]:
    yield ctx
    if isinstance(ctx.command, click.Group):
        for name in ctx.command.list_commands(ctx):
            command = ctx.command.get_command(ctx, name)
            assert command is not None
            yield from contexts(click.Context(command, info_name=name, parent=ctx))


def plain(page: str) -> str:
    """What a reader sees, without the words for bold and for hyphens."""
    page = re.sub(r"\\f[BR]|\\&", "", page)
    for escaped, typed in (("\\-", "-"), ("\\(aq", "'"), ("\\(ha", "^"), ("\\(ti", "~"), ("\\e", "\\")):
        page = page.replace(escaped, typed)
    return " ".join(re.sub(r"\\\[u([0-9A-F]+)\]", lambda found: chr(int(found[1], 16)), page).split())


def test_there_is_a_page_for_each_verb() -> None:
    names = {
        f"{ctx.command_path.replace(' ', '-')}.1"
        for ctx in contexts(click.Context(cli, info_name="agentless", **cli.context_settings))
    }
    assert set(pages()) == names
    assert {"agentless.1", "agentless-run.1", "agentless-jobs-list.1", "agentless-schedule-push.1"} <= names


def test_a_page_has_every_option_and_what_the_help_says() -> None:
    for ctx in contexts(click.Context(cli, info_name="agentless", **cli.context_settings)):
        page = plain(pages()[f"{ctx.command_path.replace(' ', '-')}.1"])
        for param in ctx.command.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and (ctx.parent is None or not getattr(param, "shared", False)):
                assert " ".join(record[0].split()) in page, (ctx.command_path, record[0])
                assert " ".join(record[1].replace("`", "").split()) in page, (ctx.command_path, record[1])


def test_each_line_of_a_page_is_text_or_a_request_that_is_known() -> None:
    for line in [line for page in pages().values() for line in page.splitlines()]:
        assert line.strip(), "an empty line is a warning of mandoc"
        if line.startswith((".", "'")):
            assert line[1:].split()[0] in KNOWN, line
        assert not re.search(r"\\(?!f[BR]|[e&-]|\(aq|\(ha|\(ti|\[u)", line), line
        assert line.count("\\fB") == line.count("\\fR"), line


@pytest.mark.parametrize("tool", [tool for tool in ("groff", "mandoc") if shutil.which(tool)])
def test_man_reads_the_pages_without_a_complaint(tool: str) -> None:
    need("many seconds")
    words = {"groff": ["-man", "-ww", "-z", "-Tutf8", "-"], "mandoc": ["-T", "lint", "-W", "warning"]}[tool]
    for name, page in pages().items():
        done = subprocess.run([tool, *words], input=page, capture_output=True, text=True, timeout=patience(60))
        told = [line for line in (done.stdout + done.stderr).splitlines() if "missing date" not in line]
        assert told == [], (name, told)


def test_the_command_prints_its_pages(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "agentless", "help", "--man", "jobs", "list"]
    done = subprocess.run(
        words, env={"HOME": str(tmp_path)}, cwd=ROOT, capture_output=True, text=True, timeout=patience(60)
    )
    assert done.returncode == 0
    assert done.stdout.startswith('.TH "AGENTLESS-JOBS-LIST" 1')
