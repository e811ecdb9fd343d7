"""The reference is complete: it has each JSON key, exit code and kind of error that the code can give, and no other."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest

import agentless
from agentless.cli.app import cli
from agentless.demo import DemoFleet
from agentless.model import exit_codes
from docs.generate.reference import DOCUMENTS, EXITS, Document, exit_codes_page, json_page, keys, part_of
from docs.generate.samples import SAMPLES
from tests.guards.test_floors import parsed
from tests.hosts import need
from tests.hosts.client import ROOT

# Verbs that print no document: text for people, files that they change, or what runs until it is ended.
WITHOUT = {
    "completion",
    "demo",
    "help",
    "jobs",
    "schedule",
    "schedule add",
    "schedule copy",
    "schedule delete",
    "schedule disable",
    "schedule enable",
    "schedule import",
    "schedule modify",
    "schedule move",
    "schedule postpone",
    "schedule skip",
    "scheduler",
    "top",
}
# Objects with keys that people choose.
FREE = {"env", "metadata", "timing", "vars"}
# Objects that go elsewhere than to stdout.
ELSEWHERE = {"HostEnd", "HostAnswers", "Upcoming", "Pong", "Running", "Found", "Active", "Hosts", "Seen", "Pushed"}


def leaves(ctx: click.Context) -> Iterator[str]:
    if isinstance(ctx.command, click.Group):
        for name in ctx.command.list_commands(ctx):
            command = ctx.command.get_command(ctx, name)
            assert command is not None
            yield from leaves(click.Context(command, info_name=name, parent=ctx))
        if ctx.parent is None or not ctx.command.invoke_without_command:
            return
    yield ctx.command_path.removeprefix("agentless ")


def test_each_verb_has_its_document_in_the_reference_or_prints_none() -> None:
    told = {verb.split(" --")[0] for document in DOCUMENTS for verb in document.verbs} - {"every verb"}
    verbs = set(leaves(click.Context(cli, info_name="agentless")))
    assert told | WITHOUT == verbs
    assert not told & WITHOUT


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.sample)
def test_each_key_of_a_document_is_told_and_none_that_it_has_not(document: Document) -> None:
    for part in document.parts:
        told = {key.name: key for made_by in part.made_by for key in keys(made_by)[1]}
        always = {name for name, key in told.items() if "only" not in key.type}
        assert "HOST" in told or always <= set(part_of(SAMPLES[document.sample], part.at)) <= told.keys(), part


def test_everything_that_becomes_json_is_in_the_reference() -> None:
    told = {made_by.__qualname__.split(".")[0] for doc in DOCUMENTS for part in doc.parts for made_by in part.made_by}
    makers = set()
    for info in pkgutil.walk_packages(agentless.__path__, "agentless."):
        if info.name.startswith(("agentless.remote", "agentless.returners")) or info.name.endswith("__main__"):
            continue
        for name, value in vars(importlib.import_module(info.name)).items():
            if inspect.isclass(value) and "to_json" in vars(value):
                makers.add(name)
    assert makers - ELSEWHERE - told == set()


def test_what_commands_really_print_has_no_key_that_is_not_told(tmp_path: Path) -> None:
    need("a fleet, and some seconds")
    told = {"pending", "running", "returned", "lost", "unreachable", "not-started", "failed"}
    for made_by in {made_by for doc in DOCUMENTS for part in doc.parts for made_by in part.made_by}:
        for key in keys(made_by)[1]:
            # Small objects are described in the text of the key that has them.
            told |= {key.name, *re.findall(r"`([a-z_]+)`", key.text)}
    with DemoFleet(3) as fleet:
        names = {*fleet.names, "nightly"}

        def check(*words: str) -> None:
            done = fleet.agentless("-q", *words, "--out", "json") if "--" not in words else None
            if done is None:
                at = words.index("--")
                done = fleet.agentless("-q", *words[:at], "--out", "json", *words[at:])
            text = done.stdout[done.stdout.index("{") :]
            for key in every_key(json.JSONDecoder().raw_decode(text)[0]):
                known = key in told or key in names or re.fullmatch(r"\d{20}|(ansible|agentless)_\w+", key)
                assert known, f"{' '.join(words)}: {key}"

        check("run", "all", "--", "echo out; test -e /nowhere")
        check("run", "all", "--check", "--", "true")
        check("run", "web1", "--detach", "--", "sleep 100")
        for verb in ("running", "find-job last", "jobs active", "jobs list", "ping", "hosts", "connections"):
            check(*verb.split())
        check("signal-job", "last", "TERM")
        fleet.agentless(
            "schedule", "add", "nightly", "function=cmd.run", "args=[uptime]", "target=all", "cron=0 2 * * *"
        )
        for verb in ("list", "next", "push --check", "status"):
            check("schedule", *verb.split())
        for verb in ("exit-success last", "prune", "show last"):
            check("jobs", *verb.split())


def every_key(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            if key not in FREE:
                yield from every_key(item)
    elif isinstance(value, list):
        for item in value:
            yield from every_key(item)


def test_the_pages_are_made_and_link_to_what_they_have() -> None:
    page = json_page()
    headings = {re.sub(r"[^a-z0-9]+", "-", line.lstrip("# ").lower()) for line in page.splitlines() if line[:1] == "#"}
    for anchor in re.findall(r"\]\(#([\w-]+)\)", page):
        assert anchor in headings
    exits = exit_codes_page()
    for code in exit_codes.MEANINGS:
        assert f"| `{code}` |" in exits


def test_each_verb_that_asks_hosts_says_its_exit_code() -> None:
    told = {verb for verbs, _ in EXITS for verb in verbs}
    assert told >= {verb for doc in DOCUMENTS for verb in doc.verbs} - {
        "connections close",
        "every verb",
        "jobs prune",
        "run --check",
        "schedule list",
        "schedule next",
    }


def test_the_exit_codes_of_the_help_are_those_there_are() -> None:
    done = subprocess.run([sys.executable, "-m", "agentless", "--help"], capture_output=True, text=True, cwd=ROOT)
    told = {int(code) for code in re.findall(r"\b(\d+) ", done.stdout.partition("Exit codes:")[2].partition("\n\n")[0])}
    assert told - {0} == {1, 2, 3, 4, 130}


# --- kinds of errors ---

MAKERS = {
    "CannotStart",
    "CarrierLost",
    "CrontabError",
    "Dropped",
    "HostError",
    "NoSession",
    "Problem",
    "Refused",
    "Unfit",
    "Unreachable",
    "refusal",
    "refuse",
}
# Strings at such a place that are no kinds of errors.
NO_KINDS = {
    "keeper": "of connections",
    "master": "of connections",
}


def literals(node: ast.expr) -> set[str]:
    """The strings that an expression can be: itself, or the branches of a condition."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {node.value} - {""}
    if isinstance(node, ast.IfExp):
        return literals(node.body) | literals(node.orelse)
    return set()


@cache
def kinds_of_the_code() -> dict[str, set[str]]:
    """Every kind of error that the code can raise or send, with the modules where."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "agentless").rglob("*.py"):
        for node in ast.walk(parsed(path)):
            kinds: set[str] = set()
            if isinstance(node, ast.Call):
                function = node.func
                name = getattr(function, "id", getattr(function, "attr", ""))
                if name in MAKERS and node.args:
                    kinds |= literals(node.args[0])
                if name == "partial" and getattr(node.args[0], "id", "") in MAKERS:
                    kinds |= literals(node.args[1])
                if name == "bury" and len(node.args) > 2:
                    kinds |= literals(node.args[2])
                if name in {*MAKERS, "bury", "update", "dict", "_conclude"}:
                    for keyword in node.keywords:
                        kinds |= literals(keyword.value) if keyword.arg == "kind" else set()
                if name == "_conclude":
                    kinds |= literals(node.args[2])
            elif isinstance(node, (ast.Assign, ast.AnnAssign)) and path.name == "paths.py":
                # Of the system's own errors.
                names = [node.target] if isinstance(node, ast.AnnAssign) else node.targets
                if [getattr(name, "id", "") for name in names] == ["KINDS"] and isinstance(node.value, ast.Dict):
                    kinds |= set().union(*map(literals, node.value.values))
            elif isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and key.value == "kind":
                        kinds |= literals(value)
            elif isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Name) and target.id == "kind":
                        kinds |= literals(node.value)
                    if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                        for one, value in zip(target.elts, node.value.elts, strict=True):
                            kinds |= literals(value) if isinstance(one, ast.Name) and one.id == "kind" else set()
            for kind in kinds - NO_KINDS.keys():
                found.setdefault(kind, set()).add(str(path.relative_to(ROOT)))
    return found


def kinds_of_the_page() -> list[str]:
    page = (ROOT / "docs/reference/errors.md").read_text()
    return re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE)


def test_each_kind_of_error_has_a_row_with_its_way_out() -> None:
    page, code = kinds_of_the_page(), kinds_of_the_code()
    lacking = {kind: sorted(where) for kind, where in code.items() if kind not in page}
    assert lacking == {}, "docs/reference/errors.md has no row for these"


def test_no_row_is_for_a_kind_that_nothing_raises() -> None:
    page, code = kinds_of_the_page(), kinds_of_the_code()
    assert len(set(page)) == len(page)
    assert set(page) - set(code) - {"interrupted"} == set()


def test_each_row_says_what_happened_and_what_to_do() -> None:
    page = (ROOT / "docs/reference/errors.md").read_text()
    for row in re.findall(r"^\| `[a-z-]+` \|.*$", page, re.MULTILINE):
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert len(cells) == 3, row
        assert all(cells), row
